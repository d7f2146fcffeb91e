"""NumPy models of the harness's kernels: what harness.cu computes, without a device."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, List, Tuple

import numpy as np

from ..dtypes import FLOATING, STORAGE, expected_storage, from_bf16

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


def poisoned(raw: Any, dtype: str) -> Any:
    """Which elements still hold the poison."""
    byte = 0xFF if dtype in FLOATING else 0xA5
    return (raw.view(np.uint8).reshape(raw.size, -1) == byte).all(axis=1)


def compare(raw: Any, expected: Any, dtype: str, rtol: float, atol: float) -> List[int]:
    """The eight words of a comparison's slot."""
    got = from_bf16(raw) if dtype == "bf16" else raw
    got, want = got.astype(np.float64), expected.astype(np.float64)
    unwritten = poisoned(raw, dtype)
    if dtype in FLOATING:
        odd = unwritten | ~np.isfinite(got) | ~np.isfinite(want)
        same = (got == want) | (np.isnan(got) & np.isnan(want) & ~unwritten)
        same &= ~unwritten
    else:
        odd = np.zeros(raw.size, dtype=bool)
        same = raw == expected
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.where(odd, np.inf, np.abs(got - want)))
        close = ~odd & (error <= atol + rtol * np.abs(want)) & (rtol > 0 or atol > 0)
    bad = ~same & ~close
    relative = np.where(error == 0, 0.0, error / np.maximum(np.abs(np.where(np.isfinite(want), want, 1)), 1e-30))
    nonfinite = bad & ~unwritten & (~np.isfinite(got) if dtype in FLOATING else False)
    first = int(np.argmax(bad)) if bad.any() else 0
    inverse = (~first) & _ONES if bad.any() else 0
    words = [int(bad.sum()), int(np.sum(nonfinite)), int((bad & unwritten).sum()), inverse]
    return words + [_bits(float(error.max(initial=0))), _bits(float(relative.max(initial=0))), 0, 0]


def _bits(value: float) -> int:
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(bits)


def typed(data: Any, dtype: str, expected: bool = False) -> Any:
    """Bytes as an array of an element type."""
    return data.view(expected_storage(dtype) if expected else STORAGE[dtype])
