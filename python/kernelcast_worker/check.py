"""Judges executions: guards, inputs, outputs, kept answers, determinism."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .dtypes import element_count
from .execute import Comparison, Executor, Observation, Poisoning
from .faults import Fault
from .harness import COMPARE_MARKS, WRITE_MARKS
from .kernelimage import KernelImage
from .workspace import InputSet, Workspace

#: Fewer free slots than this: judge what is pending first.
_LOW_SLOTS = 512


def tolerance_of(tolerance: Mapping[str, Any]) -> Tuple[float, float]:
    """(rtol, atol) for the comparison; zeros mean equal."""
    if tolerance["type"] == "exact":
        return 0.0, 0.0
    return float(tolerance.get("rtol", 0.0)), float(tolerance.get("atol", 0.0))


def passes(seen: Comparison, count: int, tolerance: Mapping[str, Any]) -> bool:
    """Whether a comparison satisfies the task's tolerance."""
    if tolerance["type"] == "mismatch_frac":
        within = seen.mismatches <= float(tolerance["max_fraction"]) * count
        return within and not seen.nonfinite and not seen.unwritten
    return seen.mismatches == 0


_PLAIN = Poisoning()
#: Two executions on one input set, poisoned differently: what holds its poison after both was not written.
_MARKED, _COMPARED = Poisoning(0, WRITE_MARKS), Poisoning(1, COMPARE_MARKS)


class Checker:
    """Checks one kernel's executions on one workspace; observations are judged together, when the slots are collected."""

    def __init__(self, executor: Executor, workspace: Workspace, sets: Sequence[InputSet], tolerance: Mapping[str, Any]) -> None:
        self.executor, self.workspace, self.sets = executor, workspace, list(sets)
        self.tolerance, self.limits = tolerance, tolerance_of(tolerance)
        self._pending: List[Tuple[Observation, str]] = []
        self.checked_sets: Dict[int, int] = {}
        self.worst = {"abs": 0.0, "rel": 0.0, "mismatches": 0}
        self.suspects = 0
        #: Microseconds of the executions that were the first to see their input set.
        self.first_sight_us: List[float] = []
        executor.harness.slots.clear()
        workspace.restore_guards()  # what a kernel did in runs that nobody checked is not the next one's fault

    def run(
        self,
        sequence: Sequence[Any],
        chosen: InputSet,
        limit_s: float,
        what: str,
        others: Sequence[InputSet] = (),
        poisoning: Poisoning = _PLAIN,
        patience_us: float = 0.0,
    ) -> Observation:
        """One checked execution."""
        seen = self.executor.run(self.workspace, chosen, sequence, limit_s, self.limits, others, poisoning, patience_us)
        self._pending.append((seen, what))
        self.checked_sets[chosen.index] = self.checked_sets.get(chosen.index, 0) + 1
        if self.executor.harness.slots.room < _LOW_SLOTS:
            self.judge()
        return seen

    def judge(self) -> None:
        """Judges what is pending; raises the first fault."""
        if not self._pending:
            return
        self.executor.collect()
        pending, self._pending = self._pending, []
        for seen, what in pending:
            self._judge_one(seen, what)
        self.executor.harness.slots.clear()

    def judge_guards(self, what: str) -> None:
        """Judges the guard zones as they are now, after runs that were not checked."""
        harness = self.executor.harness
        harness.slots.clear()
        slot = harness.guards(self.workspace.zones, self.workspace.zone_count)
        self.executor.collect()
        self._judge_guards(slot, what)

    def _judge_guards(self, slot: int, what: str) -> None:
        words = self.executor.harness.slots.words(slot)
        if words[0]:
            where = self.workspace.zone_owner((~words[3]) & 0xFFFFFFFFFFFFFFFF)
            self.workspace.restore_guards()
            raise Fault("out_of_bounds", f"{what}: {words[0]} words of guard zones written, the first {where}")

    def _judge_one(self, seen: Observation, what: str) -> None:
        self._judge_guards(seen.guard_slot, what)
        self._judge_inputs(seen, what)
        for name, slot in seen.compare_slots.items():
            comparison = self.executor.comparison(name, slot)
            count = self._count(name)
            self.worst["abs"] = max(self.worst["abs"], comparison.max_abs)
            self.worst["rel"] = max(self.worst["rel"], comparison.max_rel)
            self.worst["mismatches"] = max(self.worst["mismatches"], comparison.mismatches)
            if not passes(comparison, count, self.tolerance):
                self.suspects = comparison.suspects
                raise self._output_fault(seen, comparison, count, what)

    def _judge_inputs(self, seen: Observation, what: str) -> None:
        expected = next(one.input_hashes for one in self.sets if one.index == seen.set_index)
        for i, name in enumerate(self.workspace.inputs):
            if self.executor.harness.slots.words(seen.hash_slot + i)[0] != expected[i]:
                raise Fault("input_changed", f"{what}: the kernel changed its input {name}")

    def _count(self, name: str) -> int:
        return element_count(self.workspace.arguments[name]["shape"])

    def _output_fault(self, seen: Observation, comparison: Comparison, count: int, what: str) -> Fault:
        name = comparison.output
        if comparison.unwritten:
            return Fault("unwritten_output", f"{what}: {comparison.unwritten} of {count} elements of {name} were left unwritten")
        if self._is_stale(seen):
            return Fault("kept_answer", f"{what}: {name} is the answer to an earlier call's input")
        first = f"the first at index {comparison.first_bad}"
        if comparison.nonfinite:
            return Fault("non_finite", f"{what}: {comparison.nonfinite} of {count} elements of {name} are NaN or infinite, {first}")
        return Fault(
            "wrong_output",
            f"{what}: {comparison.mismatches} of {count} elements of {name} are off, {first}; "
            f"largest error {comparison.max_abs:.3g}, relative {comparison.max_rel:.3g}",
        )

    def _is_stale(self, seen: Observation) -> bool:
        """Whether every output agrees with what another input set calls for."""
        for slots in seen.stale_slots.values():
            found = [(name, self.executor.comparison(name, slot)) for name, slot in slots.items()]
            if found and all(passes(comparison, self._count(name), self.tolerance) for name, comparison in found):
                return True
        return False


