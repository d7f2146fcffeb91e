"""Training data written by `scripts/embedded-dataset.ts`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class TaskData:
    """One task's kernels on one device; the first is its seed kernel."""

    task_id: str
    family: str
    split: str | None
    kernel_ids: list[str]
    parents: np.ndarray
    """Index of each kernel's parent, -1 for none."""
    templates: list[str | None]
    status: list[str]
    ok: np.ndarray
    target: np.ndarray
    """log2(runtime / seed kernel's runtime); NaN for a kernel that failed."""
    ids: list[np.ndarray]
    magnitudes: list[np.ndarray]
    bare: np.ndarray
    compiled: np.ndarray
    """Features with compile evidence; those without where there is none."""
    alike: np.ndarray
    """[kernels, kernels, 3]: the numbers of `likeness` in src/forecast/embedded/likeness.ts."""


@dataclass(frozen=True)
class Dataset:
    """All tasks, and how their tokens and features were made."""

    tasks: list[TaskData]
    meta: dict

    def of_split(self, split: str) -> list[TaskData]:
        return [task for task in self.tasks if task.split == split]


def load_dataset(folder: Path) -> Dataset:
    """Reads a folder of `meta.json` and one JSON Lines file a task."""
    meta = json.loads((folder / "meta.json").read_text())
    return Dataset([load_task(folder / f"{task_id}.jsonl") for task_id in meta["tasks"]], meta)


def load_task(path: Path) -> TaskData:
    with path.open() as lines:
        head, *rows = (json.loads(line) for line in lines)
    place = {row["kernelId"]: index for index, row in enumerate(rows)}
    log2_us = np.array([np.nan if row["log2Us"] is None else row["log2Us"] for row in rows])
    bare = np.array([_numbers(row["bare"]) for row in rows], dtype=np.float32)
    compiled = np.array([_numbers(row["compiled"] or row["bare"]) for row in rows], dtype=np.float32)
    return TaskData(
        task_id=head["taskId"],
        family=head["family"],
        split=head["split"],
        kernel_ids=[row["kernelId"] for row in rows],
        parents=np.array([place.get(row["parentId"], -1) for row in rows]),
        templates=[row["templateId"] for row in rows],
        status=[row["status"] for row in rows],
        ok=np.array([row["status"] == "ok" for row in rows]),
        target=(log2_us - log2_us[0]).astype(np.float32),
        ids=[np.array(row["ids"], dtype=np.int32) for row in rows],
        magnitudes=[np.array(row["magnitudes"], dtype=np.int32) for row in rows],
        bare=bare,
        compiled=compiled,
        alike=likeness([row["runs"] for row in rows]),
    )


def likeness(runs: list[list[int]]) -> np.ndarray:
    """Pairwise likeness of kernels by their runs of words."""
    column = {run: index for index, run in enumerate(dict.fromkeys(run for row in runs for run in row))}
    there = np.zeros((len(runs), len(column)), dtype=np.float32)
    for index, row in enumerate(runs):
        there[index, [column[run] for run in row]] = 1
    common = there @ there.T
    size = np.diag(common)
    union = size[:, None] + size[None, :] - common
    parts = (common / np.maximum(union, 1), np.log1p(size[:, None] - common), np.log1p(size[None, :] - common))
    return np.stack(parts, axis=-1).astype(np.float32)


def part_of_task(task: TaskData, share: float, rng: np.random.Generator) -> TaskData:
    """A task with the seed kernel and a random share of the others; who lost its parent has none."""
    count = round(share * (len(task.ok) - 1))
    kept = np.array([0, *np.sort(rng.permutation(np.arange(1, len(task.ok)))[:count])])
    place = {int(old): new for new, old in enumerate(kept)}
    return replace(
        task,
        kernel_ids=[task.kernel_ids[i] for i in kept],
        parents=np.array([place.get(int(parent), -1) for parent in task.parents[kept]]),
        templates=[task.templates[i] for i in kept],
        status=[task.status[i] for i in kept],
        ok=task.ok[kept],
        target=task.target[kept],
        ids=[task.ids[i] for i in kept],
        magnitudes=[task.magnitudes[i] for i in kept],
        bare=task.bare[kept],
        compiled=task.compiled[kept],
        alike=task.alike[np.ix_(kept, kept)],
    )


def _numbers(values: list) -> list[float]:
    return [np.nan if value is None else value for value in values]
