"""Launches of the harness's own kernels (harness.cu) on the driver's stream."""

from __future__ import annotations

import os
import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .memory import Buffer, Memory, round_up

SLOT_BYTES = 64
SLOTS = 4096
MOVE = struct.Struct("<4Q")
SPAN = struct.Struct("<2Q")
COMPARED = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8")
_NAMES = ["prepare", "hash_spans", "guard_zones", "read_units", "copy_units", "fill_random", "scrub_shared", "delay", "nothing"]
FLOATING = frozenset({"f64", "f32", "f16", "bf16"})
POISON_FLOAT = 0xFF
#: Any integer may be a right answer, so integers are poisoned with one byte or the other: 128 apart, signed or not.
POISON_INTEGER = (0xA5, 0x25)
#: What a comparison does with the marks of elements that held the poison.
IGNORE_MARKS, WRITE_MARKS, COMPARE_MARKS = 0, 1, 2


def poison_byte(dtype: str, variant: int = 0) -> int:
    """The byte that outputs and scratch of this type are filled with: NaN for floating types."""
    return POISON_FLOAT if dtype in FLOATING else POISON_INTEGER[variant]


class Slots:
    """Result records on the device, read back together: 64 bytes each, zero at the start of a batch."""

    def __init__(self, driver: Any, memory: Memory) -> None:
        import numpy

        self._driver = driver
        self._device = memory.plain(SLOTS * SLOT_BYTES)
        self._host = numpy.zeros(SLOTS * 8, dtype=numpy.uint64)
        self.used = 0

    def clear(self) -> None:
        """Starts a new batch."""
        self._driver.fill(self._device.address, 0, max(self.used, 64) * SLOT_BYTES)
        self.used = 0

    @property
    def room(self) -> int:
        """How many slots are left in this batch."""
        return SLOTS - self.used

    def take(self, count: int = 1) -> Tuple[int, int]:
        """Reserves slots: (index of the first, its device address)."""
        index = self.used
        if index + count > SLOTS:
            raise RuntimeError("out of result slots")
        self.used += count
        return index, self._device.address + index * SLOT_BYTES

    def collect(self) -> None:
        """Enqueues the copy of what was taken to the host."""
        self._driver.download(self._host.ctypes.data, self._device.address, self.used * SLOT_BYTES)

    def words(self, index: int) -> List[int]:
        """The eight 64-bit words of a slot, after the stream was waited for."""
        return [int(word) for word in self._host[index * 8 : index * 8 + 8]]


