"""A workload's buffers on the device: working buffers in their own mappings, masked pristine inputs and expected values."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Tuple

import numpy as np

from .dtypes import STORAGE, element_count, expected_storage, item_bytes
from .harness import FLOATING, POISON_INTEGER, Harness, poison_byte
from .memory import Buffer, Memory


@dataclass
class Expected:
    """Masked expected values of one output."""

    buffer: Buffer
    nonce: int


@dataclass
class InputSet:
    """One secret input set on the device; `refreshes` unmask it into the working buffers and poison the outputs."""

    index: int
    refreshes: List[Any]
    expected: Dict[str, Expected]
    buffers: List[Buffer]
    uploads: List[Tuple[int, Any]] = field(default_factory=list)
    input_hashes: List[int] = field(default_factory=list)


class Workspace:
    """Working buffers of one workload and the input sets loaded for it."""

    def __init__(self, driver: Any, memory: Memory, harness: Harness, workload: Mapping[str, Any]) -> None:
        self.driver, self.memory, self.harness, self.workload = driver, memory, harness, workload
        self.arguments: Dict[str, Mapping[str, Any]] = {argument["name"]: argument for argument in workload["args"]}
        self._owned: List[Buffer] = []
        self.working: Dict[str, Buffer] = {}
        for name, argument in self.arguments.items():
            buffer = memory.guarded(element_count(argument["shape"]) * item_bytes(argument["dtype"]))
            self.working[name] = buffer
            self._owned.append(buffer)
        zones = [zone for buffer in self.working.values() for zone in buffer.zones]
        self.zone_count = len(zones)
        self.zones = self._keep(harness.spans(zones))
        self.inputs = [name for name, argument in self.arguments.items() if argument["role"] == "in"]
        self.outputs = [name for name, argument in self.arguments.items() if argument["role"] in ("out", "inout")]
        spans = [(self.working[name].address, self.working[name].size) for name in self.inputs]
        self.input_spans = self._keep(harness.spans(spans))
        self.variants = 1 if all(self.arguments[name]["dtype"] in FLOATING for name in self.outputs) else len(POISON_INTEGER)
        self.marks: Dict[str, Buffer] = {name: self._keep(self._marks(name)) for name in self.outputs if self._is_marked(name)}
        harness.guards(self.zones, self.zone_count, write=True)

    def _is_marked(self, name: str) -> bool:
        argument = self.arguments[name]
        return bool(argument["role"] == "out" and argument["dtype"] not in FLOATING)

    def _marks(self, name: str) -> Buffer:
        """Room for one bit per element of an integer output: two bytes for every 16 bytes of it."""
        return self.memory.plain(2 * -(-self.working[name].size // 16))

    def _keep(self, buffer: Buffer) -> Buffer:
        self._owned.append(buffer)
        return buffer

    def restore_guards(self) -> None:
        """Writes the canaries again."""
        self.harness.guards(self.zones, self.zone_count, write=True)

    def zone_owner(self, address: int) -> str:
        """Which buffer's guard zone an address lies in, for messages."""
        for name, buffer in self.working.items():
            for start, size in buffer.zones:
                if start - 8 < address < start + size:
                    side = "before" if address < buffer.address else "after"
                    distance = buffer.address - address if side == "before" else address - buffer.address - buffer.size
                    return f"{max(0, distance)} bytes {side} {name}"
        return "a guard zone"

    def load_set(self, index: int, files: Mapping[str, Any]) -> InputSet:
        """Uploads an input set; plain text stays only in the working buffers until the next refresh."""
        buffers: List[Buffer] = []
        moves: List[Tuple[int, int, int, int]] = []
        poisoned: List[Tuple[int, int, str]] = []
        uploads: List[Tuple[int, Any]] = []
        spare = self._spare(files)
        for name, argument in self.arguments.items():
            target = self.working[name]
            if argument["role"] in ("in", "inout"):
                values = np.memmap(files["inputs"][name], dtype=STORAGE[argument["dtype"]], mode="r")
                if spare:
                    buffer, nonce = self._masked(values, target.size)
                    buffers.append(buffer)
                    moves.append((target.address, buffer.address, target.size, nonce))
                else:
                    uploads.append((target.address, values))
            else:
                poisoned.append((target.address, target.size, argument["dtype"]))
        expected: Dict[str, Expected] = {}
        for name in self.outputs:
            values = np.memmap(files["expected"][name], dtype=expected_storage(self.arguments[name]["dtype"]), mode="r")
            buffer, nonce = self._masked(values, values.nbytes)
            buffers.append(buffer)
            expected[name] = Expected(buffer, nonce)
        refreshes: List[Any] = []
        for variant in range(self.variants):
            fills = [(address, 0, size, poison_byte(dtype, variant)) for address, size, dtype in poisoned]
            table, refresh = self.harness.table(moves + fills)
            buffers.append(table)
            refreshes.append(refresh)
        return InputSet(index, refreshes, expected, buffers, uploads)

    def _spare(self, files: Mapping[str, Any]) -> bool:
        """Whether pristine copies of this set fit on the device beside a reserve of an eighth."""
        size = sum(os.path.getsize(path) for part in ("inputs", "expected") for path in files[part].values())
        return bool(size * 8 // 7 + (1 << 28) < self.driver.free_memory())

    def _masked(self, values: Any, size: int) -> Tuple[Buffer, int]:
        buffer = self.memory.plain(size)
        (nonce,) = struct.unpack("<Q", os.urandom(8))
        padded = values
        if size % 16:
            padded = np.zeros(-(-size // 16) * 16, dtype=np.uint8)
            padded[:size] = values.reshape(-1).view(np.uint8)
        self.driver.upload(buffer.address, padded.ctypes.data, padded.nbytes)
        table = self.harness.mask_in_place(buffer.address, padded.nbytes, nonce)
        self._wait()
        self.memory.release([table])
        return buffer, nonce

    def _wait(self) -> None:
        while not self.driver.idle():
            pass

    def refresh(self, chosen: InputSet, variant: int = 0) -> None:
        """Enqueues fresh inputs and outputs poisoned with one of the variants."""
        for address, values in chosen.uploads:
            self.driver.upload(address, values.ctypes.data, values.nbytes)
        self.driver.launch(chosen.refreshes[variant % self.variants])

    def drop_set(self, chosen: InputSet) -> None:
        """Frees an input set."""
        self.memory.release(chosen.buffers)

    def close(self) -> None:
        """Frees the working buffers; their input sets are the caller's to drop."""
        self.memory.release(self._owned)
