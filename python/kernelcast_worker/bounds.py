"""What a kernel may make its compiler do: which files it may name, and how much memory and disk it may use."""

from __future__ import annotations

import os
import re
import resource
from typing import Optional, Sequence

#: The most that one compilation may allocate, and the largest file that it may write.
MEMORY_BYTES, IMAGE_BYTES = 16 << 30, 1 << 30
_LEAST_MEMORY_BYTES = 2 << 30

#: Options that choose the target, write files or load code: the worker's business.
_REFUSED = re.compile(
    r"^--?(gpu-architecture|arch|time|fdevice-time-trace|pch|create-pch|use-pch|pch-dir|dlink-time-opt|dlto|ptx|no-cache|device-debug$|G$)"
)
_PRE_INCLUDE = re.compile(r"^--?(?:pre-include|include)(?:=(.*))?$", re.S)
_SPLICE = re.compile(r"(?:\\|\?\?/)[ \t]*\r?\n")
_GAP = r"(?:[ \t\f\v]|/\*(?:[^*]|\*(?!/))*\*/)*"
#: A directive at the start of a line or behind a comment, spelled in any of the ways that a preprocessor takes.
_INCLUDE = re.compile(rf"(?:^|\*/){_GAP}(?:\#|%:|\?\?=){_GAP}(?:include|include_next|import|embed)\b{_GAP}([^\r\n]*)", re.M)
_OPERAND = re.compile(r'<([^>]*)>|"([^"]*)"')


def refused_option(options: Sequence[str]) -> Optional[str]:
    """The first option that a kernel may not give."""
    before = ""
    for given in options:
        option = given.strip()
        named = _PRE_INCLUDE.match(option)
        file = (named.group(1) or "") if named else option if _PRE_INCLUDE.match(before) else ""
        if _REFUSED.match(option) or _is_elsewhere(file):
            return given
        before = option
    return None


def refused_include(source: str) -> Optional[str]:
    """The first file that a kernel includes and may not: whatever is not named below an include folder, or not named plainly."""
    for match in _INCLUDE.finditer(_SPLICE.sub("", source)):
        operand = _OPERAND.match(match.group(1))
        if operand is None:
            return match.group(1).strip()[:100] or "nothing"
        name = operand.group(1) or operand.group(2) or ""
        if _is_elsewhere(name):
            return name[:100]
    return None


def _is_elsewhere(name: str) -> bool:
    return name.startswith(("/", "~")) or ".." in name.replace("\\", "/").split("/")


def limit_process() -> None:
    """Bounds this process and what it starts: a compilation that would take all memory fails by itself, and leaves no core."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = max(_LEAST_MEMORY_BYTES, min(MEMORY_BYTES, memory // 2))
    for what, value in ((resource.RLIMIT_DATA, most), (resource.RLIMIT_FSIZE, IMAGE_BYTES), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (bound, bound))
        except (OSError, ValueError):
            pass
