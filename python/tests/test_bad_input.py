"""What no client of ours sends: wrong types, huge lines, halves of characters. Each costs one answer, never the worker."""

import io
import json
import os
import subprocess
import sys
import time

import pytest
from helpers import ROOT, TASK, Worker, kernel, run_lines

from kernelcast_worker.dtypes import holds
from kernelcast_worker.protocol import RequestError, check_kernel, encode, read_lines, read_request

HELLO = {"id": "last", "method": "hello", "params": {"protocol": 1}}


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": []},
        {"limits": {"gpu_s": "much"}},
        {"limits": {"timeout_s": [1]}},
        {"limits": {"timeout_s": -1}},
        {"limits": {"timeout_s": 10**400}},
        {"task_key": {}},
        {"mode": []},
        {"anchor": "x"},
        {"anchor": {"runtime_us": "fast"}},
        {"kernel": []},
        {"kernel": {"kernel_id": "k", "source": 7, "launches": []}},
    ],
)
def test_wrong_types_are_bad_requests(worker, changes):
    answer = worker.ask("measure", {**worker.params(kernel("odd")), **changes})
    assert answer["error"]["code"] in ("bad_request", "unknown_task")


@pytest.mark.parametrize(
    "changes",
    [
        {"tolerance": {"type": "allclose", "rtol": "1e-3"}},
        {"tolerance": {"type": "allclose", "atol": -1}},
        {"tolerance": {"type": "mismatch_frac", "max_fraction": []}},
        {"precisions": "f32"},
        {"boundary_workloads": {"a": 1}},
        {"workload": dict(TASK["workload"], flops="many")},
        {"workload": dict(TASK["workload"], bytes_min=[])},
        {"workload": dict(TASK["workload"], args=[dict(TASK["workload"]["args"][0], shape=[True])])},
    ],
)
def test_wrong_tasks_are_bad_requests(worker, changes):
    assert worker.ask("task", {"task": dict(TASK, **changes)})["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "launch",
    [
        {"args": [{"i64": 10**400}]},
        {"args": [{"f32": 10**400}]},
        {"args": [{"i32": None}]},
        {"args": [{"i32": True}]},
        {"args": [{"i32": 1.5}]},
        {"smem_bytes": True},
        {"grid": [True, 1, 1]},
        {"block": "abc"},
    ],
)
def test_launches_of_wrong_types_are_refused(launch):
    with pytest.raises(RequestError, match=r"launch|scalar"):
        check_kernel(kernel("k", launch=launch), None)


@pytest.mark.parametrize(
    "launch,word",
    [
        ({"args": ["x", "out", {"i32": 2**31}]}, "launch: the argument 2147483648 does not fit into i32"),
        ({"args": ["x", "out", {"u8": -1}]}, "launch: the argument -1 does not fit into u8"),
        ({"smem_bytes": 2**32 + 1024}, "launch: 4294968320 bytes"),
        ({"kernel": "run\0"}, "compile: no kernel named"),
    ],
)
def test_launches_that_would_be_wrapped_are_the_kernels_fault(worker, launch, word):
    assert worker.measure(kernel("wrapped", launch=launch))["result"]["error"].startswith(word)


def test_scalars_at_the_ends_of_their_types_fit():
    ends = {"i32": 2**31 - 1, "i64": -(2**63), "u64": 2**64 - 1, "i8": -128, "u8": 255.0, "f32": 1e39, "f16": -1e9}
    assert all(holds(dtype, value) for dtype, value in ends.items())
    beyond = {"i32": -(2**31) - 1, "i64": 2**63, "u64": 2**64, "i8": 128, "u8": -1}
    assert not any(holds(dtype, value) for dtype, value in beyond.items())


def test_half_a_character_in_a_source_is_a_source_like_any_other(worker):
    made = kernel("half")
    made["source"] += "// \ud800\n"
    assert worker.measure(made)["result"]["status"] == "ok"
    task = dict(TASK, task_id="half", reference=TASK["reference"] + "# \udc00\n")
    assert worker.measure(kernel("whole"), task=task)["result"]["status"] == "ok"


def test_a_failure_that_nobody_foresaw_is_answered(worker):
    launches = [{"kernel": "run", "grid": [1, 1, 1], "block": [1, 1, 1], "smem_bytes": 0, "args": []}]
    sent = {"kernels": [{"kernel_id": "k", "source": "", "launches": launches, "compile_options": {}, "boundary_launches": 7}]}
    assert worker.ask("compile", sent)["error"]["code"] == "bad_request"
    assert worker.ask("hello", {"protocol": 1})["result"]["protocol"] == 1


def test_garbage_between_requests_costs_nothing():
    garbage = ["\x00\x01", "{" * 5000, "[" * 200000, '{"id": "cut", "method": "hel', '{"id": NaN}', "1" * 10000, '"text"', "null"]
    code, messages = run_lines([*garbage, HELLO])
    assert code == 0
    assert [message["id"] for message in messages if "id" in message] == ["last"]


def test_the_end_of_input_in_the_middle_of_a_line_ends_the_worker():
    command = [sys.executable, "-m", "kernelcast_worker", "--fake", "ok"]
    text = json.dumps(HELLO) + '\n{"id": "cut", "method": "measu'
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[0])["id"] == "last"


def test_a_line_over_the_limit_is_skipped_without_being_kept():
    lines = read_lines(io.BytesIO(b"short\n" + b"x" * 100 + b"\nafter\nend"), limit=10)
    assert list(lines) == [b"short\n", None, b"after\n", b"end"]
    exact = read_lines(io.BytesIO(b"123456789\n1234567890\n"), limit=10)
    assert list(exact) == [b"123456789\n", None]


def test_numbers_that_json_has_no_word_for():
    assert read_request(b'{"a": NaN, "b": [Infinity, -Infinity, 1]}') == {"a": None, "b": [None, None, 1]}
    assert json.loads(encode({"a": float("nan"), "b": (1.5, float("inf")), "c": "x"})) == {"a": None, "b": [1.5, None], "c": "x"}


def test_a_sealed_member_of_any_kind_comes_back(worker):
    params = dict(worker.params(kernel("sealed")), sealed={"deep": [1, "ä", None]})
    assert worker.ask("measure", params)["result"]["receipt"]["sealed"] == {"deep": [1, "ä", None]}


def test_a_worker_that_nobody_reads_ends_with_its_input():
    worker = Worker()
    params = {**worker.params(kernel("unread", "naps=0.2")), "limits": {"timeout_s": 30}}
    for index in range(40):
        worker.send("measure", params, f"u{index}")
    worker.process.stdout.close()
    worker.process.stdin.close()
    started = time.monotonic()
    worker.process.wait(20)
    assert time.monotonic() - started < 10
    assert not os.path.exists(f"/proc/{worker.process.pid}")