def check_correctness(
    checker: Checker, image: KernelImage, launches: Sequence[Mapping[str, Any]], limit_s: float, label: str = ""
) -> float:
    """Two secret sets, then the first again, with the module's state kept; returns the fastest time seen in microseconds."""
    sequence = image.sequence(checker.workspace, launches)
    first, second = checker.sets[0], checker.sets[min(1, len(checker.sets) - 1)]
    prefix = f"{label}, " if label else ""

    def run(chosen: InputSet, what: str, others: Sequence[InputSet] = (), poisoning: Poisoning = _PLAIN) -> float:
        seen = checker.run(sequence, chosen, limit_s, prefix + what, [one for one in others if one is not chosen], poisoning)
        checker.judge()
        return seen.us

    try:
        times = [run(first, "set 0", (), _MARKED)]
    except Fault as fault:
        if fault.word == "wrong_output" and checker.suspects:
            _look_for_unwritten(run, first)
        raise
    times.append(run(second, "set 1", [first]))
    checker.first_sight_us = list(times)
    try:
        times.append(run(first, "set 0 again", [second], _COMPARED))
    except Fault as fault:
        if fault.word in ("wrong_output", "non_finite"):
            raise Fault("nondeterministic", f"right, then wrong on the same input: {fault}") from fault
        raise
    return min(times)


def _look_for_unwritten(run: Callable[..., float], chosen: InputSet) -> None:
    """Wrong integers that hold their poison: once more with another poison, which tells a wrong answer from none."""
    try:
        run(chosen, "set 0", (), _COMPARED)
    except Fault as fault:
        if fault.fatal or fault.word == "unwritten_output":
            raise


def check_record(name: str, checker: Optional[Checker], detail: str = "") -> Dict[str, Any]:
    """A passed check for the receipt."""
    if checker is not None:
        worst = checker.worst
        detail = f"largest error {worst['abs']:.3g}, relative {worst['rel']:.3g}, {worst['mismatches']} outside the tolerance"
    return {"name": name, "ok": True, "detail": detail}
