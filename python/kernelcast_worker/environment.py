"""What NVML says of the device: clocks, temperature, power, throttling, other processes. Works (says less) without NVML."""

from __future__ import annotations

import ctypes
import os
import time
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_ulonglong, c_void_p
from typing import Any, Callable, Dict, List, Mapping, Optional

_SM, _MEMORY, _TEMPERATURE_GPU = 1, 2, 0
_THROTTLES = {
    0x1: "idle",
    0x2: "application_clocks",
    0x4: "power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal",
    0x40: "hw_thermal",
    0x80: "hw_power_brake",
    0x100: "display_clocks",
}
_FRESH_S = 0.5


class _Process(ctypes.Structure):
    _fields_ = [("pid", c_uint), ("memory", c_ulonglong), ("gpu_instance", c_uint), ("compute_instance", c_uint)]


class Nvml:
    """One device through NVML; every reading that fails is left out."""

    def __init__(self, uuid: Optional[str] = None, index: int = 0) -> None:
        self._library = ctypes.CDLL("libnvidia-ml.so.1")
        if self._library.nvmlInit_v2() != 0:
            raise OSError("NVML does not initialise")
        self._device = c_void_p()
        self._library.nvmlDeviceGetHandleByUUID.argtypes = [c_char_p, POINTER(c_void_p)]
        self._library.nvmlDeviceGetHandleByIndex_v2.argtypes = [c_uint, POINTER(c_void_p)]
        if not (self._find(uuid) if uuid else self._library.nvmlDeviceGetHandleByIndex_v2(index, byref(self._device)) == 0):
            raise OSError("NVML does not know the device")

    def _find(self, uuid: str) -> bool:
        """Looks for a device by its id alone: the readings of another would be worse than none. CUDA calls a part of a
        partitioned device GPU- where NVML calls it MIG-."""
        names = [uuid, "MIG-" + uuid[4:]] if uuid.startswith("GPU-") else [uuid]
        return any(self._library.nvmlDeviceGetHandleByUUID(name.encode(), byref(self._device)) == 0 for name in names)

    def _number(self, name: str, *selector: int) -> Optional[int]:
        value = c_uint()
        return value.value if self._ask(name, *[c_uint(s) for s in selector], byref(value)) else None

    def _ask(self, name: str, *arguments: Any) -> bool:
        try:
            return bool(getattr(self._library, name)(self._device, *arguments) == 0)
        except AttributeError:
            return False

    def name(self) -> str:
        """The device's name."""
        buffer = ctypes.create_string_buffer(128)
        return buffer.value.decode() if self._ask("nvmlDeviceGetName", buffer, c_uint(128)) else ""

    def driver(self) -> str:
        """The driver's version."""
        buffer = ctypes.create_string_buffer(96)
        return buffer.value.decode() if self._library.nvmlSystemGetDriverVersion(buffer, c_uint(96)) == 0 else ""

    def capability(self) -> Optional[str]:
        """Compute capability, for example 9.0, without a CUDA context."""
        major, minor = c_int(), c_int()
        if not self._ask("nvmlDeviceGetCudaComputeCapability", byref(major), byref(minor)):
            return None
        return f"{major.value}.{minor.value}"

    def max_clocks(self) -> Dict[str, Optional[int]]:
        """The highest clocks in MHz."""
        return {
            "sm_max_mhz": self._number("nvmlDeviceGetMaxClockInfo", _SM),
            "memory_max_mhz": self._number("nvmlDeviceGetMaxClockInfo", _MEMORY),
        }

    def processes(self, but: List[int]) -> Optional[int]:
        """Compute processes on the device other than ours."""
        count, found = c_uint(64), (_Process * 64)()
        if not self._ask("nvmlDeviceGetComputeRunningProcesses_v3", byref(count), found):
            return None
        return sum(1 for process in found[: count.value] if process.pid not in but)

    def reading(self, own: List[int]) -> Dict[str, Any]:
        """Clocks, temperature, power, throttle reasons and the number of other processes, now."""
        reasons = c_ulonglong()
        known = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", byref(reasons))
        power = self._number("nvmlDeviceGetPowerUsage")
        reading = {
            "sm_mhz": self._number("nvmlDeviceGetClockInfo", _SM),
            "memory_mhz": self._number("nvmlDeviceGetClockInfo", _MEMORY),
            "temperature_c": self._number("nvmlDeviceGetTemperature", _TEMPERATURE_GPU),
            "power_w": round(power / 1000, 1) if power is not None else None,
            "throttle": [name for bit, name in _THROTTLES.items() if reasons.value & bit] if known else None,
            "other_processes": self.processes(own),
        }
        return {key: value for key, value in reading.items() if value is not None}


class Environment:
    """The environment record of receipts, read again when it is older than half a second."""

    def __init__(self, facts: Dict[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._read_at = clock, -1e9
        self._cached: Dict[str, Any] = {}
        self._fixed: Dict[str, Any] = {key: facts[key] for key in ("uuid", "name", "cuda") if key in facts}
        self._fixed["device"] = self._fixed.pop("name", "")
        self.nvml = open_nvml(facts.get("uuid"))
        if self.nvml is not None:
            self._fixed["driver"] = self.nvml.driver()

    @property
    def driver(self) -> str:
        """The driver's version, empty without NVML."""
        return str(self._fixed.get("driver", ""))

    def read(self) -> Dict[str, Any]:
        """The record."""
        now = self._clock()
        if self.nvml is not None and now - self._read_at > _FRESH_S:
            self._cached, self._read_at = self.nvml.reading([os.getpid()]), now
        return {**self._fixed, **self._cached}


def visible_device(index: int, variables: Mapping[str, str]) -> Dict[str, Any]:
    """What NVML, which knows nothing of CUDA_VISIBLE_DEVICES, calls CUDA's device of this index: `uuid` or `index`."""
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return {"index": index}
    listed = [name.strip() for name in visible.split(",")]
    name = listed[index] if index < len(listed) else ""
    if name.isdigit():
        return {"index": int(name)}
    return {"uuid": name} if name.startswith(("GPU-", "MIG-")) else {"index": index}


def open_nvml(uuid: Optional[str] = None, index: int = 0) -> Optional[Nvml]:
    """NVML, or None where it does not load."""
    try:
        return Nvml(uuid, index)
    except (OSError, AttributeError):
        return None
