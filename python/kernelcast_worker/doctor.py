"""The checks of `hello`: what is there, what is missing and how to get it. Nothing here touches CUDA."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, Dict, List, Optional

from .environment import open_nvml, visible_device
from .nvrtc import NoCompiler, Nvrtc, find_headers

_LEAST_DISK = 4 << 30


def run_checks(options: Namespace, folder: Path, own: List[int]) -> List[Dict[str, Any]]:
    """All checks; a missing part is a failed check, never an exception."""
    nvml = None if options.fake is not None else open_nvml(**visible_device(options.device, os.environ))
    return [
        _check("python", sys.version_info >= (3, 9), sys.version.split()[0], "install Python 3.9 or later"),
        _driver(options, nvml),
        _device(options, nvml),
        _compiler(options),
        _headers(options),
        _module("numpy", "needed to measure: pip install numpy", optional=False),
        _module("torch", "", optional=True),
        _others(nvml, own),
        _disk(folder),
    ]


def _check(name: str, ok: bool, detail: str, fix: str = "") -> Dict[str, Any]:
    return {"name": name, "ok": bool(ok), "detail": detail, "fix": "" if ok else fix}


def _driver(options: Namespace, nvml: Any) -> Dict[str, Any]:
    if options.fake is not None:
        return _check("driver", True, f"fake: {options.fake}")
    try:
        ctypes.CDLL(options.driver or "libcuda.so.1")
    except OSError as error:
        return _check("driver", False, str(error), "install the NVIDIA driver, or name its library with --driver")
    return _check("driver", True, nvml.driver() if nvml else "libcuda.so.1 loads; no NVML")


def _device(options: Namespace, nvml: Any) -> Dict[str, Any]:
    if options.fake is not None:
        return _check("device", True, "fake")
    if nvml is None:
        return _check("device", False, "NVML does not answer", "run nvidia-smi to see why; the worker can do without NVML")
    return _check("device", True, f"{nvml.name()}, compute capability {nvml.capability()}")


def _compiler(options: Namespace) -> Dict[str, Any]:
    if options.fake is not None:
        return _check("nvrtc", True, "fake")
    try:
        nvrtc = Nvrtc(options.nvrtc)
    except NoCompiler as error:
        return _check("nvrtc", False, str(error), "pip install nvidia-cuda-nvrtc, or name the library with --nvrtc")
    return _check("nvrtc", True, f"{nvrtc.version} from {nvrtc.path}")


def _headers(options: Namespace) -> Dict[str, Any]:
    folders = find_headers()
    found = options.fake is not None or bool(folders)
    detail = ", ".join(folders) or "none found"
    return _check("cuda headers", found, detail, "pip install nvidia-cuda-runtime nvidia-cuda-cccl, or install the toolkit")


def _module(name: str, fix: str, optional: bool) -> Dict[str, Any]:
    there = importlib.util.find_spec(name) is not None
    detail = "found" if there else ("absent (optional)" if optional else "absent")
    return _check(name, there or optional, detail, fix)


def _others(nvml: Optional[Any], own: List[int]) -> Dict[str, Any]:
    count = nvml.processes([os.getpid(), *own]) if nvml else None
    detail = "unknown" if count is None else f"{count} other compute processes"
    return _check("other processes", not count, detail, "end them: they disturb every timing")


def _disk(folder: Path) -> Dict[str, Any]:
    free = shutil.disk_usage(folder).free
    return _check("disk", free >= _LEAST_DISK, f"{free >> 30} GiB free under {folder.parent}", "free at least 4 GiB")
