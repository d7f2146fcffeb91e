"""NVRTC through ctypes: found in the toolkit, in wheels or beside PyTorch's libraries."""

from __future__ import annotations

import ctypes
import glob
import os
import site
import sys
import sysconfig
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Any, Dict, List, Optional, Sequence, Tuple

_WHEELS = ("nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib", "nvidia/cu12/lib", "torch/lib")
_HEADER_WHEELS = ("nvidia/cu13/include", "nvidia/cuda_runtime/include", "nvidia/cuda_nvrtc/include", "nvidia/cuda_cccl/include")


class NoCompiler(Exception):
    """No usable NVRTC."""


class CompileError(Exception):
    """NVRTC refused a program; the text is its log."""


def package_folders() -> List[str]:
    """Where wheels live."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path]
    try:
        folders += [*site.getsitepackages(), site.getusersitepackages()]
    except AttributeError:
        pass
    unique: Dict[str, None] = {folder: None for folder in folders if folder and os.path.isdir(folder)}
    return list(unique)


def toolkit_folders() -> List[str]:
    """CUDA toolkits, the configured one first."""
    named = [os.environ.get(name, "") for name in ("CUDA_HOME", "CUDA_PATH")]
    found = [*named, "/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True), "/opt/cuda"]
    return [folder for folder in found if folder and os.path.isdir(folder)]


def find_libraries() -> List[str]:
    """Candidate libnvrtc files, best first."""
    patterns = [os.path.join(root, wheel, "libnvrtc.so.*") for root in package_folders() for wheel in _WHEELS]
    patterns += [os.path.join(root, wheel, "libnvrtc-*.so*") for root in package_folders() for wheel in ("torch/lib",)]
    for root in toolkit_folders():
        patterns += [os.path.join(root, "lib64", "libnvrtc.so*"), os.path.join(root, "targets/*/lib/libnvrtc.so*")]
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern)) if _usable(path)]
    return [*dict.fromkeys(found), "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]


def _usable(path: str) -> bool:
    return "builtins" not in path and ".alt." not in path


def find_headers() -> List[str]:
    """Include folders that hold the CUDA headers, toolkit first."""
    found: List[str] = []
    for root in toolkit_folders():
        include = os.path.join(root, "include")
        if os.path.isfile(os.path.join(include, "cuda_fp16.h")):
            found += [include, os.path.join(include, "cccl")]
            break
    if not found:
        for root in package_folders():
            for wheel in _HEADER_WHEELS:
                include = os.path.join(root, wheel)
                found += [folder for folder in (include, os.path.join(include, "cccl")) if os.path.isdir(folder)]
    return [folder for folder in dict.fromkeys(found) if os.path.isdir(folder)]


class Nvrtc:
    """A loaded NVRTC."""

    def __init__(self, path: Optional[str] = None) -> None:
        self._library, self.path = _load([path] if path else find_libraries())
        for name, arguments in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, c_int
        self._library.nvrtcGetErrorString.argtypes = [c_int]
        self._library.nvrtcGetErrorString.restype = c_char_p
        major, minor = c_int(), c_int()
        self._check(self._library.nvrtcVersion(byref(major), byref(minor)))
        self.version = f"{major.value}.{minor.value}"

    def compile(self, source: str, options: Sequence[str]) -> Tuple[bytes, str]:
        """The cubin and the log; `CompileError` with the log when the source does not compile."""
        program = c_void_p()
        self._check(self._library.nvrtcCreateProgram(byref(program), source.encode(), b"kernel.cu", 0, None, None))
        try:
            given = (c_char_p * len(options))(*[option.encode() for option in options])
            code = self._library.nvrtcCompileProgram(program, len(options), given)
            log = self._text(program, "ProgramLog").decode("utf-8", "replace")
            if code != 0:
                reason = self._library.nvrtcGetErrorString(code).decode()
                raise CompileError(log.strip("\0\n ") or reason)
            return self._text(program, "CUBIN"), log
        finally:
            self._library.nvrtcDestroyProgram(byref(program))

    def _text(self, program: Any, what: str) -> bytes:
        size = c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, byref(size)))
        buffer = ctypes.create_string_buffer(max(1, size.value))
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, buffer))
        return buffer.raw[: size.value].rstrip(b"\0") if what == "ProgramLog" else buffer.raw[: size.value]

    def _check(self, code: int) -> None:
        if code != 0:
            raise CompileError(self._library.nvrtcGetErrorString(code).decode())


_SIGNATURES: Dict[str, List[Any]] = {
    "nvrtcVersion": [POINTER(c_int), POINTER(c_int)],
    "nvrtcCreateProgram": [POINTER(c_void_p), c_char_p, c_char_p, c_int, c_void_p, c_void_p],
    "nvrtcDestroyProgram": [POINTER(c_void_p)],
    "nvrtcCompileProgram": [c_void_p, c_int, POINTER(c_char_p)],
    "nvrtcGetProgramLogSize": [c_void_p, POINTER(c_size_t)],
    "nvrtcGetProgramLog": [c_void_p, c_char_p],
    "nvrtcGetCUBINSize": [c_void_p, POINTER(c_size_t)],
    "nvrtcGetCUBIN": [c_void_p, c_char_p],
}


def _load(candidates: Sequence[str]) -> Tuple[Any, str]:
    reasons = []
    for path in candidates:
        try:
            for builtins in sorted(glob.glob(os.path.join(os.path.dirname(path), "libnvrtc-builtins*.so*"))):
                if os.path.dirname(path) and ".alt." not in builtins:
                    ctypes.CDLL(builtins, mode=ctypes.RTLD_GLOBAL)
            library = ctypes.CDLL(path)
            if hasattr(library, "nvrtcGetCUBIN"):
                return library, path
            reasons.append(f"{path}: older than CUDA 11.2")
        except OSError as error:
            reasons.append(str(error))
    raise NoCompiler("no NVRTC library could be loaded: " + "; ".join(reasons[:3]))
