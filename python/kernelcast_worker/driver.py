"""The CUDA driver API through ctypes: the one interface that the rest of the worker uses (`fake/` implements it too)."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from typing import Any, Dict, List, Optional, Sequence, Tuple

SUCCESS = 0
OUT_OF_MEMORY = 2
NOT_FOUND = 500
NOT_READY = 600
#: Errors after which the context is unusable.
STICKY = frozenset({700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999})
#: Of those, the ones that a wild pointer causes.
ADDRESS_ERRORS = frozenset({700, 716, 717})

ATTRIBUTES = {
    "max_threads_per_block": 1,
    "max_grid_x": 5,
    "max_grid_y": 6,
    "max_grid_z": 7,
    "shared_memory_per_block": 8,
    "clock_khz": 13,
    "multiprocessors": 16,
    "memory_clock_khz": 36,
    "l2_bytes": 38,
    "max_threads_per_multiprocessor": 39,
    "major": 75,
    "minor": 76,
    "shared_memory_per_multiprocessor": 81,
    "registers_per_multiprocessor": 82,
    "shared_memory_per_block_optin": 97,
    "virtual_memory": 102,
}
_MAX_THREADS_PER_BLOCK = 0
_MAX_DYNAMIC_SHARED = 8
_NON_BLOCKING = 1
_PINNED, _DEVICE, _READ_WRITE, _GRANULARITY_MINIMUM = 1, 1, 3, 0


class DriverError(Exception):
    """A driver call that did not return success."""

    def __init__(self, code: int, name: str, call: str) -> None:
        super().__init__(f"{name} ({code}) from {call}")
        self.code, self.name, self.call = code, name, call

    @property
    def sticky(self) -> bool:
        """Whether the context is lost."""
        return self.code in STICKY


class _Location(ctypes.Structure):
    _fields_ = [("type", c_int), ("id", c_int)]


class _AllocFlags(ctypes.Structure):
    _fields_ = [
        ("compression", ctypes.c_ubyte),
        ("rdma", ctypes.c_ubyte),
        ("usage", ctypes.c_ushort),
        ("reserved", ctypes.c_ubyte * 4),
    ]


class AllocationProp(ctypes.Structure):
    """CUmemAllocationProp: 32 bytes."""

    _fields_ = [
        ("type", c_int),
        ("handle_types", c_int),
        ("location", _Location),
        ("win32", c_void_p),
        ("flags", _AllocFlags),
    ]


class AccessDesc(ctypes.Structure):
    """CUmemAccessDesc: 12 bytes."""

    _fields_ = [("location", _Location), ("flags", c_int)]


class _Uuid(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_ubyte * 16)]


_D = c_ulonglong  # CUdeviceptr
_SIGNATURES: Dict[str, Sequence[Any]] = {
    "cuInit": [c_uint],
    "cuDriverGetVersion": [POINTER(c_int)],
    "cuGetErrorName": [c_int, POINTER(c_char_p)],
    "cuDeviceGet": [POINTER(c_int), c_int],
    "cuDeviceGetCount": [POINTER(c_int)],
    "cuDeviceGetName": [c_char_p, c_int, c_int],
    "cuDeviceGetUuid": [POINTER(_Uuid), c_int],
    "cuDeviceTotalMem_v2": [POINTER(c_size_t), c_int],
    "cuDeviceGetAttribute": [POINTER(c_int), c_int, c_int],
    "cuDevicePrimaryCtxRetain": [POINTER(c_void_p), c_int],
    "cuCtxSetCurrent": [c_void_p],
    "cuCtxResetPersistingL2Cache": [],
    "cuModuleLoadData": [POINTER(c_void_p), c_void_p],
    "cuModuleUnload": [c_void_p],
    "cuModuleGetFunction": [POINTER(c_void_p), c_void_p, c_char_p],
    "cuFuncSetAttribute": [c_void_p, c_int, c_int],
    "cuFuncGetAttribute": [POINTER(c_int), c_int, c_void_p],
    "cuMemGetInfo_v2": [POINTER(c_size_t), POINTER(c_size_t)],
    "cuMemAlloc_v2": [POINTER(_D), c_size_t],
    "cuMemFree_v2": [_D],
    "cuMemcpyHtoDAsync_v2": [_D, c_void_p, c_size_t, c_void_p],
    "cuMemcpyDtoHAsync_v2": [c_void_p, _D, c_size_t, c_void_p],
    "cuMemsetD8Async": [_D, ctypes.c_ubyte, c_size_t, c_void_p],
    "cuStreamCreate": [POINTER(c_void_p), c_uint],
    "cuStreamQuery": [c_void_p],
    "cuEventCreate": [POINTER(c_void_p), c_uint],
    "cuEventQuery": [c_void_p],
    "cuEventRecord": [c_void_p, c_void_p],
    "cuEventElapsedTime": [POINTER(c_float), c_void_p, c_void_p],
    "cuLaunchKernel": [c_void_p] + [c_uint] * 7 + [c_void_p, c_void_p, c_void_p],
    "cuMemGetAllocationGranularity": [POINTER(c_size_t), POINTER(AllocationProp), c_int],
    "cuMemAddressReserve": [POINTER(_D), c_size_t, c_size_t, _D, c_ulonglong],
    "cuMemAddressFree": [_D, c_size_t],
    "cuMemCreate": [POINTER(c_ulonglong), c_size_t, POINTER(AllocationProp), c_ulonglong],
    "cuMemRelease": [c_ulonglong],
    "cuMemMap": [_D, c_size_t, c_size_t, c_ulonglong, c_ulonglong],
    "cuMemUnmap": [_D, c_size_t],
    "cuMemSetAccess": [_D, c_size_t, POINTER(AccessDesc), c_size_t],
}
_OPTIONAL = frozenset({"cuCtxResetPersistingL2Cache", "cuMemGetAllocationGranularity", "cuMemAddressReserve"})

_SCALARS: Dict[str, Any] = {
    "ptr": c_ulonglong,
    "u64": c_ulonglong,
    "i64": ctypes.c_longlong,
    "u32": c_uint,
    "i32": c_int,
    "u16": ctypes.c_ushort,
    "i16": ctypes.c_short,
    "u8": ctypes.c_ubyte,
    "i8": ctypes.c_byte,
    "f64": c_double,
    "f32": c_float,
}


class Function:
    """A kernel of a loaded module."""

    __slots__ = ("handle", "name")

    def __init__(self, handle: Any, name: str) -> None:
        self.handle, self.name = handle, name


class Launch:
    """A kernel with its geometry and packed parameters, ready to be enqueued any number of times."""

    __slots__ = ("arguments", "function", "keep")

    def __init__(self, function: Function, arguments: Tuple[Any, ...], keep: Any) -> None:
        self.function, self.arguments, self.keep = function, arguments, keep


def initialise(path: Optional[str] = None) -> None:
    """Loads and initialises the driver for this process; no context, nothing on the device."""
    _load(path).cuInit(0)


class Driver:
    """One device, its primary context and one stream. Every call checks its return code and raises `DriverError`."""

    def __init__(self, index: int = 0, path: Optional[str] = None) -> None:
        self._library = _load(path)
        self._bind()
        self._call("cuInit", 0)
        device = c_int()
        self._call("cuDeviceGet", byref(device), index)
        self._device = device.value
        context, stream = c_void_p(), c_void_p()
        self._call("cuDevicePrimaryCtxRetain", byref(context), self._device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuStreamCreate", byref(stream), _NON_BLOCKING)
        self.stream = stream
        self._property = AllocationProp(type=_PINNED, location=_Location(_DEVICE, self._device))
        self._access = AccessDesc(location=_Location(_DEVICE, self._device), flags=_READ_WRITE)

    def _bind(self) -> None:
        self._functions: Dict[str, Any] = {}
        for name, arguments in _SIGNATURES.items():
            try:
                function = getattr(self._library, name)
            except AttributeError:
                if name in _OPTIONAL:
                    continue
                raise OSError(f"the driver library has no {name}") from None
            function.argtypes, function.restype = list(arguments), c_int
            self._functions[name] = function

    def _call(self, name: str, *arguments: Any) -> None:
        code = self._functions[name](*arguments)
        if code != SUCCESS:
            raise DriverError(code, self._error_name(code), name)

    def _error_name(self, code: int) -> str:
        text = c_char_p()
        if self._functions["cuGetErrorName"](code, byref(text)) != SUCCESS or not text.value:
            return "CUDA_ERROR"
        return text.value.decode()

    # --- the device -------------------------------------------------------------------------------------------------

    def facts(self) -> Dict[str, Any]:
        """Name, uuid, driver version, memory and the attributes of `ATTRIBUTES`."""
        name = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", name, 256, self._device)
        uuid, memory, version = _Uuid(), c_size_t(), c_int()
        self._call("cuDeviceGetUuid", byref(uuid), self._device)
        self._call("cuDeviceTotalMem_v2", byref(memory), self._device)
        self._call("cuDriverGetVersion", byref(version))
        digits = bytes(uuid.bytes).hex()
        facts: Dict[str, Any] = {key: self._attribute(number) for key, number in ATTRIBUTES.items()}
        facts["name"] = name.value.decode()
        facts["uuid"] = "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        facts["memory_bytes"] = memory.value
        facts["cuda"] = f"{version.value // 1000}.{version.value % 1000 // 10}"
        return facts

    def _attribute(self, number: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), number, self._device)
        return value.value

    def free_memory(self) -> int:
        """Bytes of device memory that nobody holds."""
        free, total = c_size_t(), c_size_t()
        self._call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value

    # --- memory -----------------------------------------------------------------------------------------------------

    def allocate(self, size: int) -> int:
        """Plain device memory."""
        address = _D()
        self._call("cuMemAlloc_v2", byref(address), max(size, 1))
        return address.value

    def free(self, address: int) -> None:
        """Gives back what `allocate` gave."""
        self._call("cuMemFree_v2", address)

    def granularity(self) -> int:
        """Page size of the virtual memory calls."""
        value = c_size_t()
        self._call("cuMemGetAllocationGranularity", byref(value), byref(self._property), _GRANULARITY_MINIMUM)
        return value.value

    def reserve(self, size: int) -> int:
        """An address range with nothing mapped."""
        address = _D()
        self._call("cuMemAddressReserve", byref(address), size, 0, 0, 0)
        return address.value

    def unreserve(self, address: int, size: int) -> None:
        """Gives back what `reserve` gave."""
        self._call("cuMemAddressFree", address, size)

    def map(self, address: int, size: int) -> int:
        """New physical memory at `address`; returns its handle."""
        handle = c_ulonglong()
        self._call("cuMemCreate", byref(handle), size, byref(self._property), 0)
        try:
            self._call("cuMemMap", address, size, 0, handle, 0)
        except DriverError:
            self._call("cuMemRelease", handle)
            raise
        self._call("cuMemSetAccess", address, size, byref(self._access), 1)
        return handle.value

    def unmap(self, address: int, size: int, handle: int) -> None:
        """Undoes `map`."""
        self._call("cuMemUnmap", address, size)
        self._call("cuMemRelease", handle)

    def upload(self, address: int, host: int, size: int) -> None:
        """Copies host memory to the device, in stream order; pageable memory may be reused on return."""
        if size:
            self._call("cuMemcpyHtoDAsync_v2", address, host, size, self.stream)

    def download(self, host: int, address: int, size: int) -> None:
        """Enqueues a copy to the host; wait for the stream before reading it."""
        if size:
            self._call("cuMemcpyDtoHAsync_v2", host, address, size, self.stream)

    def fill(self, address: int, byte: int, size: int) -> None:
        """Enqueues a byte fill."""
        if size:
            self._call("cuMemsetD8Async", address, byte, size, self.stream)

    # --- modules and launches ---------------------------------------------------------------------------------------

    def load_module(self, image: bytes) -> Any:
        """Loads a cubin."""
        module = c_void_p()
        self._call("cuModuleLoadData", byref(module), ctypes.cast(c_char_p(image), c_void_p))
        return module

    def unload_module(self, module: Any) -> None:
        """Unloads a module."""
        self._call("cuModuleUnload", module)

    def function(self, module: Any, name: str) -> Function:
        """A kernel by name; `DriverError` with code `NOT_FOUND` when the module has none."""
        handle = c_void_p()
        self._call("cuModuleGetFunction", byref(handle), module, name.encode())
        return Function(handle, name)

    def max_threads(self, function: Function) -> int:
        """Threads per block that the kernel's registers allow."""
        value = c_int()
        self._call("cuFuncGetAttribute", byref(value), _MAX_THREADS_PER_BLOCK, function.handle)
        return value.value

    def allow_shared(self, function: Function, size: int) -> None:
        """Raises the kernel's limit of dynamic shared memory."""
        self._call("cuFuncSetAttribute", function.handle, _MAX_DYNAMIC_SHARED, size)

    def prepare_launch(
        self, function: Function, grid: Sequence[int], block: Sequence[int], shared: int, parameters: Sequence[Tuple[str, Any]]
    ) -> Launch:
        """Packs (type, value) parameters; f16 and bf16 are given as their bits with type u16."""
        values: List[Any] = [_SCALARS[kind](value) for kind, value in parameters]
        pointers = (c_void_p * max(1, len(values)))(*[ctypes.addressof(value) for value in values])
        geometry = (*grid, *block, shared, self.stream, ctypes.cast(pointers, c_void_p), None)
        return Launch(function, (function.handle, *geometry), (values, pointers))

    def launch(self, launch: Launch) -> None:
        """Enqueues a launch."""
        code = self._functions["cuLaunchKernel"](*launch.arguments)
        if code != SUCCESS:
            raise DriverError(code, self._error_name(code), f"the launch of {launch.function.name}")

    # --- time -------------------------------------------------------------------------------------------------------

    def event(self) -> Any:
        """A new timing event."""
        event = c_void_p()
        self._call("cuEventCreate", byref(event), 0)
        return event

    def record(self, event: Any) -> None:
        """Enqueues an event."""
        self._call("cuEventRecord", event, self.stream)

    def happened(self, event: Any) -> bool:
        """Whether the device has passed a recorded event."""
        return bool(self._functions["cuEventQuery"](event) == SUCCESS)

    def elapsed_us(self, begin: Any, end: Any) -> float:
        """Microseconds between two events that are done."""
        value = c_float()
        self._call("cuEventElapsedTime", byref(value), begin, end)
        return float(value.value) * 1000.0

    def idle(self) -> bool:
        """Whether everything enqueued is done; raises what went wrong on the device."""
        code = self._functions["cuStreamQuery"](self.stream)
        if code == NOT_READY:
            return False
        if code != SUCCESS:
            raise DriverError(code, self._error_name(code), "cuStreamQuery")
        return True

    def reset_persisting_l2(self) -> None:
        """Turns persisting L2 lines to normal ones, where the driver knows the call."""
        if "cuCtxResetPersistingL2Cache" in self._functions:
            self._functions["cuCtxResetPersistingL2Cache"]()

    @property
    def has_virtual_memory(self) -> bool:
        """Whether buffers can be mapped one by one."""
        return "cuMemAddressReserve" in self._functions and self._attribute(ATTRIBUTES["virtual_memory"]) == 1

    def observe(self, task: Any, workspaces: Any) -> None:
        """For drivers that execute nothing: the task and its buffers. A real device needs no telling."""


def _load(path: Optional[str]) -> Any:
    for candidate in [path] if path else ["libcuda.so.1", "libcuda.so"]:
        try:
            return ctypes.CDLL(candidate)
        except OSError as error:
            reason = str(error)
    raise OSError(f"no CUDA driver: {reason}")
