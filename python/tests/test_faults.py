"""Every injected fault through the real processes: the right status and word, and the session goes on."""

import pytest
from helpers import TASK, kernel

FAULTS = [
    ("hang", "timeout", "timeout"),
    ("sticky_error", "launch_error", "out_of_bounds"),
    ("wrong_output", "incorrect", "wrong_output"),
    ("out_of_bounds_write", "incorrect", "out_of_bounds"),
    ("nan", "incorrect", "non_finite"),
    ("unwritten_output", "incorrect", "unwritten_output"),
    ("input_changed", "incorrect", "input_changed"),
    ("kept_answer", "incorrect", "kept_answer"),
    ("keeps_time", "suspicious", "kept_answer"),
    ("runtime_us=0.0001", "suspicious", "below_floor"),
    ("launch_error", "launch_error", "launch"),
    ("compile_error", "compile_error", "compile"),
    ("compiler_dies", "compile_error", "compile"),
    ("die_mid_line", "crashed", "crash"),
    ("die_silently", "crashed", "crash"),
    ("nonsense", "crashed", "crash"),
    ("numbers", "crashed", "crash"),
]


@pytest.mark.parametrize("mark,status,word", FAULTS)
def test_a_fault_gets_its_verdict_and_the_session_goes_on(worker, mark, status, word):
    bad = worker.measure(kernel(f"bad-{mark}", mark))["result"]
    assert (bad["status"], bad["error"].split(":")[0]) == (status, word)
    assert "runtime_us" not in bad
    good = worker.measure(kernel(f"good-after-{mark}"))["result"]
    assert good["status"] == "ok"


def test_ok_has_samples_and_a_receipt(worker):
    result = worker.measure(kernel("fine", "runtime_us=250"))["result"]
    assert result["status"] == "ok"
    assert abs(result["runtime_us"]["median"] - 250) < 2
    assert result["runtime_us"]["n"] == len(result["runtime_us"]["samples"]) >= 5
    receipt = result["receipt"]
    assert len(receipt["input_sha256"]) == 3 and receipt["samples_us"] == result["runtime_us"]["samples"]
    assert all(check["ok"] for check in receipt["checks"])
    assert "seeds" not in receipt


def test_a_runner_that_dies_once_is_repeated(worker):
    result = worker.measure(kernel("unlucky", "die_once"))["result"]
    assert result["status"] == "ok"


def test_a_compiler_that_dies_once_is_no_verdict(worker):
    assert worker.measure(kernel("unlucky-build", "compiler_dies_once"))["result"]["status"] == "ok"


def test_slow_kernels_stop_early(worker):
    result = worker.measure(kernel("slow", "slow"), anchor={"kernel": kernel("anchor"), "runtime_us": 100.0})["result"]
    assert result["status"] == "ok" and result["runtime_us"]["n"] <= 6


def test_confirm_reports_the_paired_ratio(worker):
    anchor = {"kernel": kernel("anchor", "runtime_us=100"), "runtime_us": 100.0}
    result = worker.measure(kernel("half", "runtime_us=50"), mode="confirm", anchor=anchor)["result"]
    found = result["confirmation"]
    assert result["status"] == "ok" and found["blocks"] >= 8
    assert found["low"] <= found["log_ratio"] <= found["high"]
    assert abs(found["log_ratio"] + 1) < 0.01
    assert result["receipt"]["input_sha256"] != worker.measure(kernel("half2"))["result"]["receipt"]["input_sha256"]


def test_confirm_with_a_bad_anchor_is_a_bad_request(worker):
    anchor = {"kernel": kernel("bad-anchor", "wrong_output"), "runtime_us": 100.0}
    answer = worker.measure(kernel("candidate"), mode="confirm", anchor=anchor)
    assert answer["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "launch,word",
    [
        ({"kernel": "missing"}, "compile: no kernel named missing"),
        ({"block": [2048, 1, 1]}, "launch"),
        ({"smem_bytes": 300000}, "launch"),
    ],
)
def test_launches_that_cannot_be(worker, launch, word):
    result = worker.measure(kernel("impossible", launch=launch))["result"]
    assert result["error"].startswith(word)
    assert result["status"] == ("compile_error" if word.startswith("compile") else "launch_error")


