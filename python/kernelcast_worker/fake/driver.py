"""The driver interface without a device: host memory, virtual time, candidates computed by the reference, faults on demand."""

from __future__ import annotations

import ctypes
import json
import math
import os
from pathlib import Path
from typing import Any, Dict, List, Sequence, Set, Tuple

import numpy as np

from ..driver import NOT_FOUND, DriverError, Function, Launch
from .compiler import markers
from .harness import HarnessModel
from .kernels import knows_inputs, run_candidate

PAGE = 65536
_FIRST_ADDRESS = 0x7F0000000000


class Module:
    """A loaded image; `state` is what its writable globals would hold."""

    def __init__(self, image: bytes, scenario: str) -> None:
        self.content = json.loads(image)
        self.harness = bool(self.content.get("harness"))
        self.marks = markers(self.content.get("source", ""))
        if scenario and scenario != "ok" and not self.marks:
            self.marks = {scenario: ""}
        self.state: Dict[str, Any] = {}


class FakeDriver:
    """Executes launches at once, on the host."""

    has_virtual_memory = True

    def __init__(self, scenario: str, pipe: int, work: str) -> None:
        self._scenario, self.pipe, self.work = scenario, pipe, Path(work)
        self._regions: Dict[int, Any] = {}
        self._next = _FIRST_ADDRESS
        self.now_us = 0.0
        self.hung = False
        self.error = 0
        self.launches = 0
        #: Fingerprints of inputs, as memory that outlives modules would keep them.
        self.remembered: Set[int] = set()
        self.task: Any = None
        self.workspaces: List[Any] = []
        self._model = HarnessModel(self)

    def facts(self) -> Dict[str, Any]:
        """An H100-like device."""
        return {
            "name": "Fake H100", "uuid": "GPU-fake", "cuda": "13.0", "memory_bytes": 8 << 30, "multiprocessors": 132,
            "max_threads_per_block": 1024, "shared_memory_per_block": 49152, "clock_khz": 1980000, "memory_clock_khz": 2619000,
            "l2_bytes": 1 << 20, "max_threads_per_multiprocessor": 2048, "major": 9, "minor": 0,
            "shared_memory_per_multiprocessor": 233472, "registers_per_multiprocessor": 65536,
            "shared_memory_per_block_optin": 232448,
        }  # fmt: skip

    def observe(self, task: Any, workspaces: Sequence[Any]) -> None:
        """Learns what the buffers mean."""
        self.task, self.workspaces = task, list(workspaces)

    # --- memory -----------------------------------------------------------------------------------------------------

    def free_memory(self) -> int:
        """Plenty."""
        return 8 << 30

    def granularity(self) -> int:
        """The fake page size."""
        return PAGE

    def reserve(self, size: int) -> int:
        """An address range with nothing behind it."""
        address = self._next
        self._next += -(-size // PAGE) * PAGE + PAGE
        return address

    def unreserve(self, address: int, size: int) -> None:
        """Nothing to do."""

    def map(self, address: int, size: int) -> int:
        """Memory at an address."""
        self._regions[address] = np.zeros(size, dtype=np.uint8)
        return address

    def unmap(self, address: int, size: int, handle: int) -> None:
        """Undoes `map`."""
        del self._regions[address]

    def allocate(self, size: int) -> int:
        """Plain memory."""
        address = self.reserve(size)
        self.map(address, size)
        return address

    def free(self, address: int) -> None:
        """Gives memory back."""
        del self._regions[address]

    def view(self, address: int, size: int) -> Any:
        """The bytes at an address; outside of every buffer is an illegal address."""
        for base, region in self._regions.items():
            if base <= address and address + size <= base + region.size:
                return region[address - base : address - base + size]
        raise DriverError(700, "CUDA_ERROR_ILLEGAL_ADDRESS", "a fake access")

    def upload(self, address: int, host: int, size: int) -> None:
        """Host to device."""
        if size:
            self.view(address, size)[:] = np.frombuffer(ctypes.string_at(host, size), dtype=np.uint8)

    def download(self, host: int, address: int, size: int) -> None:
        """Device to host."""
        if size:
            ctypes.memmove(host, self.view(address, size).tobytes(), size)

    def fill(self, address: int, byte: int, size: int) -> None:
        """Byte fill."""
        self.view(address, size)[:] = byte

    # --- modules and launches ---------------------------------------------------------------------------------------

    def load_module(self, image: bytes) -> Module:
        """Loads a fake image."""
        return Module(image, self._scenario)

    def unload_module(self, module: Module) -> None:
        """Nothing to do."""

    def function(self, module: Module, name: str) -> Function:
        """A kernel by name."""
        if not module.harness and name not in module.content["functions"]:
            raise DriverError(NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "a fake look-up")
        return Function(module, name)

    def max_threads(self, function: Function) -> int:
        """As on real devices."""
        return 1024

    def allow_shared(self, function: Function, size: int) -> None:
        """Refuses what an H100 would."""
        if size > 232448:
            raise DriverError(1, "CUDA_ERROR_INVALID_VALUE", "a fake attribute")

    def prepare_launch(
        self, function: Function, grid: Sequence[int], block: Sequence[int], shared: int, parameters: Sequence[Tuple[str, Any]]
    ) -> Launch:
        """Keeps the values."""
        return Launch(function, (grid, block, shared), [value for _, value in parameters])

    def launch(self, launch: Launch) -> None:
        """Runs a harness kernel's model or the candidate's scenario."""
        module = launch.function.handle
        if module.harness:
            self.now_us += self._model.run(launch.function.name, launch.keep)
            return
        self.launches += 1
        runtime = float(module.marks.get("runtime_us") or (50_000 if "slow" in module.marks else 100))
        if "keeps_time" in module.marks and module.state.get("seen"):
            runtime /= 4
        if "remembers" in module.marks and knows_inputs(self, launch.keep):
            runtime /= 4
        module.state["seen"] = True
        self.now_us += runtime * (1 + 0.002 * math.sin(self.launches))
        run_candidate(self, module, launch.keep)

    # --- time -------------------------------------------------------------------------------------------------------

    def event(self) -> Dict[str, float]:
        """A virtual event."""
        return {"at": 0.0}

    def record(self, event: Dict[str, float]) -> None:
        """Stamps it."""
        event["at"] = self.now_us

    def happened(self, event: Dict[str, float]) -> bool:
        """The host is always in time."""
        return False

    def elapsed_us(self, begin: Dict[str, float], end: Dict[str, float]) -> float:
        """Virtual microseconds."""
        return end["at"] - begin["at"]

    def idle(self) -> bool:
        """Never, when hung; an error once one was injected."""
        if self.error:
            raise DriverError(self.error, "CUDA_ERROR_ILLEGAL_ADDRESS" if self.error == 700 else "CUDA_ERROR_LAUNCH_FAILED", "fake")
        return not self.hung

    def reset_persisting_l2(self) -> None:
        """Nothing to do."""

    def die(self, words: bytes = b"") -> None:
        """Ends the runner as a crash would, after some bytes."""
        if words:
            os.write(self.pipe, words)
        os._exit(3)
