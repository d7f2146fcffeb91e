"""Datasets of tasks: secret inputs and references made ahead of the device, kept in files until room is needed."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Set

from .dtypes import element_count, item_bytes
from .pool import Pool

LIMIT_S = 900.0
MAIN_SETS, BOUNDARY_SETS, CONFIRM_SETS = 3, 2, 2
#: Datasets kept ready for the confirmations of a task that is being searched.
SPARES = 2
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
    """A workload's input sets, each made by a job of its own; `error` is why one failed, `ready` once all are made."""

    def __init__(self, folder: Path, sets: int, set_bytes: int) -> None:
        self.folder, self.bytes = folder, sets * set_bytes
        self.ready, self.dropped, self.error = False, False, ""
        self._sets: List[Optional[Dict[str, Any]]] = [None] * sets
        folder.mkdir(parents=True)

    @property
    def done(self) -> bool:
        """Whether nothing is to come, or nothing that matters."""
        return self.ready or bool(self.error)

    def take(self, index: int, answer: Mapping[str, Any]) -> None:
        """A job's answer; with the last one the manifest is written that the runner loads."""
        if self.dropped:
            self.remove()
        elif not answer["ok"]:
            self.error = self.error or str(answer.get("error") or f"the reference process {answer['lost']}")
        else:
            self._sets[index] = answer["set"]
            made = [one for one in self._sets if one is not None]
            if len(made) == len(self._sets):
                seeds = hashlib.sha256("".join(one["seed_sha256"] for one in made).encode()).hexdigest()
                (self.folder / "manifest.json").write_text(json.dumps({"sets": made, "seeds_sha256": seeds}))
                self.ready = True

    def remove(self) -> None:
        """Deletes the files, also those that a job still under way will write."""
        self.dropped = True
        shutil.rmtree(self.folder, ignore_errors=True)


class Datasets:
    """All datasets of the worker."""

    def __init__(self, pool: Pool, folder: Path, threads: int) -> None:
        self._pool, self._folder, self._threads = pool, folder, threads
        self._known: Dict[str, List[Dataset]] = {}
        self._spares: Dict[str, List[str]] = {}
        self._count = 0
        self._kept = min(KEPT_BYTES, shutil.disk_usage(folder).free // 2)

    def prepare(self, key: str, task: Mapping[str, Any]) -> None:
        """Begins the datasets of a task, of its workload and boundary workloads, unless begun."""
        if key not in self._known:
            group = [self._begin(task, task["workload"], MAIN_SETS)]
            group += [self._begin(task, workload, BOUNDARY_SETS) for workload in task.get("boundary_workloads") or []]
            self._known[key] = group

    def prepare_confirmation(self, owner: str, key: str, task: Mapping[str, Any]) -> None:
        """Gives a confirmation a dataset that nothing was measured with before: a spare of the task, or a new one."""
        if owner in self._known:
            return
        spares = self._spares.get(key)
        self._known[owner] = self._known.pop(spares.pop(0)) if spares else [self._begin(task, task["workload"], CONFIRM_SETS)]

    def keep_spares(self, key: str, task: Mapping[str, Any]) -> None:
        """Begins datasets for confirmations to come, once the task's own are made."""
        spares = self._spares.setdefault(key, [])
        while self.folders(key) is not None and len(spares) < SPARES and self.room_for("", task):
            spares.append(f"spare-{self._count}-{key}")
            self._known[spares[-1]] = [self._begin(task, task["workload"], CONFIRM_SETS)]

    def room_for(self, owner: str, task: Mapping[str, Any]) -> bool:
        """Whether a task's datasets are begun or fit beside those under way and a reserve."""
        if owner in self._known:
            return True
        under_way = sum(one.bytes for group in self._known.values() for one in group if not one.done)
        free = shutil.disk_usage(self._folder).free
        return free - under_way - MAIN_SETS * set_bytes(task["workload"]) > RESERVED_BYTES

    def _begin(self, task: Mapping[str, Any], workload: Mapping[str, Any], sets: int) -> Dataset:
        self._count += 1
        dataset = Dataset(self._folder / f"data{self._count}", sets, set_bytes(workload))
        for index in range(sets):
            job = {"folder": str(dataset.folder / f"set{index}"), "reference": task["reference"], "workload": workload}
            job.update(threads=self._threads, tolerance=task["tolerance"])
            self._pool.submit(job, partial(dataset.take, index), LIMIT_S)
        return dataset

    def failure(self, owner: str) -> Optional[str]:
        """Why a task's reference failed, if it did."""
        return next((dataset.error for dataset in self._known.get(owner, []) if dataset.error), None)

    def folders(self, owner: str) -> Optional[List[str]]:
        """The folders of a task's datasets once all are ready."""
        group = self._known.get(owner)
        if group is None or not all(dataset.ready for dataset in group):
            return None
        return [str(dataset.folder) for dataset in group]

    def drop(self, owner: str) -> None:
        """Deletes a task's datasets."""
        for dataset in self._known.pop(owner, []):
            dataset.remove()
        for spares in self._spares.values():
            if owner in spares:
                spares.remove(owner)

    def trim(self, needed: Set[str]) -> None:
        """Drops datasets of tasks that nothing waits for, oldest first, while too many bytes are kept."""
        needed = needed.union(*(self._spares.get(key, []) for key in needed))
        total = sum(dataset.bytes for group in self._known.values() for dataset in group)
        for owner in list(self._known):
            if total <= self._kept:
                return
            if owner not in needed and all(dataset.done for dataset in self._known[owner]):
                total -= sum(dataset.bytes for dataset in self._known[owner])
                self.drop(owner)
