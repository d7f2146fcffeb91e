"""NumPy models of the harness's kernels: what harness.cu computes, without a device."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, List, NamedTuple, Tuple

import numpy as np

from ..dtypes import FLOATING, STORAGE, expected_storage, from_bf16
from ..harness import COMPARE_MARKS, IGNORE_MARKS, WRITE_MARKS

_ONES = 0xFFFFFFFFFFFFFFFF


def keystream(size: int, nonce: int, key: Tuple[int, int]) -> Any:
    """The mask's bytes; not the device's Philox stream, but keyed alike."""
    generator = np.random.Generator(np.random.Philox(key=nonce ^ (key[0] << 32 | key[1])))
    return np.frombuffer(generator.bytes(size), dtype=np.uint8)


def fingerprint(data: Any, salt: int) -> int:
    """A 64-bit fingerprint."""
    return int.from_bytes(hashlib.blake2b(data.tobytes(), digest_size=8, salt=struct.pack("<Q", salt)).digest(), "little")


def canary(address: int, size: int, salt: int) -> Any:
    """The guard zone's bytes."""
    positions = np.arange(address, address + size, dtype=np.uint64)
    return ((positions * np.uint64(2654435761) ^ np.uint64(salt)) >> np.uint64(7)).astype(np.uint8)


class Poison(NamedTuple):
    """The byte that outputs were filled with, what to do with the marks, and their bytes."""

    byte: int
    marking: int = IGNORE_MARKS
    marks: Any = None


def poisoned(raw: Any, byte: int) -> Any:
    """Which elements still hold the poison."""
    return (raw.view(np.uint8).reshape(raw.size, -1) == byte).all(axis=1)


def compare(raw: Any, expected: Any, dtype: str, tolerance: Tuple[float, float], poison: Poison) -> List[int]:
    """The eight words of a comparison's slot."""
    got = from_bf16(raw) if dtype == "bf16" else raw
    got, want = got.astype(np.float64), expected.astype(np.float64)
    held = poisoned(raw, poison.byte)
    if dtype in FLOATING:
        unwritten = held
        odd = unwritten | ~np.isfinite(got) | ~np.isfinite(want)
        same = (got == want) | (np.isnan(got) & np.isnan(want))
    else:
        unwritten = held & _use_marks(held, 16 // raw.itemsize, poison)
        odd = np.zeros(raw.size, dtype=bool)
        same = raw == expected
    with np.errstate(invalid="ignore"):
        error = np.where(same & ~unwritten, 0.0, np.where(odd, np.inf, np.abs(got - want)))
        close = ~odd & (error <= tolerance[1] + tolerance[0] * np.abs(want)) & (max(tolerance) > 0)
    bad = unwritten | (~same & ~close)
    relative = np.where(error == 0, 0.0, error / np.maximum(np.abs(np.where(np.isfinite(want), want, 1)), 1e-30))
    nonfinite = bad & ~unwritten & (~np.isfinite(got) if dtype in FLOATING else False)
    first = int(np.argmax(bad)) if bad.any() else 0
    inverse = (~first) & _ONES if bad.any() else 0
    words = [int(bad.sum()), int(np.sum(nonfinite)), int(unwritten.sum()), inverse]
    words += [_bits(float(error.max(initial=0))), _bits(float(relative.max(initial=0)))]
    return [*words, 0 if dtype in FLOATING else int((bad & held & ~unwritten).sum()), 0]


def _use_marks(held: Any, per: int, poison: Poison) -> Any:
    """Writes the marks of elements that hold the poison, or reads which held it before: 16 bits for `per` elements."""
    if poison.marking == WRITE_MARKS:
        padded = np.zeros((-(-held.size // per), 16), dtype=bool)
        padded[:, :per] = np.pad(held, (0, padded.shape[0] * per - held.size)).reshape(-1, per)
        poison.marks[:] = np.packbits(padded, bitorder="little")
    if poison.marking != COMPARE_MARKS:
        return np.zeros(held.size, dtype=bool)
    bits = np.unpackbits(poison.marks, bitorder="little").reshape(-1, 16)
    return bits[:, :per].reshape(-1)[: held.size].astype(bool)


def _bits(value: float) -> int:
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(bits)


def typed(data: Any, dtype: str, expected: bool = False) -> Any:
    """Bytes as an array of an element type."""
    return data.view(expected_storage(dtype) if expected else STORAGE[dtype])
