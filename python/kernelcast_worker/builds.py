"""Builds of kernels, each compiled once: a bounded cache over the compile pool."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from .compiler import build_key
from .pool import Pool

LIMIT_S = 60.0
#: Builds that nothing waits for are dropped beyond this many, the least recently used first.
KEPT = 4096


class Build:
    """A kernel's compilation: `answer` is None while it runs."""

    def __init__(self, key: str, image: str) -> None:
        self.key, self.image = key, image
        self.answer: Optional[Dict[str, Any]] = None
        self.waiting: List[Callable[[], None]] = []
        self.holders = 0
        self._charged = False

    @property
    def ok(self) -> bool:
        """Whether it is done and good."""
        return bool(self.answer and self.answer["ok"])

    @property
    def error(self) -> str:
        """The error line of a failed build."""
        return "" if self.answer is None else str(self.answer.get("error", ""))

    def charge(self) -> float:
        """CPU-seconds of the compilation, for the first measurement that asks; later ones cost nothing."""
        if self._charged or self.answer is None:
            return 0.0
        self._charged = True
        return float(self.answer.get("facts", {}).get("cpu_seconds", 0.0))


class Builds:
    """Starts builds and keeps their answers; whoever holds a build must release it."""

    def __init__(self, pool: Pool, folder: Path, kept: int = KEPT) -> None:
        self._pool, self._folder, self._kept = pool, folder, kept
        self._known: OrderedDict[str, Build] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)

    def hold(self, kernel: Mapping[str, Any], arch: str) -> Build:
        """The kernel's build, begun if it is new: the same source, options and architecture are compiled once."""
        key = build_key(kernel["source"], kernel["compile_options"], arch)
        if key not in self._known:
            self._known[key] = self._begin(key, kernel, arch)
        self._known.move_to_end(key)
        self._known[key].holders += 1
        return self._known[key]

    def release(self, build: Build) -> None:
        """Gives a build back; it stays until room is needed."""
        build.holders -= 1
        idle = [one for one in self._known.values() if not one.holders] if len(self._known) > self._kept else []
        for one in idle[: len(self._known) - self._kept]:
            del self._known[one.key]
            Path(one.image).unlink(missing_ok=True)

    def _begin(self, key: str, kernel: Mapping[str, Any], arch: str) -> Build:
        build = Build(key, str(self._folder / f"{key}.cubin"))
        job = {"source": kernel["source"], "options": kernel["compile_options"], "arch": arch, "image": build.image, "sass": True}

        def done(answer: Dict[str, Any]) -> None:
            if "lost" in answer:
                answer = {"ok": False, "error": f"compile: the compiler {answer['lost']}"}
            build.answer = answer
            waiting, build.waiting = build.waiting, []
            for callback in waiting:
                callback()

        self._pool.submit(job, done, LIMIT_S)
        return build
