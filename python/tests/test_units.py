"""Pure parts: statistics, floors, ELF facts, inputs, comparisons' model, occupancy."""

import json
import math
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kernelcast_worker import cubin, datasets, dtypes, floor, harness, stats
from kernelcast_worker.check import passes
from kernelcast_worker.execute import Comparison, Observation
from kernelcast_worker.fake import model
from kernelcast_worker.inputs import DrawError, draw_array, draw_inputs
from kernelcast_worker.memory import ALIGNMENT, Memory
from kernelcast_worker.timing import Timed
from kernelcast_worker.waiting import Waiting
from kernelcast_worker.workspace import InputSet


def test_quantiles_and_median():
    assert stats.median([3, 1, 2]) == 2
    assert stats.median([4, 1, 2, 3]) == 2.5
    assert stats.quantile([0, 10], 0.1) == 1


def test_t_quantiles_join_smoothly():
    assert stats.t_975(1) == pytest.approx(12.706)
    assert stats.t_975(31) == pytest.approx(2.0395, abs=2e-3)
    assert stats.t_975(10**6) == pytest.approx(1.96, abs=1e-3)


def test_mean_interval_covers_nineteen_times_of_twenty():
    rng = np.random.default_rng(1)
    hits = sum(low <= 0 <= high for low, high in (stats.mean_interval(list(rng.normal(size=8))) for _ in range(2000)))
    assert 0.93 < hits / 2000 < 0.97


def test_median_half_width_shrinks():
    assert stats.median_half_width([5.0]) == math.inf
    assert stats.median_half_width([100, 101, 99, 100, 100]) < 0.02


DEVICE = {"flops": {"f32": 1e12, "f16": 8e12}, "bandwidth": 1e12, "l2_bytes": 1000}


def workload(**more):
    args = [
        {"name": "x", "dtype": "f32", "shape": [1000], "role": "in"},
        {"name": "out", "dtype": "f32", "shape": [1000], "role": "out"},
    ]
    return dict({"sizes": {}, "args": args, "flops": 0}, **more)


def test_floor_counts_what_must_move():
    assert floor.floor_us(workload(), ["f32"], DEVICE) == pytest.approx(0.9 * (4000 + 3000) / 1e12 * 1e6)
    assert floor.floor_us(workload(bytes_min=4100), ["f32"], DEVICE) == pytest.approx(0.9 * (100 + 3000) / 1e12 * 1e6)


def test_floor_uses_the_fastest_permitted_arithmetic():
    work = workload(flops=8e6)
    assert floor.floor_us(work, ["f16"], DEVICE) == pytest.approx(0.9)
    assert floor.floor_us(work, ["f32"], DEVICE) == pytest.approx(2.7)


def test_h100_ceilings():
    flops = floor.flop_ceilings("9.0", 132, 1980)
    assert flops["bf16"] == pytest.approx(1.0705e15, rel=1e-3)
    assert flops["f32"] == pytest.approx(66.9e12, rel=1e-2)


def test_bf16_rounds_to_even_and_keeps_nan():
    values = np.array([1.0, 1.00390625, 1.01171875, -2.5, np.inf, -np.inf, 3.4e38], dtype=np.float32)
    back = dtypes.from_bf16(dtypes.to_bf16(values))
    assert back[:2].tolist() == [1.0, 1.0] and back[2] == 1.015625 and back[3] == -2.5
    assert np.isposinf(back[4]) and np.isneginf(back[5]) and np.isposinf(back[6])
    assert np.isnan(dtypes.from_bf16(dtypes.to_bf16(np.array([np.nan], dtype=np.float32))))[0]
    tricky = np.array([0x7F800001], dtype=np.uint32).view(np.float32)
    assert np.isnan(dtypes.from_bf16(dtypes.to_bf16(tricky)))[0]


def test_scalars_are_packed_by_type():
    assert dtypes.scalar("f16", 1.5) == ("u16", 0x3E00)
    assert dtypes.scalar("bf16", 1.5) == ("u16", 0x3FC0)
    assert dtypes.scalar("f16", 1e9) == ("u16", 0x7C00)
    assert dtypes.scalar("i32", 7.0) == ("i32", 7)


def test_expected_overflow_becomes_infinite():
    assert np.isposinf(dtypes.expected_values(np.array([70000.0]), "f16", False))[0]
    assert dtypes.expected_values(np.array([65519.0]), "f16", False)[0] == 65519


