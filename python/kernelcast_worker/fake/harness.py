"""Runs the models of the harness's kernels on the fake driver's memory; each returns its virtual microseconds."""

from __future__ import annotations

import struct
from typing import Any, List, Sequence

import numpy as np

from ..dtypes import expected_storage, item_bytes
from ..harness import MOVE, SPAN
from .model import Poison, canary, compare, fingerprint, keystream, typed


class HarnessModel:
    """Dispatches by kernel name."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def run(self, name: str, values: Sequence[Any]) -> float:
        """Executes one harness kernel."""
        if name.startswith("compare_"):
            self._compare(name[8:], values)
        elif name in ("prepare", "hash_spans", "guard_zones"):
            getattr(self, f"_{name}")(*values)
        elif name == "delay":
            return float(values[0]) / 1000
        elif name == "copy_units":
            return float(values[2]) * 32 / 3.0e6
        elif name == "read_units":
            return float(values[1]) * 16 / 3.0e6
        return 2.0

    def _words(self, address: int, words: List[int]) -> None:
        slot = self._driver.view(address, 64)
        slot[:] = np.frombuffer(struct.pack("<8Q", *words), dtype=np.uint8)

    def _prepare(self, table: int, entries: int, low: int, high: int) -> None:
        for i in range(entries):
            to, source, size, nonce = MOVE.unpack(self._driver.view(table + i * MOVE.size, MOVE.size).tobytes())
            if source == 0:
                self._driver.view(to, size)[:] = nonce & 0xFF
            else:
                self._driver.view(to, size)[:] = self._driver.view(source, size) ^ keystream(size, nonce, (low, high))

    def _hash_spans(self, spans: int, count: int, salt: int, slots: int) -> None:
        for i in range(count):
            address, size = SPAN.unpack(self._driver.view(spans + i * SPAN.size, SPAN.size).tobytes())
            self._words(slots + 64 * i, [fingerprint(self._driver.view(address, size), salt), 0, 0, 0, 0, 0, 0, 0])

    def _guard_zones(self, zones: int, count: int, salt: int, write: int, slot: int) -> None:
        changed, lowest = 0, 0
        for i in range(count):
            address, size = SPAN.unpack(self._driver.view(zones + i * SPAN.size, SPAN.size).tobytes())
            zone, wanted = self._driver.view(address, size), canary(address, size, salt)
            if write:
                zone[:] = wanted
                continue
            bad = np.flatnonzero(zone != wanted)
            if bad.size:
                changed += int(bad.size)
                lowest = max(lowest, ~(address + int(bad[0])) & 0xFFFFFFFFFFFFFFFF)
        self._words(slot, [changed, 0, 0, lowest, 0, 0, 0, 0])

    def _compare(self, dtype: str, values: Sequence[Any]) -> None:
        got, expected, count, rtol, atol, nonce, low, high, byte, marking, marks, slot = values
        raw = typed(self._driver.view(got, count * item_bytes(dtype)), dtype)
        size = count * np.dtype(expected_storage(dtype)).itemsize
        padded = -(-size // 16) * 16
        plain = (self._driver.view(expected, padded) ^ keystream(padded, nonce, (low, high)))[:size]
        bits = self._driver.view(marks, 2 * -(-size // 16)) if marking else None
        self._words(slot, compare(raw, typed(plain, dtype, expected=True), dtype, (rtol, atol), Poison(byte, marking, bits)))
