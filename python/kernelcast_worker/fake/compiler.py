"""Compiles nothing: the image is the source in JSON, the facts are made up but steady."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import time
from pathlib import Path
from typing import Any, Dict, List

# Specifiers may come in any order: `void __global__ k(`, `__launch_bounds__(256) __global__ void k(`.
_KERNEL = re.compile(
    r'extern\s+"C"\s+(?=[^{;]*\b__global__\b)'
    r"(?:(?:inline\b|void\b|__\w+__(?:\s*\([^)]*\))?)\s*)+?"
    r"(?!__\w+__)\b(\w+)\s*\("
)
MARKER = re.compile(r"//\s*fake:\s*(\w+)(?:=([\w.-]+))?")


def markers(source: str) -> Dict[str, str]:
    """The scenario markers of a source: `// fake: hang`, `// fake: runtime_us=123`."""
    return {match.group(1): match.group(2) or "" for match in MARKER.finditer(source)}


class FakeCompiler:
    """The compile process's stand-in; a compilation's time is its number in this process."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def handle(self, job: Dict[str, Any]) -> Dict[str, Any]:
        """One job's answer."""
        found = markers(job["source"])
        if "compile_error" in found:
            return {"ok": False, "error": "compile: kernel.cu(1): error: asked for by a marker"}
        once = Path(job["image"]).with_name("compiler-died-once")
        if "compiler_dies_once" in found and not once.exists():
            once.touch()
            os._exit(9)
        if "compiler_dies" in found:
            os._exit(9)
        if "compiler_hangs" in found:
            time.sleep(3600)
        names: List[str] = _KERNEL.findall(job["source"])
        Path(job["image"]).write_text(json.dumps({"source": job["source"], "functions": names}))
        usage = {"parameters": None, "regs": 32, "static_smem": 0, "spill_bytes": 0}
        code = MARKER.sub("", job["source"])
        return {
            "ok": True,
            "facts": {
                "functions": {name: dict(usage) for name in names},
                "machine_code_sha256": hashlib.sha256(code.encode()).hexdigest(),
                "writable_globals": 4 if "kept_answer" in found or "keeps_time" in found else 0,
                "heap": False,
                "compile_ms": float(next(self._count)),
                "cpu_seconds": 1.0,
            },
        }