@pytest.mark.parametrize(
    "draw", [{"normal": {"mean": 1, "std": 2}}, {"uniform": {"low": 0, "high": 1}}, {"integers": {"low": 0, "high": 9}}]
)
def test_draws_depend_on_the_seed_alone(draw):
    argument = {"name": "x", "dtype": "f32", "shape": [3, 700000], "draw": draw}
    one = draw_array(argument, np.random.SeedSequence(5), 1)
    many = draw_array(argument, np.random.SeedSequence(5), 4)
    other = draw_array(argument, np.random.SeedSequence(6), 4)
    assert one.shape == (3, 700000) and np.array_equal(one, many) and not np.array_equal(one, other)


def test_draws_have_the_declared_moments():
    values = draw_array(
        {"name": "x", "dtype": "f32", "shape": [1 << 20], "draw": {"normal": {"mean": 3, "std": 2}}}, np.random.SeedSequence(1), 2
    )
    assert values.mean() == pytest.approx(3, abs=0.02) and values.std() == pytest.approx(2, abs=0.02)
    assert (
        draw_array({"name": "x", "dtype": "u8", "shape": [4], "draw": {"constant": 7}}, np.random.SeedSequence(1), 1) == 7
    ).all()


def test_make_inputs_fills_what_has_no_draw():
    load = {"sizes": {"n": 3}, "args": [{"name": "x", "dtype": "bf16", "shape": [3], "role": "in"}]}
    made = draw_inputs(load, 1, 1, lambda sizes, rng: {"x": np.arange(sizes["n"])})
    assert dtypes.from_bf16(made["x"]).tolist() == [0, 1, 2]
    with pytest.raises(DrawError):
        draw_inputs(load, 1, 1)


def words(raw, expected, dtype, rtol=0.0, atol=0.0):
    stored = raw if isinstance(raw, np.ndarray) and raw.dtype == dtypes.STORAGE[dtype] else dtypes.store(np.array(raw), dtype)
    poison = model.Poison(0xFF if dtype in dtypes.FLOATING else 0xA5)
    return model.compare(stored, np.array(expected, dtype=dtypes.expected_storage(dtype)), dtype, (rtol, atol), poison)


def test_comparison_counts_and_finds_the_first():
    found = words([1.0, 2.0, 3.5, 9.0], [1, 2, 3, 4], "f32", 1e-3, 1e-3)
    assert found[0] == 2 and (~found[3]) & 0xFFFFFFFFFFFFFFFF == 2


def test_nan_never_passes_where_a_number_is_wanted():
    assert words([np.nan, np.inf], [1, 2], "f32", 1e9, 1e9)[:3] == [2, 2, 0]
    assert words([np.nan], [np.nan], "f32", 1, 1)[0] == 0
    assert words([np.inf, -np.inf], [np.inf, np.inf], "f32", 1, 1)[0] == 1


def filled(dtype, byte, count=4):
    return np.full(count * dtypes.item_bytes(dtype), byte, dtype=np.uint8).view(dtypes.STORAGE[dtype])


@pytest.mark.parametrize("dtype", sorted(dtypes.FLOATING))
def test_the_poison_of_floating_types_is_unwritten(dtype):
    assert words(filled(dtype, 0xFF), np.zeros(4), dtype, 1e-9, 1e-9)[:3] == [4, 0, 4]


INTEGERS = [dtype for dtype in dtypes.STORAGE if dtype not in dtypes.FLOATING]


