"""The compile process: one kernel at a time through NVRTC, images and facts left in files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .bounds import IMAGE_BYTES, limit_process, refused_include, refused_option
from .childio import Pipe, die_with_parent, give_way, serve
from .cubin import facts_of
from .nvrtc import CompileError, NoCompiler, Nvrtc, find_headers, toolkit_folders

#: From this version NVRTC caches through the driver; what comes from its cache has no assembler log and no true compile time.
_CACHES_SINCE = (12, 9)


def build_key(source: str, options: Sequence[str], arch: str) -> str:
    """What identifies a build."""
    return hashlib.sha256("\0".join([arch, *options, "", source]).encode()).hexdigest()


def nvrtc_options(options: Sequence[str], arch: str, version: str) -> List[str]:
    """The kernel's own options after the worker's; `version` is NVRTC's."""
    given = [f"--gpu-architecture={arch}", "--ptxas-options=-v"]
    if tuple(int(part) for part in version.split(".")) >= _CACHES_SINCE:
        given.append("--no-cache")
    if not any("std=" in option for option in options):
        given.append("-std=c++17")
    return given + [f"-I{folder}" for folder in find_headers()] + list(options)


class Compiler:
    """Compiles jobs `{source, options, arch, image}`: the cubin goes to the path `image`."""

    def __init__(self, library: Optional[str]) -> None:
        self._library = library
        self._nvrtc: Optional[Nvrtc] = None
        self._disassembler = find_disassembler()

    def handle(self, job: Dict[str, Any]) -> Dict[str, Any]:
        """One job's answer: `{ok, facts}` or `{ok: false, error, code?}`."""
        refused = refused_option(job["options"])
        if refused:
            return {"ok": False, "error": f"compile: the option {refused} is not permitted"}
        if "\0" in job["source"]:
            return {"ok": False, "error": "compile: the source holds a NUL, behind which nothing would be compiled"}
        included = refused_include(job["source"])
        if included:
            return {"ok": False, "error": f"compile: including {included} is not permitted: only headers of the include folders"}
        try:
            return {"ok": True, "facts": self.compile(job)}
        except CompileError as error:
            return {"ok": False, "error": "compile: " + first_error(str(error)), "log": str(error)[-4000:]}
        except NoCompiler as error:
            return {"ok": False, "error": str(error), "code": "no_compiler"}

    def compile(self, job: Mapping[str, Any]) -> Dict[str, Any]:
        """Compiles, writes the image, returns its facts."""
        if self._nvrtc is None:
            self._nvrtc = Nvrtc(self._library)
        started, cpu = time.perf_counter(), time.process_time()
        image, log = self._nvrtc.compile(job["source"], nvrtc_options(job["options"], job["arch"], self._nvrtc.version))
        elapsed = (time.perf_counter() - started) * 1000
        if len(image) > IMAGE_BYTES:
            raise CompileError(f"error: an image of {len(image) >> 20} MiB; at most {IMAGE_BYTES >> 20} MiB are taken")
        path = Path(job["image"])
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(image)
        part.replace(path)
        facts = facts_of(image, log)
        facts["compile_ms"] = round(elapsed, 3)
        if job.get("sass") and self._disassembler:
            facts["sass"] = count_instructions(self._disassembler, str(path))
        facts["cpu_seconds"] = time.process_time() - cpu
        return facts


def first_error(log: str) -> str:
    """The first error of a log, as one line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "unknown error")[:400]


def find_disassembler() -> Optional[str]:
    """nvdisasm, where a toolkit holds one."""
    beside = [os.path.join(folder, "bin", "nvdisasm") for folder in toolkit_folders()]
    return shutil.which("nvdisasm") or next((path for path in beside if os.access(path, os.X_OK)), None)


_INSTRUCTION = re.compile(r"^\s+(?:/\*[0-9a-f]+\*/\s+)?(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]+)(?:\.[\w.]+)?\s?.*;", re.M)


def count_instructions(disassembler: str, image: str) -> Dict[str, int]:
    """Instructions by opcode; empty when the disassembler fails."""
    try:
        text = subprocess.run([disassembler, "-c", image], capture_output=True, timeout=20, text=True, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    counts: Dict[str, int] = {}
    for match in _INSTRUCTION.finditer(text):
        counts[match.group(1)] = counts.get(match.group(1), 0) + 1
    return dict(sorted(counts.items()))


def main(arguments: Sequence[str]) -> None:
    """Runs as a child of the supervisor: `compiler.py [--fake] [NVRTC]`."""
    pipe = Pipe()
    die_with_parent()
    give_way(10)
    limit_process()
    if "--fake" in arguments:
        from .fake.compiler import FakeCompiler

        serve(pipe, FakeCompiler().handle)
    else:
        serve(pipe, Compiler(arguments[0] if arguments else None).handle)


if __name__ == "__main__":
    main(sys.argv[1:])
