"""Builds of kernels, each compiled once: a cache over the compile pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from .compiler import build_key
from .pool import Pool

LIMIT_S = 60.0


class Build:
    """A kernel's compilation: `answer` is None while it runs."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.answer: Optional[Dict[str, Any]] = None
        self.waiting: List[Callable[[], None]] = []

    @property
    def ok(self) -> bool:
        """Whether it is done and good."""
        return bool(self.answer and self.answer["ok"])

    @property
    def error(self) -> str:
        """The error line of a failed build."""
        return "" if self.answer is None else str(self.answer.get("error", ""))


class Builds:
    """Starts builds and keeps their answers."""

    def __init__(self, pool: Pool, folder: Path, changed: Callable[[], None]) -> None:
        self._pool, self._folder, self._changed = pool, folder, changed
        self._known: Dict[str, Build] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, kernel: Mapping[str, Any], arch: str) -> Build:
        """The kernel's build, begun if it is new."""
        key = build_key(kernel["source"], kernel["compile_options"], arch)
        if key not in self._known:
            self._known[key] = self._begin(key, kernel, arch)
        return self._known[key]

    def _begin(self, key: str, kernel: Mapping[str, Any], arch: str) -> Build:
        build = Build(str(self._folder / f"{key}.cubin"))
        job = {"source": kernel["source"], "options": kernel["compile_options"], "arch": arch, "image": build.image, "sass": True}

        def done(answer: Dict[str, Any]) -> None:
            if "lost" in answer:
                answer = {"ok": False, "error": f"compile: the compiler {answer['lost']}"}
            build.answer = answer
            waiting, build.waiting = build.waiting, []
            for callback in waiting:
                callback()
            self._changed()

        self._pool.submit(job, done, LIMIT_S)
        return build
