"""Events of a run: a line of JSON each, on standard output and in the run's folder."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


class Events:
    def __init__(self, folder: Path, is_told: bool = True) -> None:
        """`is_told`: of processes that do the same, one tells of it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "events.jsonl"
        self.started = time.monotonic()
        self.is_told = is_told

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def emit(self, event: str, **values: Any) -> None:
        if not self.is_told:
            return
        line = json.dumps({"event": event, "seconds": round(self.seconds(), 3), **_rounded(values)})
        with self.path.open("a") as file:
            file.write(line + "\n")
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, float):
        return float(f"{value:.6g}") if value == value and abs(value) != float("inf") else None
    return value