def twice(dtype, first, second, expected, atol=0.0):
    """The slots of two executions on one input with the two poisons."""
    marks = np.zeros(2 * -(-first.nbytes // 16), dtype=np.uint8)
    wanted = np.array(expected, dtype=dtypes.STORAGE[dtype])
    poisons = [model.Poison(byte, 1 + i, marks) for i, byte in enumerate(harness.POISON_INTEGER)]
    return [model.compare(raw, wanted, dtype, (0.0, atol), poison) for raw, poison in zip((first, second), poisons)]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_that_hold_two_poisons_were_not_written(dtype):
    first, second = filled(dtype, harness.POISON_INTEGER[0], 37), filled(dtype, harness.POISON_INTEGER[1], 37)
    seen = twice(dtype, first, second, np.zeros(37))
    assert (seen[0][0], seen[0][2], seen[0][6]) == (37, 0, 37)
    assert (seen[1][0], seen[1][2], seen[1][6]) == (37, 37, 0)
    assert twice(dtype, first, second, first)[0][0] == 0
    assert twice(dtype, first, second, first)[1][2] == 37
    assert twice(dtype, first, second, second)[1][2] == 37


@pytest.mark.parametrize("dtype", INTEGERS)
def test_an_answer_that_equals_a_poison_is_an_answer(dtype):
    for byte in harness.POISON_INTEGER:
        right = filled(dtype, byte, 5)
        assert [seen[:3] for seen in twice(dtype, right, right, right)] == [[0, 0, 0]] * 2
        assert [seen[:3] for seen in twice(dtype, right, right, right + 1, atol=1)] == [[0, 0, 0]] * 2
        assert [seen[2] for seen in twice(dtype, right, right, right + 1)] == [0, 0]


def test_exact_integers_beyond_float_precision():
    assert words(np.array([2**60 + 1]), [2**60], "i64")[0] == 1


def test_mismatch_fraction_never_excuses_nan():
    rule = {"type": "mismatch_frac", "rtol": 0, "atol": 0, "max_fraction": 0.5}
    assert passes(Comparison("out", 4, 0, 0, 0, 1, 1), 10, rule)
    assert not passes(Comparison("out", 6, 0, 0, 0, 1, 1), 10, rule)
    assert not passes(Comparison("out", 1, 1, 0, 0, 1, 1), 10, rule)


def elf(named):
    """A minimal ELF with the given sections (name, kind, bytes)."""
    names, body, entries = b"\0", b"\0" * 64, [(0,) * 10]
    for name, kind, content in [*named, (".shstrtab", 3, b"")]:
        offset = len(names)
        names += name.encode() + b"\0"
        if name == ".shstrtab":
            content = names
        entries.append((offset, kind, 0, 0, len(body), len(content), 0, 0, 1, 0))
        body += b"" if kind == 8 else content
    table = len(body)
    body += b"".join(struct.pack("<2I4Q2I2Q", *entry) for entry in entries)
    head = b"\x7fELF" + bytes([2, 1, 1]) + b"\0" * 9
    head = head.ljust(0x28, b"\0") + struct.pack("<Q", table)
    head = head.ljust(0x3A, b"\0") + struct.pack("<3H", 64, len(entries), len(entries) - 1)
    return head + body[64:]


def test_elf_facts():
    info = struct.pack("<BBHIHHI", 4, 0x17, 12, 0, 1, 8, 4 << 18) + struct.pack("<BBH", 3, 0x50, 0)
    info += struct.pack("<BBHIHHI", 4, 0x17, 12, 0, 0, 0, 8 << 18)
    image = elf([(".text.run", 1, b"code"), (".nv.info.run", 1, info), (".nv.global", 8, b"1234")])
    log = (
        "ptxas info    : Compiling entry function 'run' for 'sm_90a'\n"
        "ptxas         .     16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n"
        "ptxas info    : Used 40 registers, used 1 barriers, 20 bytes smem, 400 bytes cmem[0]\n"
    )
    facts = cubin.facts_of(image, log)
    assert facts["functions"]["run"] == {"parameters": [8, 4], "regs": 40, "static_smem": 20, "spill_bytes": 12}
    assert facts["writable_globals"] == 4 and not facts["heap"]
    assert facts["machine_code_sha256"] != cubin.facts_of(elf([(".text.run", 1, b"edoc")]), "")["machine_code_sha256"]


@pytest.mark.parametrize(
    "regs,threads,shared,expected",
    [
        (32, 256, 0, 1.0),
        (64, 256, 0, 0.5),
        (255, 256, 0, 0.125),
        (32, 1024, 0, 1.0),
        (32, 128, 100 * 1024, 0.125),
        (16, 32, 0, 0.5),
    ],
)
def test_occupancy(regs, threads, shared, expected):
    assert cubin.occupancy(cubin.DEFAULT_LIMITS, regs, threads, shared) == expected


class _Pages:
    """Just enough of a driver to lay out buffers."""

    has_virtual_memory = True

    def granularity(self):
        return 1 << 21

    def reserve(self, size):
        return 1 << 30

    def map(self, address, size):
        return 1


@pytest.mark.parametrize("size", [1, 4, 255, 256, 1000, 1 << 21, (1 << 21) + 4])
def test_buffers_end_at_the_end_of_their_mapping(size):
    buffer = Memory(_Pages()).guarded(size)
    end = buffer.base + buffer.mapped
    assert buffer.address % ALIGNMENT == 0
    assert 0 <= end - (buffer.address + size) < ALIGNMENT
    assert sum(length for _, length in buffer.zones) == buffer.mapped - size


class _Late:
    """An executor and checker for which the host is late a few times."""

    variants = 1

    def __init__(self, times):
        self.times, self.patience = list(times), []
        self.executor = self.workspace = self.image = self
        self.sets = [InputSet(0, [], {}, [])]
        self.keeps_state = False

    def sequence(self, workspace, launches):
        return []

    def run(self, *_, patience_us=0.0, poisoning=None):
        self.patience.append(patience_us)
        return Observation(100.0 + len(self.patience), 0, late=self.times.pop(0))


@pytest.mark.parametrize("late,us,tries", [([False], 101, 1), ([True, False], 102, 2), ([True] * 3, 103, 3)])
def test_a_run_that_the_host_was_late_for_is_repeated_with_patience(late, us, tries):
    stub = _Late(late)
    timed = Timed(stub, stub, [], 1.0)
    assert timed.sample(stub.sets[0], checked=False) == us
    assert len(stub.patience) == tries and stub.patience == sorted(stub.patience) and timed.repeated == sum(late)


class _Job:
    def __init__(self, task, internal=False):
        self.params, self.internal = {"task_key": task}, internal


def test_the_line_knows_the_tasks_it_needs_in_order():
    line = Waiting(window=2)
    jobs = [_Job(task) for task in "aabcb"]
    for job in jobs:
        line.add(job)
    assert list(line) == jobs[:2] and line.tasks(2) == ["a", "b"]
    line.remove(jobs[0])
    line.remove(jobs[1])
    assert line.tasks(9) == ["b", "c"]
    line.put_back(jobs[0])
    control = _Job("d", internal=True)
    line.add(control)
    assert next(iter(line)) is control and line.tasks(9) == ["d", "a", "b", "c"]
    assert line.matching(lambda job: job.params["task_key"] == "b") == [jobs[2], jobs[4]]


def test_what_is_prepared_ahead_leaves_room(tmp_path, monkeypatch):
    class Never:
        def submit(self, job, done, limit_s):
            pass

    args = [
        {"name": "x", "dtype": "f32", "shape": [1 << 28], "role": "in"},
        {"name": "out", "dtype": "f16", "shape": [1 << 28], "role": "out"},
    ]
    task = {"workload": {"args": args}, "reference": "", "tolerance": {}}
    made = datasets.Datasets(Never(), tmp_path, 1)
    assert datasets.set_bytes(task["workload"]) == 2 << 30
    monkeypatch.setattr(datasets.shutil, "disk_usage", lambda _: SimpleNamespace(free=9 << 30))
    assert made.room_for("a", task)
    made.prepare("a", task)
    assert made.room_for("a", task) and not made.room_for("b", task)


def test_a_dataset_is_ready_with_its_last_set(tmp_path):
    whole = datasets.Dataset(tmp_path / "whole", 2, 10)
    whole.take(1, {"ok": True, "set": {"seed_sha256": "b"}})
    assert not whole.done
    whole.take(0, {"ok": True, "set": {"seed_sha256": "a"}})
    manifest = json.loads((tmp_path / "whole" / "manifest.json").read_text())
    assert whole.ready and [one["seed_sha256"] for one in manifest["sets"]] == ["a", "b"]
    failed = datasets.Dataset(tmp_path / "failed", 2, 10)
    failed.take(0, {"ok": False, "lost": "ended with signal 9"})
    failed.take(1, {"ok": True, "set": {"seed_sha256": "b"}})
    assert failed.done and not failed.ready and failed.error == "the reference process ended with signal 9"
    failed.remove()
    (tmp_path / "failed").mkdir()
    failed.take(1, {"ok": True, "set": {}})
    assert not (tmp_path / "failed").exists()


def test_a_searched_task_has_fresh_datasets_ready_for_its_confirmations(tmp_path):
    class Instant:
        count = 0

        def submit(self, job, done, limit_s):
            self.count += 1
            done({"ok": True, "set": {"seed_sha256": str(self.count)}})

    args = [{"name": "out", "dtype": "f32", "shape": [4], "role": "out"}]
    task = {"workload": {"args": args}, "reference": "", "tolerance": {}}
    made = datasets.Datasets(Instant(), tmp_path, 1)
    made.keep_spares("t", task)
    assert made.folders("t") is None and Instant.count == 0
    made.prepare("t", task)
    made.keep_spares("t", task)
    made.prepare_confirmation("one", "t", task)
    made.prepare_confirmation("two", "t", task)
    made.keep_spares("t", task)
    made.prepare_confirmation("three", "t", task)
    made.prepare_confirmation("one", "t", task)
    folders = [made.folders(owner)[0] for owner in ("t", "one", "two", "three")]
    assert len(set(folders)) == 4
    made.drop("one")
    assert not Path(folders[1]).exists() and Path(folders[2]).exists()
    made.trim({"t"})
    assert made.folders("three") == [folders[3]]
