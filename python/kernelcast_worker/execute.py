"""Runs a launch sequence on the device under watch and collects what the harness's kernels saw."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

from .driver import ADDRESS_ERRORS, DriverError
from .dtypes import item_bytes
from .faults import Fault
from .harness import IGNORE_MARKS, poison_byte
from .workspace import InputSet, Workspace

_SPIN_S = 0.002
_POLL_S = 0.0002


class Cancelled(Exception):
    """The measurement is not wanted any more."""


@dataclass
class Comparison:
    """What one output looked like beside expected values."""

    output: str
    mismatches: int
    nonfinite: int
    unwritten: int
    first_bad: Optional[int]
    max_abs: float
    max_rel: float
    #: Integers that are off and hold their poison: unwritten, if another poison is left there as well.
    suspects: int = 0


@dataclass(frozen=True)
class Poisoning:
    """Which poison an execution's integer outputs get, and what its comparisons do with the marks."""

    variant: int = 0
    marking: int = IGNORE_MARKS


@dataclass
class Observation:
    """One execution: its time and, when it was checked, the slots of its checks."""

    us: float
    set_index: int
    #: The device came to the timed window before the host had enqueued all of it: the time has the host's delay in it.
    late: bool = False
    hash_slot: int = -1
    guard_slot: int = -1
    compare_slots: Dict[str, int] = field(default_factory=dict)
    stale_slots: Dict[int, Dict[str, int]] = field(default_factory=dict)


_PLAIN = Poisoning()


class Executor:
    """Executes sequences; one at a time, each waited for with a deadline."""

    def __init__(self, driver: Any, harness: Any) -> None:
        self.driver, self.harness = driver, harness
        self._begin, self._end = driver.event(), driver.event()
        self.cancelled: Callable[[], bool] = lambda: False

    def wait(self, limit_s: float, candidate: bool = True) -> None:
        """Waits for the stream; a hang or a device error is a fault that costs the runner."""
        started = time.monotonic()
        while True:
            try:
                if self.driver.idle():
                    return
            except DriverError as error:
                raise device_fault(error, candidate) from error
            waited = time.monotonic() - started
            if waited > limit_s:
                raise Fault("timeout", f"no end after {limit_s:g} s", fatal=True)
            if waited > _SPIN_S:
                time.sleep(_POLL_S)

    def run(
        self,
        workspace: Workspace,
        chosen: InputSet,
        sequence: Sequence[Any],
        limit_s: float,
        tolerance: Optional[Tuple[float, float]] = None,
        others: Sequence[InputSet] = (),
        poisoning: Poisoning = _PLAIN,
        patience_us: float = 0.0,
    ) -> Observation:
        """Refreshes, poisons, settles, times the sequence; with a tolerance, checks everything after it."""
        driver = self.driver
        if self.cancelled():
            raise Cancelled
        workspace.refresh(chosen, poisoning.variant)
        self.harness.settle(len(sequence), patience_us)
        driver.record(self._begin)
        try:
            for launch in sequence:
                driver.launch(launch)
        except DriverError as error:
            raise device_fault(error) from error
        driver.record(self._end)
        observation = Observation(0.0, chosen.index, late=driver.happened(self._begin))
        if tolerance is not None:
            self._enqueue_checks(workspace, chosen, tolerance, others, poisoning, observation)
        self.wait(limit_s)
        observation.us = driver.elapsed_us(self._begin, self._end)
        return observation

    def _enqueue_checks(
        self,
        workspace: Workspace,
        chosen: InputSet,
        tolerance: Tuple[float, float],
        others: Sequence[InputSet],
        poisoning: Poisoning,
        seen: Observation,
    ) -> None:
        harness = self.harness
        seen.hash_slot = harness.hash(workspace.input_spans, len(workspace.inputs)) if workspace.inputs else -1
        seen.guard_slot = harness.guards(workspace.zones, workspace.zone_count)
        seen.compare_slots = compare_outputs(workspace, chosen, tolerance, poisoning)
        for other in others:
            seen.stale_slots[other.index] = compare_outputs(workspace, other, tolerance, Poisoning(poisoning.variant))

    def collect(self) -> None:
        """Brings the slots to the host."""
        self.harness.slots.collect()
        self.wait(30.0)

    def hash_inputs(self, workspace: Workspace, chosen: InputSet) -> None:
        """Fills in the fingerprints of a set's inputs as they are before any candidate sees them."""
        if not workspace.inputs:
            return
        self.harness.slots.clear()
        workspace.refresh(chosen)
        slot = self.harness.hash(workspace.input_spans, len(workspace.inputs))
        self.collect()
        chosen.input_hashes = [self.harness.slots.words(slot + i)[0] for i in range(len(workspace.inputs))]

    def comparison(self, output: str, slot: int) -> Comparison:
        """Reads a comparison's slot."""
        words = self.harness.slots.words(slot)
        first = (~words[3]) & 0xFFFFFFFFFFFFFFFF if words[0] else None
        return Comparison(output, words[0], words[1], words[2], first, _double(words[4]), _double(words[5]), words[6])


def compare_outputs(workspace: Workspace, chosen: InputSet, tolerance: Tuple[float, float], poisoning: Poisoning) -> Dict[str, int]:
    """Enqueues the comparison of every output with a set's expected values."""
    slots = {}
    for name in workspace.outputs:
        dtype, expected, buffer = workspace.arguments[name]["dtype"], chosen.expected[name], workspace.working[name]
        marks = workspace.marks.get(name)
        poison = (poison_byte(dtype, poisoning.variant), poisoning.marking, marks.address) if marks else None
        slots[name] = workspace.harness.compare(
            dtype,
            buffer.address,
            (expected.buffer.address, expected.nonce),
            buffer.size // item_bytes(dtype),
            tolerance,
            poison or (poison_byte(dtype, poisoning.variant), IGNORE_MARKS, 0),
        )
    return slots


def _double(bits: int) -> float:
    (value,) = struct.unpack("<d", struct.pack("<Q", bits))
    return float(value)


def device_fault(error: DriverError, candidate: bool = True) -> Fault:
    """The verdict that a driver error gives."""
    if not candidate:
        raise error
    if error.code in ADDRESS_ERRORS:
        return Fault("out_of_bounds", f"{_words(error)} during the kernel", status="launch_error", fatal=True)
    if error.sticky:
        return Fault("launch", f"{_words(error)} during the kernel", fatal=True)
    return Fault("launch", f"{_words(error)} from {error.call}")


def _words(error: DriverError) -> str:
    return error.name.replace("CUDA_ERROR_", "").replace("_", " ").lower()
