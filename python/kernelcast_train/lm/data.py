"""Training data written by `kernelcast train data`."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence


@dataclass(frozen=True)
class Truth:
    """A kernel that is asked for, by its label; log2 µs, None where it does not work."""

    label: str
    kernel_id: str
    log2_us: Optional[float]


@dataclass(frozen=True)
class Example:
    prompt_sha256: str
    task_id: str
    family: str
    system: str
    prompt: str
    answer: str
    anchor_ids: Sequence[str]
    scale_log2_us: float
    kernels: Sequence[Truth]

    @property
    def labels(self) -> List[str]:
        return [one.label for one in self.kernels]


@dataclass(frozen=True)
class Bins:
    """The one table of bins, as the domain has it: edges on log2(speedup), ascending, and a letter for each bin."""

    edges: Sequence[float]
    letters: Sequence[str]
    failure: str


@dataclass(frozen=True)
class Data:
    folder: Path
    meta: Dict[str, Any]

    @property
    def form(self) -> str:
        return self.meta["form"]

    @property
    def bins(self) -> Bins:
        return Bins(**self.meta["bins"])

    def split(self, name: str) -> List[Example]:
        with (self.folder / f"{name}.jsonl").open() as lines:
            return [_example(json.loads(line)) for line in lines]


def open_data(folder: str) -> Data:
    path = Path(folder)
    try:
        return Data(path, json.loads((path / "meta.json").read_text()))
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no meta.json; kernelcast train data writes it") from None


def _example(row: Dict[str, Any]) -> Example:
    kernels = [Truth(**one) for one in row["kernels"]]
    names = ("prompt_sha256", "task_id", "family", "system", "prompt", "answer", "anchor_ids", "scale_log2_us")
    return Example(kernels=kernels, **{name: row[name] for name in names})


def draw(examples: Sequence[Example], count: int, seed: int, step: int) -> List[Example]:
    """
    The examples of a step: families in turn are drawn evenly, then one of the family's examples, so that a family of many kernels
    does not rule. A function of seed and step.
    """
    rng = random.Random(f"{seed} {step}")
    families: Dict[str, List[Example]] = {}
    for one in examples:
        families.setdefault(one.family, []).append(one)
    names = _endless(sorted(families), rng)
    return [rng.choice(families[next(names)]) for _ in range(count)]


def _endless(names: Sequence[str], rng: random.Random) -> Iterator[str]:
    while True:
        yield from rng.sample(names, len(names))


def of_folds(examples: Sequence[Example], folds: int, take: Sequence[int]) -> List[Example]:
    """Those whose families are in the folds to take. Families are dealt out in an order that is drawn once and for all."""
    names = sorted({one.family for one in examples})
    random.Random("folds").shuffle(names)
    taken = {name for index, name in enumerate(names) if index % folds in take}
    return [one for one in examples if one.family in taken]