class Harness:
    """The loaded harness module with its secrets: the mask's key and the salts, new in every process."""

    def __init__(self, driver: Any, memory: Memory, image: bytes, facts: Dict[str, Any]) -> None:
        self._driver, self._memory = driver, memory
        module = driver.load_module(image)
        names = _NAMES + [f"compare_{dtype}" for dtype in COMPARED]
        self._functions = {name: driver.function(module, name) for name in names}
        self._module = module
        self._blocks = int(facts["multiprocessors"]) * 8
        self._multiprocessors = int(facts["multiprocessors"])
        self._key = struct.unpack("<2I", os.urandom(8))
        self._salt, self._guard_salt = struct.unpack("<2Q", os.urandom(16))
        self.slots = Slots(driver, memory)
        self.flush_bytes = round_up(2 * int(facts["l2_bytes"]), 1 << 20)
        self._scratch: List[Buffer] = [memory.plain(64)]
        self._sink = self._scratch[0].address
        driver.fill(self._sink, 0, 64)
        self._flush = self._prepare_flush()
        self._scrub = self._prepare_scrub(int(facts["shared_memory_per_block_optin"]))
        self._reset = driver.reset_persisting_l2

    def _launch(self, name: str, parameters: Sequence[Tuple[str, Any]], blocks: Optional[int] = None, shared: int = 0) -> Any:
        grid = (blocks or self._blocks, 1, 1)
        return self._driver.prepare_launch(self._functions[name], grid, (256, 1, 1), shared, parameters)

    def _prepare_flush(self) -> Any:
        buffer = self._memory.plain(self.flush_bytes)
        self._scratch.append(buffer)
        self.fill_random(buffer.address, self.flush_bytes)
        units = self.flush_bytes // 16
        return self._launch("read_units", [("ptr", buffer.address), ("u64", units), ("ptr", self._sink)])

    def _prepare_scrub(self, shared: int) -> Any:
        function = self._functions["scrub_shared"]
        usable = shared // 1024 * 1024
        self._driver.allow_shared(function, usable)
        return self._launch("scrub_shared", [("u32", usable // 4)], self._multiprocessors * 2, usable)

    # --- data -------------------------------------------------------------------------------------------------------

    def table(self, moves: Sequence[Tuple[int, int, int, int]]) -> Tuple[Buffer, Any]:
        """A launch of `prepare` for (destination, source or 0, bytes, nonce or fill) entries, and the buffer it reads."""
        buffer = self._upload(b"".join(MOVE.pack(*move) for move in moves))
        low, high = self._key
        return buffer, self._launch("prepare", [("ptr", buffer.address), ("u32", len(moves)), ("u32", low), ("u32", high)])

    def spans(self, entries: Sequence[Tuple[int, int]]) -> Buffer:
        """Uploads (address, bytes) entries for `hash_spans` and `guards`."""
        return self._upload(b"".join(SPAN.pack(*entry) for entry in entries) or b"\0" * 16)

    def _upload(self, data: bytes) -> Buffer:
        import ctypes

        buffer = self._memory.plain(len(data))
        host = ctypes.create_string_buffer(data, len(data))
        self._driver.upload(buffer.address, ctypes.addressof(host), len(data))
        return buffer

    def mask_in_place(self, address: int, size: int, nonce: int) -> Buffer:
        """Masks (or unmasks) a buffer; returns the table, to be freed once the stream was waited for."""
        buffer, launch = self.table([(address, address, size, nonce)])
        self._driver.launch(launch)
        return buffer

    def hash(self, spans: Buffer, count: int) -> int:
        """Enqueues fingerprints of spans; returns the first slot's index (word 0 of each is the fingerprint)."""
        index, address = self.slots.take(count)
        parameters = [("ptr", spans.address), ("u32", count), ("u64", self._salt), ("ptr", address)]
        self._driver.launch(self._launch("hash_spans", parameters))
        return index

    def guards(self, zones: Buffer, count: int, write: bool = False) -> int:
        """Enqueues writing or checking of guard zones; returns the slot's index."""
        index, address = self.slots.take()
        parameters = [("ptr", zones.address), ("u32", count), ("u64", self._guard_salt), ("u32", int(write)), ("ptr", address)]
        self._driver.launch(self._launch("guard_zones", parameters, self._multiprocessors))
        return index

    def compare(
        self,
        dtype: str,
        got: int,
        expected: Tuple[int, int],
        count: int,
        tolerance: Tuple[float, float],
        poison: Tuple[int, int, int],
    ) -> int:
        """Enqueues a comparison with masked expected values (address, nonce); poison is (byte, marking, address of the marks)."""
        index, address = self.slots.take()
        low, high = self._key
        parameters = [("ptr", got), ("ptr", expected[0]), ("u64", count), ("f64", tolerance[0]), ("f64", tolerance[1])]
        parameters += [("u64", expected[1]), ("u32", low), ("u32", high)]
        parameters += [("u32", poison[0]), ("u32", poison[1]), ("ptr", poison[2]), ("ptr", address)]
        self._driver.launch(self._launch(f"compare_{dtype}", parameters))
        return index

    def fill_random(self, address: int, size: int) -> None:
        """Enqueues incompressible content."""
        low, high = struct.unpack("<2I", os.urandom(8))
        self._driver.launch(self._launch("fill_random", [("ptr", address), ("u64", size // 16), ("u32", low), ("u32", high)]))

    # --- timing -----------------------------------------------------------------------------------------------------

    def settle(self, launches: int, patience_us: float = 0.0) -> None:
        """Before a timed window: clears shared memory, holds the device while the host enqueues, evicts the L2 by reading."""
        self._reset()
        self._driver.launch(self._scrub)
        self._driver.launch(self.delay_launch(20_000 + 8_000 * launches + int(1000 * patience_us)))
        self._driver.launch(self._flush)

    def flush(self) -> None:
        """Reads the flush buffer once."""
        self._driver.launch(self._flush)

    def delay_launch(self, nanoseconds: int) -> Any:
        """A launch that keeps the device busy for a while."""
        return self._launch("delay", [("u64", nanoseconds)], 1)

    def read_launch(self, address: int, size: int) -> Any:
        """A launch that reads a buffer once."""
        return self._launch("read_units", [("ptr", address), ("u64", size // 16), ("ptr", self._sink)])

    def copy_launch(self, to: int, source: int, size: int) -> Any:
        """A launch that copies a buffer."""
        return self._launch("copy_units", [("ptr", to), ("ptr", source), ("u64", size // 16)])

    def nothing_launch(self) -> Any:
        """A launch that does nothing."""
        return self._driver.prepare_launch(self._functions["nothing"], (1, 1, 1), (32, 1, 1), 0, [])
