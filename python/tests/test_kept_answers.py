"""Answers kept where no module's image shows it, guard zones that unchecked runs wrote, and what confirmations check."""

import json
import os

import pytest
from helpers import TASK, kernel

from kernelcast_worker.confirm import LEAST_BLOCKS, confirm
from kernelcast_worker.controls import load_index
from kernelcast_worker.datasets import BOUNDARY_SETS, CONFIRM_SETS, MAIN_SETS
from kernelcast_worker.fake.driver import FakeDriver
from kernelcast_worker.faults import Fault
from kernelcast_worker.reference import prepare_set
from kernelcast_worker.session import LoadedSets, Session
from kernelcast_worker.timing import CHECKED_SETS, Timed, check_first_sight, screen


class Dataset:
    """A loaded task on the fake device."""

    def __init__(self, tmp_path, sets=MAIN_SETS):
        self.driver = FakeDriver("ok", os.open(os.devnull, os.O_WRONLY), str(tmp_path))
        self.session = Session(self.driver, b'{"harness":true}')
        job = {"reference": TASK["reference"], "workload": TASK["workload"], "threads": 1, "tolerance": TASK["tolerance"]}
        made = [prepare_set(dict(job, folder=str(tmp_path / f"set{index}"))) for index in range(sets)]
        (tmp_path / "manifest.json").write_text(json.dumps({"sets": made, "seeds_sha256": ""}))
        self.workspace = self.session.workspace(TASK["workload"])
        self.driver.observe(TASK, [self.workspace])
        self.loaded = LoadedSets(self.session.executor, self.workspace, str(tmp_path))

    def checker(self):
        return self.session.checker(self.loaded, TASK["tolerance"])


@pytest.fixture
def dataset(tmp_path):
    return Dataset(tmp_path)


def damage(dataset):
    start, _ = dataset.workspace.working["out"].zones[0]
    dataset.driver.view(start, 1)[:] ^= 1


def test_a_guard_zone_that_nobody_checked_is_not_the_next_kernels_fault(dataset):
    dataset.checker().judge_guards("before")
    damage(dataset)
    dataset.checker().judge_guards("after another kernel began")


def test_a_guard_zone_written_in_an_unchecked_run_is_found_at_the_end(dataset):
    checker = dataset.checker()
    damage(dataset)
    with pytest.raises(Fault, match="out_of_bounds: the last run: 1 words"):
        checker.judge_guards("the last run")


def test_the_harness_notices_when_its_lists_of_addresses_change(dataset):
    assert dataset.loaded.intact()
    for table in (dataset.workspace.zones, dataset.workspace.input_spans):
        dataset.driver.view(table.address, 1)[:] ^= 1
        assert not dataset.loaded.intact()
        dataset.driver.view(table.address, 1)[:] ^= 1
    assert dataset.loaded.intact()


class Recorder:
    """Stands in for a Timed: notes which sets were run and whether they were checked."""

    def __init__(self, dataset, times=lambda index, before: 100.0):
        self.runs = []
        self.times = times
        self.timed = Timed(dataset.checker(), None, [], 1.0, stop_at=1e12)
        self.timed.sample = self.sample

    def sample(self, chosen, checked, fresh=True):
        before = sum(index == chosen.index for index, _ in self.runs)
        self.runs.append((chosen.index, checked))
        return self.times(chosen.index, before)


def test_one_set_is_held_back_to_the_last_run(dataset):
    recorder = Recorder(dataset)
    samples = screen(recorder.timed, None)
    order = [index for index, _ in recorder.runs]
    assert order.index(MAIN_SETS - 1) == len(order) - 1 and recorder.runs[-1][1]
    assert {index for index, checked in recorder.runs if checked} == set(range(MAIN_SETS))
    assert len(samples) >= 6 and recorder.timed.unseen_us == 100.0


@pytest.mark.parametrize(
    "checked,unseen,usual,caught",
    [([94, 94], 94, 11, True), ([94, 94], 11, 11, False), ([94, 11], 94, 11, False), ([12, 12], 12, 11, False)],
    ids=["kept", "cold start", "stray sample", "honest"],
)
def test_only_three_slow_first_sights_accuse(dataset, checked, unseen, usual, caught):
    recorder = Recorder(dataset, lambda index, before: float(unseen if index == MAIN_SETS - 1 else usual))
    samples = screen(recorder.timed, None)
    recorder.timed.checker.first_sight_us = checked
    if not caught:
        assert "never seen before" in check_first_sight(recorder.timed, samples)
        return
    with pytest.raises(Fault, match=r"kept_answer: 11\.0 us on inputs seen before, at least 94\.0 us") as raised:
        check_first_sight(recorder.timed, samples)
    assert raised.value.status == "suspicious"


def test_all_of_a_candidates_confirming_runs_are_checked(tmp_path):
    dataset = Dataset(tmp_path, CONFIRM_SETS)
    candidate, anchor = Recorder(dataset), Recorder(dataset)
    found = confirm(candidate.timed, anchor.timed)
    timed = candidate.runs[-2 * len(found.ratios) :]
    assert len(found.ratios) == LEAST_BLOCKS and all(checked for _, checked in timed)
    assert candidate.timed.held_back is None and check_first_sight(candidate.timed, found.candidate_us) is None


def test_a_kernel_that_remembers_inputs_is_suspicious(worker):
    result = worker.measure(kernel("remembers", "remembers"))["result"]
    assert (result["status"], result["error"].split(":")[0]) == ("suspicious", "kept_answer")
    honest = worker.measure(kernel("honest"))["result"]
    assert "first sight" in [check["name"] for check in honest["receipt"]["checks"]]


def test_there_are_sets_to_hold_back():
    assert MAIN_SETS > CHECKED_SETS >= 2 and BOUNDARY_SETS >= 2
    assert "kept_in_constant" in {entry["name"] for entry in load_index()["kernels"]}
