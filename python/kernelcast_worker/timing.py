"""Screening: few samples of one kernel, stopped early when clear; outputs of random timed runs are checked."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .check import Checker
from .execute import Observation, Poisoning
from .faults import Fault
from .kernelimage import KernelImage
from .stats import median, median_half_width
from .workspace import InputSet

#: On top of the runs of the check just before.
KERNEL_WARMUP_S = 0.002
LEAST, MOST, SLOW_AFTER = 5, 30, 3
SLOW_RATIO = 4.0
PRECISION = 0.01
#: How long the device is held in addition at a first, a second and a last attempt.
_PATIENCE_US = (0.0, 200.0, 2000.0)
KEPT_RATIO = 1.5
#: So many sets the check before the timing uses.
CHECKED_SETS = 2
_CHECK_SHARE = 0.34
_RANDOM = random.SystemRandom()


@dataclass
class Timed:
    """A kernel being timed: how to run it once on a set, checked or not."""

    checker: Checker
    image: KernelImage
    launches: Sequence[Mapping[str, Any]]
    limit_s: float
    last: Optional[InputSet] = None
    stop_at: float = 0.0
    warmup_s: float = 0.0
    kept_us: List[float] = field(default_factory=list)
    #: The time of the one run on the set that had been held back.
    unseen_us: Optional[float] = None
    repeated: int = 0

    def sample(self, chosen: InputSet, checked: bool, fresh: bool = True) -> float:
        """One timed run in microseconds; a module that keeps state is loaded afresh unless told otherwise. A run that the
        host was late for is done again with more patience."""
        for patience_us in _PATIENCE_US:
            seen = self._run(chosen, checked, fresh, patience_us)
            if not seen.late:
                break
            self.repeated += 1
        return seen.us

    def _run(self, chosen: InputSet, checked: bool, fresh: bool, patience_us: float) -> Observation:
        if fresh and self.image.keeps_state:
            self.image.unload()
        sequence = self.image.sequence(self.checker.workspace, self.launches)
        others = [self.last] if self.last is not None and self.last is not chosen else []
        self.last = chosen
        poisoning = Poisoning(_RANDOM.randrange(self.checker.workspace.variants))
        if checked:
            return self.checker.run(sequence, chosen, self.limit_s, "a timed run", others, poisoning, patience_us)
        return self.checker.executor.run(
            self.checker.workspace, chosen, sequence, self.limit_s, poisoning=poisoning, patience_us=patience_us
        )

    @property
    def held_back(self) -> Optional[InputSet]:
        """The set that no run sees before the last: one that the check did not use either."""
        return self.checker.sets[-1] if len(self.checker.sets) > CHECKED_SETS else None

    @property
    def in_turn(self) -> List[InputSet]:
        """The sets that runs use in turn."""
        return [one for one in self.checker.sets if one is not self.held_back]

    def warm_up(self, seconds: float = KERNEL_WARMUP_S) -> None:
        """Runs the kernel unrecorded for a while, at least twice."""
        started = time.monotonic()
        for runs, chosen in enumerate(_forever(self.in_turn), 1):
            self.sample(chosen, checked=False, fresh=False)
            self.warmup_s = time.monotonic() - started
            if runs >= 2 and self.warmup_s >= seconds:
                return


def _forever(sets: Sequence[InputSet]) -> Any:
    while True:
        yield from sets


def rotation(sets: Sequence[InputSet]) -> Callable[[int], InputSet]:
    """Which set the n-th sample uses: all in turn, from a random start."""
    start = _RANDOM.randrange(len(sets))
    return lambda n: sets[(start + n) % len(sets)]


def screen(timed: Timed, anchor_us: Optional[float]) -> List[float]:
    """Samples until the median is known to 1 %, or the kernel is clearly slow, or the limits are met."""
    timed.warm_up()
    chosen = rotation(timed.in_turn)
    samples: List[float] = []
    checked: Dict[int, int] = {}
    while not _enough(samples, anchor_us, timed.stop_at):
        one = chosen(len(samples))
        check = _RANDOM.random() < _CHECK_SHARE
        if check:
            checked[one.index] = 1
        samples.append(timed.sample(one, check))
    for one in timed.in_turn:
        if one.index not in checked:
            samples.append(timed.sample(one, True))
    if timed.held_back is not None:
        timed.unseen_us = timed.sample(timed.held_back, True)
        samples.append(timed.unseen_us)
    timed.checker.judge()
    return samples


def _enough(samples: Sequence[float], anchor_us: Optional[float], stop_at: float) -> bool:
    if len(samples) < SLOW_AFTER:
        return False
    if anchor_us and median(samples) > SLOW_RATIO * anchor_us:
        return True
    if len(samples) >= MOST or time.monotonic() > stop_at:
        return True
    return len(samples) >= LEAST and median_half_width(samples) <= PRECISION


def check_first_sight(timed: Timed, samples: Sequence[float]) -> Optional[str]:
    """Compares runs on inputs that the kernel had never seen with the others: an answer that is kept, wherever it is kept, must
    once be worked out. All three first sights have to be slow, so that neither a cold start nor a stray sample accuses anybody."""
    if timed.unseen_us is None:
        return None
    first, usual = min([*timed.checker.first_sight_us, timed.unseen_us]), median(samples)
    if first > KEPT_RATIO * usual:
        message = f"{usual:.1f} us on inputs seen before, at least {first:.1f} us on each at first sight"
        raise Fault("kept_answer", message, status="suspicious")
    return f"{timed.unseen_us:.1f} us on inputs never seen before, {usual:.1f} us in the median"


def check_kept_state(timed: Timed, fresh_us: float) -> Optional[str]:
    """Times a module that has writable memory with its state kept; a large gain is a kept answer."""
    if not timed.image.keeps_state:
        return None
    for chosen in timed.checker.sets * 2:
        timed.kept_us.append(timed.sample(chosen, True, fresh=False))
    timed.checker.judge()
    kept = median(timed.kept_us[len(timed.checker.sets) :])
    if fresh_us > KEPT_RATIO * kept:
        message = f"{kept:.1f} us when device state is kept, {fresh_us:.1f} us from a fresh module"
        raise Fault("kept_answer", message, status="suspicious")
    return f"{kept:.1f} us with state kept, {fresh_us:.1f} us afresh"