def test_a_failing_reference_is_an_error(worker):
    task = dict(TASK, task_id="broken", reference="def reference(inputs, sizes):\n    raise ValueError('no luck')\n")
    answer = worker.measure(kernel("any"), task=task)
    assert answer["error"]["code"] == "reference_failed" and "no luck" in answer["error"]["message"]


@pytest.mark.parametrize("dtype", ["f64", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8"])
@pytest.mark.parametrize("kind", ["exact", "allclose"])
def test_every_dtype_survives_the_round_trip(worker, dtype, kind):
    args = [dict(TASK["workload"]["args"][0], dtype=dtype), dict(TASK["workload"]["args"][1], dtype=dtype)]
    args[0]["draw"] = {"integers": {"low": 0, "high": 50}}
    tolerance = {"type": kind, "rtol": 1e-3, "atol": 1e-3} if kind == "allclose" else {"type": kind}
    task = dict(TASK, task_id=f"{kind}-{dtype}", workload=dict(TASK["workload"], args=args, bytes_min=0), tolerance=tolerance)
    assert worker.measure(kernel(f"typed-{dtype}-{kind}"), task=task)["result"]["status"] == "ok"
    spoilt = worker.measure(kernel(f"spoilt-{dtype}-{kind}", "wrong_output"), task=task)["result"]
    assert spoilt["error"].startswith("wrong_output")


def bytes_task(name, **tolerance):
    args = [dict(arg, dtype="i8") for arg in TASK["workload"]["args"]]
    args[0]["draw"] = {"integers": {"low": -100, "high": 100}}
    workload = dict(TASK["workload"], args=args, bytes_min=0)
    copy = "def reference(inputs, sizes):\n    return {'out': inputs['x']}\n"
    return dict(TASK, task_id=f"bytes-{name}", workload=workload, tolerance=tolerance, reference=copy)


CLOSE = bytes_task("close", type="allclose", rtol=0, atol=1)
FRACTION = bytes_task("fraction", type="mismatch_frac", rtol=0, atol=0, max_fraction=0.6)
EXACT = bytes_task("exact", type="exact")
LOOSE = bytes_task("loose", type="allclose", rtol=0, atol=300)


@pytest.mark.parametrize("task", [CLOSE, FRACTION], ids=["close", "fraction"])
def test_a_permitted_tie_that_equals_a_poison_is_no_fault(worker, task):
    result = worker.measure(kernel("ties", "rounds_down"), task=task)["result"]
    assert result["status"] == "ok", result.get("error")
    assert float(result["receipt"]["checks"][1]["detail"].split()[2].strip(",")) == 1


@pytest.mark.parametrize("task", [CLOSE, FRACTION, EXACT, LOOSE], ids=["close", "fraction", "exact", "loose"])
@pytest.mark.parametrize("mark", ["unwritten_output", "skips_each=2", "skips_each=500", "skips_value=-91", "skips_value=37"])
def test_a_skipped_part_of_a_byte_output_is_unwritten(worker, task, mark):
    result = worker.measure(kernel(f"skips-{mark}", mark), task=task)["result"]
    assert (result["status"], result["error"].split(":")[0]) == ("incorrect", "unwritten_output")


@pytest.mark.parametrize("value", [-91, 37, 5])
def test_a_wrong_constant_is_wrong_even_if_it_is_a_poison(worker, value):
    result = worker.measure(kernel(f"constant-{value}", f"constant={value}"), task=CLOSE)["result"]
    assert (result["status"], result["error"].split(":")[0]) == ("incorrect", "wrong_output")


def test_boundary_workloads_are_checked(worker):
    small = {"sizes": {"n": 7}, "args": [dict(arg, shape=[7]) for arg in TASK["workload"]["args"]], "flops": 7, "bytes_min": 56}
    task = dict(TASK, task_id="bounded", boundary_workloads=[small])
    made = kernel("general")
    made["boundary_launches"] = [made["launches"]]
    result = worker.measure(made, task=task)["result"]
    assert result["status"] == "ok"
    assert "boundary 0" in [check["name"] for check in result["receipt"]["checks"]]
