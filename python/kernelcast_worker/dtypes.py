"""Element types: how each is stored, rounded and widened. bf16 is stored as its bits in uint16."""

from __future__ import annotations

import math
import struct
from typing import Any, Dict, Sequence, Tuple

import numpy as np

STORAGE: Dict[str, Any] = {
    "f64": np.float64,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": np.uint16,
    "i64": np.int64,
    "i32": np.int32,
    "i16": np.int16,
    "i8": np.int8,
    "u64": np.uint64,
    "u32": np.uint32,
    "u16": np.uint16,
    "u8": np.uint8,
}
FLOATING = frozenset({"f64", "f32", "f16", "bf16"})
_LARGEST = {"f32": 3.4028235677973366e38, "f16": 65520.0, "bf16": 3.3961775292304957e38}


def item_bytes(dtype: str) -> int:
    """Bytes of one element."""
    return int(np.dtype(STORAGE[dtype]).itemsize)


def element_count(shape: Sequence[int]) -> int:
    """Elements of a shape."""
    return math.prod(int(extent) for extent in shape)


def to_bf16(values: Any) -> Any:
    """Rounds to bf16, ties to even, NaN kept quiet; returns the bits."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    result = (rounded >> np.uint32(16)).astype(np.uint16)
    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    if nan.any():
        result[nan] = ((bits[nan] >> np.uint32(16)) | np.uint32(0x40)).astype(np.uint16)
    return result


def from_bf16(bits: Any) -> Any:
    """The float32 values of bf16 bits."""
    return (np.asarray(bits, dtype=np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def store(values: Any, dtype: str) -> Any:
    """Rounds values to the stored form of a type."""
    if dtype == "bf16":
        return to_bf16(values)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(np.asarray(values).astype(STORAGE[dtype], copy=False))


def widen(stored: Any, dtype: str) -> Any:
    """What a reference sees: float64 for floating types, int64 for integers (uint64 stays)."""
    if dtype == "bf16":
        return from_bf16(stored).astype(np.float64)
    if dtype in FLOATING:
        return stored.astype(np.float64)
    return stored if dtype == "u64" else stored.astype(np.int64)


def expected_storage(dtype: str) -> Any:
    """The type that expected values are kept in: float32 for f32, f16 and bf16, else the output's own."""
    return np.float32 if dtype in ("f16", "bf16") else STORAGE[dtype]


def expected_values(values: Any, dtype: str, exact: bool) -> Any:
    """A reference's result as it is compared: rounded to the output's own type first when the comparison is exact."""
    if dtype not in FLOATING:
        return np.ascontiguousarray(np.asarray(values).astype(STORAGE[dtype]))
    if dtype == "f64":
        return np.ascontiguousarray(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if exact and dtype == "bf16":
            return from_bf16(to_bf16(np.asarray(values, dtype=np.float32)))
        if exact:
            return np.asarray(values).astype(STORAGE[dtype]).astype(np.float32)
        result = np.array(values, dtype=np.float32)
        beyond = np.abs(np.asarray(values, dtype=np.float64)) >= _LARGEST[dtype]
        if beyond.any():
            result[beyond] = np.copysign(np.inf, np.asarray(values)[beyond])
    return result


def holds(dtype: str, value: float) -> bool:
    """Whether an integer type has a value; a floating type rounds whatever it is given."""
    if dtype in FLOATING:
        return True
    limits = np.iinfo(STORAGE[dtype])
    return int(limits.min) <= value <= int(limits.max)


def scalar(dtype: str, value: float) -> Tuple[str, Any]:
    """A typed scalar argument as the driver packs it: (type, value), f16 and bf16 as bits."""
    if dtype == "f16":
        try:
            return "u16", struct.unpack("<H", struct.pack("<e", float(value)))[0]
        except OverflowError:
            return "u16", 0x7C00 if value > 0 else 0xFC00
    if dtype == "bf16":
        return "u16", int(to_bf16(np.array([value], dtype=np.float32))[0])
    if dtype in FLOATING:
        return dtype, float(value)
    return dtype, int(value)
