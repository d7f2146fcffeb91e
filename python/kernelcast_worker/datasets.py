"""Datasets of tasks: secret inputs and references made ahead of the device, kept in files until room is needed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Set

from .dtypes import element_count, item_bytes
from .pool import Pool

LIMIT_S = 900.0
MAIN_SETS, BOUNDARY_SETS, CONFIRM_SETS = 3, 2, 2
#: Datasets of idle tasks are dropped beyond this many bytes, or beyond half of the room there was at the start.
KEPT_BYTES = 12 << 30
#: Nothing is prepared ahead that would leave less room than this.
RESERVED_BYTES = 2 << 30


def set_bytes(workload: Mapping[str, Any]) -> int:
    """About the size of one input set with its expected values (which take four bytes for the narrow floating types)."""
    total = 0
    for argument in workload["args"]:
        count, width = element_count(argument["shape"]), item_bytes(argument["dtype"])
        total += count * width if argument["role"] in ("in", "inout") else 0
        total += count * max(4, width) if argument["role"] in ("out", "inout") else 0
    return total


class Dataset:
    """One prepared (or being prepared) group of input sets."""

    def __init__(self, folder: Path, estimate: int) -> None:
        self.folder, self.estimate = folder, estimate
        self.answer: Optional[Dict[str, Any]] = None

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return int(self.answer["manifest"]["bytes"]) if self.answer and self.answer["ok"] else 0


class Datasets:
    """All datasets of the worker."""

    def __init__(self, pool: Pool, folder: Path, threads: int, changed: Callable[[], None]) -> None:
        self._pool, self._folder, self._threads, self._changed = pool, folder, threads, changed
        self._known: Dict[str, List[Dataset]] = {}
        self._count = 0
        self._kept = min(KEPT_BYTES, shutil.disk_usage(folder).free // 2)

    def prepare(self, owner: str, task: Mapping[str, Any], confirm: bool = False) -> None:
        """Begins the datasets of a task (its workload and boundary workloads), or a confirmation's own, unless begun."""
        if owner in self._known:
            return
        if confirm:
            self._known[owner] = [self._begin(task, task["workload"], CONFIRM_SETS)]
            return
        group = [self._begin(task, task["workload"], MAIN_SETS)]
        group += [self._begin(task, workload, BOUNDARY_SETS) for workload in task.get("boundary_workloads") or []]
        self._known[owner] = group

    def room_for(self, owner: str, task: Mapping[str, Any]) -> bool:
        """Whether a task's datasets are begun or fit beside those under way and a reserve."""
        if owner in self._known:
            return True
        under_way = sum(one.estimate for group in self._known.values() for one in group if one.answer is None)
        free = shutil.disk_usage(self._folder).free
        return free - under_way - MAIN_SETS * set_bytes(task["workload"]) > RESERVED_BYTES

    def _begin(self, task: Mapping[str, Any], workload: Mapping[str, Any], sets: int) -> Dataset:
        self._count += 1
        dataset = Dataset(self._folder / f"data{self._count}", sets * set_bytes(workload))
        job = {"folder": str(dataset.folder), "reference": task["reference"], "sets": sets, "workload": workload}
        job.update(threads=self._threads, tolerance=task["tolerance"])

        def done(answer: Dict[str, Any]) -> None:
            if "lost" in answer:
                answer = {"ok": False, "error": f"the reference process {answer['lost']}"}
            dataset.answer = answer
            self._changed()

        self._pool.submit(job, done, LIMIT_S)
        return dataset

    def failure(self, owner: str) -> Optional[str]:
        """Why a task's reference failed, if it did."""
        for dataset in self._known.get(owner, []):
            if dataset.answer is not None and not dataset.answer["ok"]:
                return str(dataset.answer["error"])
        return None

    def folders(self, owner: str) -> Optional[List[str]]:
        """The folders of a task's datasets once all are ready."""
        group = self._known.get(owner)
        if group is None or any(dataset.answer is None or not dataset.answer["ok"] for dataset in group):
            return None
        return [str(dataset.folder) for dataset in group]

    def drop(self, owner: str) -> None:
        """Deletes a task's datasets."""
        for dataset in self._known.pop(owner, []):
            shutil.rmtree(dataset.folder, ignore_errors=True)

    def trim(self, needed: Set[str]) -> None:
        """Drops datasets of tasks that nothing waits for, oldest first, while too many bytes are kept."""
        total = sum(dataset.bytes for group in self._known.values() for dataset in group)
        for owner in list(self._known):
            done = all(dataset.answer is not None for dataset in self._known[owner])
            if total <= self._kept:
                return
            if owner not in needed and done:
                total -= sum(dataset.bytes for dataset in self._known[owner])
                self.drop(owner)
