"""A candidate's module on the device: checked against its launches, loaded afresh when it could keep state."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .driver import NOT_FOUND, DriverError
from .dtypes import element_count, holds, item_bytes, scalar
from .faults import Fault
from .workspace import Workspace

_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_MOST_SHARED = 2**31 - 1
_SCALAR_BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1}
_SCALAR_BYTES.update({"u64": 8, "u32": 4, "u16": 2, "u8": 1})


class KernelImage:
    """A compiled kernel: image, facts and what is loaded of it."""

    def __init__(
        self, driver: Any, kernel: Mapping[str, Any], image: bytes, facts: Mapping[str, Any], limits: Mapping[str, Any]
    ) -> None:
        self.driver, self.kernel, self.facts = driver, kernel, facts
        self._image, self._limits = image, limits
        self._module: Any = None
        self._sequences: Dict[Tuple[int, int], List[Any]] = {}

    @property
    def keeps_state(self) -> bool:
        """Whether the module has memory that outlives a launch."""
        return bool(self.facts.get("writable_globals"))

    def sequence(self, workspace: Workspace, launches: Sequence[Mapping[str, Any]]) -> List[Any]:
        """The launches packed for a workspace, loading the module if it is not loaded."""
        key = (id(workspace), id(launches))
        if key not in self._sequences:
            self.load()
            self._sequences[key] = [self._pack(workspace, launch) for launch in launches]
        return list(self._sequences[key])

    def load(self) -> None:
        """Loads the module unless it is loaded."""
        if self._module is not None:
            return
        try:
            self._module = self.driver.load_module(self._image)
        except DriverError as error:
            if error.sticky:
                raise
            raise Fault("launch", f"the module does not load: {error.name}") from error

    def unload(self) -> None:
        """Unloads the module: its state is gone."""
        self._sequences = {}
        if self._module is not None:
            module, self._module = self._module, None
            self.driver.unload_module(module)

    def _pack(self, workspace: Workspace, launch: Mapping[str, Any]) -> Any:
        name = launch["kernel"]
        if not _NAME.fullmatch(name):
            raise Fault("compile", f"no kernel named {name!r}")
        try:
            function = self.driver.function(self._module, name)
        except DriverError as error:
            if error.code == NOT_FOUND:
                raise Fault("compile", f"no kernel named {name}") from error
            raise
        self._check_shape(function, launch)
        packed = [self._argument(workspace, argument) for argument in launch["args"]]
        self._check_parameters(name, packed, launch["args"])
        shared = int(launch.get("smem_bytes", 0))
        if shared > _MOST_SHARED:
            raise Fault("launch", f"{shared} bytes of dynamic shared memory are more than a launch can ask for")
        if shared > 48 * 1024:
            self._allow_shared(function, shared)
        return self.driver.prepare_launch(function, launch["grid"], launch["block"], shared, packed)

    def _allow_shared(self, function: Any, shared: int) -> None:
        try:
            self.driver.allow_shared(function, shared)
        except DriverError as error:
            if error.sticky:
                raise
            most = self._limits.get("shared_memory_per_block_optin")
            raise Fault("launch", f"{shared} bytes of dynamic shared memory refused; a block may have {most}") from error

    def _check_shape(self, function: Any, launch: Mapping[str, Any]) -> None:
        grid, block, name = launch["grid"], launch["block"], launch["kernel"]
        if min(*grid, *block) < 1:
            raise Fault("launch", f"{name}: grid {list(grid)} and block {list(block)} must be positive")
        threads = block[0] * block[1] * block[2]
        most = self.driver.max_threads(function)
        if threads > most or block[2] > 64:
            raise Fault("launch", f"{name}: a block of {threads} threads; this kernel allows {most}")
        limits = (2147483647, 65535, 65535)
        if any(extent > limit for extent, limit in zip(grid, limits)):
            raise Fault("launch", f"{name}: grid {list(grid)} exceeds {list(limits)}")

    @staticmethod
    def _argument(workspace: Workspace, argument: Any) -> Tuple[str, Any]:
        if isinstance(argument, str):
            return "ptr", workspace.working[argument].address
        ((dtype, value),) = argument.items()
        if not holds(dtype, value):
            raise Fault("launch", f"the argument {value} does not fit into {dtype}")
        return scalar(dtype, value)

    def _check_parameters(self, name: str, packed: Sequence[Tuple[str, Any]], given: Sequence[Any]) -> None:
        declared: Optional[List[int]] = self.facts["functions"].get(name, {}).get("parameters")
        if declared is None:
            return
        if len(declared) != len(packed):
            raise Fault("launch", f"{name} takes {len(declared)} parameters, the launch gives {len(packed)}")
        for i, (size, argument) in enumerate(zip(declared, given)):
            wanted = 8 if isinstance(argument, str) else _SCALAR_BYTES[next(iter(argument))]
            if size != wanted:
                raise Fault("launch", f"{name}: parameter {i} takes {size} bytes, the launch gives {argument!r} of {wanted}")


def workload_bytes(workload: Mapping[str, Any]) -> Tuple[int, int]:
    """Bytes of a workload's inputs and of its outputs."""
    sizes = {"in": 0, "out": 0}
    for argument in workload["args"]:
        size = element_count(argument["shape"]) * item_bytes(argument["dtype"])
        if argument["role"] in ("in", "inout"):
            sizes["in"] += size
        if argument["role"] in ("out", "inout"):
            sizes["out"] += size
    return sizes["in"], sizes["out"]
