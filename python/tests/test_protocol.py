"""The protocol at its edge: one answer per request, repeated ids, the end of input, bad requests, cancelling."""

import time
from pathlib import Path

from helpers import TASK, Worker, kernel, run_lines

from kernelcast_worker.builds import Builds
from kernelcast_worker.protocol import task_key

KEY = task_key(TASK)


def measure(identity, made, **more):
    params = {"request_id": identity, "task_key": KEY, "kernel": made, "mode": "screen", "limits": {"timeout_s": 0.3}}
    return {"id": identity, "method": "measure", "params": dict(params, **more)}


def test_a_file_of_requests_is_answered_whole_and_the_exit_is_clean():
    requests = [{"id": "t", "method": "task", "params": {"task": TASK}}]
    requests += [measure(f"m{i}", kernel(f"k{i}", mark)) for i, mark in enumerate(["ok", "hang", "die_once", "wrong_output", "ok"])]
    requests.append({"id": "d", "method": "describe", "params": {}})
    code, messages = run_lines(requests)
    assert code == 0
    answered = sorted(message["id"] for message in messages if "id" in message)
    assert answered == sorted(request["id"] for request in requests)
    statuses = {m["id"]: m["result"]["status"] for m in messages if m.get("id", "").startswith("m")}
    assert statuses == {"m0": "ok", "m1": "timeout", "m2": "ok", "m3": "incorrect", "m4": "ok"}


def test_a_repeated_id_is_not_run_again(worker):
    params = worker.params(kernel("twice"))
    worker.send("measure", params, "same")
    worker.send("measure", params, "same")
    first = worker.wait("same")
    worker.ask("task", {"task": TASK})
    assert sum(answer["id"] == "same" for answer in worker.answers) == 1
    worker.send("measure", params, "same")
    assert worker.wait("same", seen=2) == first


def test_lines_that_are_no_requests_are_ignored():
    code, messages = run_lines(["not json", "[]", '{"id": 7}', "", '{"id": "h", "method": "hello", "params": {"protocol": 1}}'])
    assert code == 0
    assert [message["id"] for message in messages if "id" in message] == ["h"]


def test_errors_have_codes(worker):
    def code(method, params):
        return worker.ask(method, params)["error"]["code"]

    good = worker.params(kernel("k"))
    assert code("dance", {}) == "bad_request"
    assert code("hello", {"protocol": 99}) == "bad_request"
    assert code("task", {"task": {"workload": {}}}) == "bad_request"
    assert code("measure", dict(good, task_key="nobody")) == "unknown_task"
    assert code("measure", dict(good, mode="guess")) == "bad_request"
    assert code("measure", dict(good, mode="confirm")) == "bad_request"
    assert code("measure", dict(good, kernel=kernel("k", launch={"args": ["y"]}))) == "bad_request"
    assert code("measure", dict(good, kernel=kernel("k", launch={"args": [{"i32": 1.5}]}))) == "bad_request"
    assert code("measure", dict(good, kernel=kernel("k", launch={"grid": [1, 1]}))) == "bad_request"


def test_compile_answers_per_kernel(worker):
    result = worker.ask("compile", {"kernels": [kernel("a"), kernel("b", "compile_error"), kernel("a2")]})["result"]["results"]
    assert [entry["kernel_id"] for entry in result] == ["a", "b", "a2"]
    assert [entry["ok"] for entry in result] == [True, False, True]
    assert result[0]["evidence"]["machine_code_sha256"] == result[2]["evidence"]["machine_code_sha256"]
    assert result[1]["error"].startswith("compile:")


def test_what_was_compiled_is_measured_without_compiling_again(worker):
    made = kernel("compiled-first", "unlike_others")
    first = worker.ask("compile", {"kernels": [made]})["result"]["results"][0]["evidence"]
    before = worker.measure(made)["result"]
    again = worker.ask("measure", dict(worker.params(dict(made, kernel_id="again")), request_id="another"))["result"]
    assert before["evidence"] == again["evidence"] == first
    assert before["cost"]["cpu_seconds"] - again["cost"]["cpu_seconds"] > 0.5


def test_builds_that_nothing_waits_for_make_room(tmp_path):
    jobs = []

    class Instant:
        def submit(self, job, done, limit_s):
            jobs.append(job["source"])
            Path(job["image"]).write_bytes(b"image")
            done({"ok": True, "facts": {"cpu_seconds": 2.0}})

    builds = Builds(Instant(), tmp_path / "builds", kept=2)
    made = [kernel(f"k{i}", f"n{i}") for i in range(4)]
    held = builds.hold(made[0], "sm_90a")
    for one in made[1:]:
        builds.release(builds.hold(one, "sm_90a"))
    assert Path(held.image).exists() and len(list((tmp_path / "builds").iterdir())) == 2
    assert builds.hold(made[0], "sm_90a") is held and len(jobs) == 4
    assert [held.charge(), held.charge()] == [2.0, 0.0]
    assert builds.hold(made[0], "sm_80").image != held.image


def test_receipts_say_that_controls_proved_nothing(worker):
    receipt = worker.measure(kernel("unproved"))["result"]["receipt"]
    assert (receipt["controls"], receipt["controls_ok"]) == ("fake", None)
    assert worker.ask("describe", {})["result"]["controls_state"] == "fake"


def test_compiling_nothing_is_answered(worker):
    assert worker.ask("compile", {"kernels": []})["result"] == {"results": []}


def test_a_queued_measurement_can_be_cancelled(worker):
    worker.measure(kernel("holds", "hang"))
    busy = worker.send("measure", dict(worker.params(kernel("holds", "hang")), limits={"timeout_s": 3}))
    params = worker.params(kernel("never"))
    waiting = worker.send("measure", params)
    assert worker.ask("cancel", {"id": waiting})["result"] == {"cancelled": True}
    assert worker.wait(waiting)["error"]["code"] == "shutting_down"
    assert worker.ask("cancel", {"id": "unknown"})["result"] == {"cancelled": False}
    assert worker.wait(busy)["result"]["status"] == "timeout"


def test_a_running_measurement_stops_between_two_executions(worker):
    sent = worker.send("measure", worker.params(kernel("endless", "naps=0.3")))
    time.sleep(0.5)
    started = time.monotonic()
    assert worker.ask("cancel", {"id": sent})["result"] == {"cancelled": True}
    assert worker.wait(sent)["error"] == {"code": "shutting_down", "message": "cancelled while it was measured"}
    assert worker.measure(kernel("next-after-cancel"))["result"]["status"] == "ok"
    assert time.monotonic() - started < 3
    assert worker.ask("cancel", {"id": sent})["result"] == {"cancelled": False}


def test_shutdown_answers_everything_and_exits():
    with Worker() as worker:
        pending = worker.send("measure", worker.params(kernel("late")))
        assert worker.ask("shutdown", {})["result"] == {}
        assert worker.wait(pending)["error"]["code"] == "shutting_down"


def test_roles_refuse_what_is_not_theirs():
    with Worker("--role", "compile") as worker:
        assert worker.ask("describe", {})["error"]["code"] == "no_device"
        assert worker.ask("compile", {"kernels": [kernel("a")]})["result"]["results"][0]["ok"]


def test_a_worker_without_a_driver_says_so(tmp_path):
    import json
    import subprocess
    import sys

    from helpers import ROOT

    request = json.dumps({"id": "1", "method": "describe", "params": {}}) + "\n"
    command = [sys.executable, "-m", "kernelcast_worker", "--driver", str(tmp_path / "libnone.so")]
    done = subprocess.run(command, input=request, capture_output=True, text=True, cwd=ROOT, timeout=60)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [m["error"]["code"] for m in messages if "id" in m] == ["no_device"]
    assert done.returncode == 0


def test_measurements_of_several_tasks_interleave(worker):
    other = dict(TASK, task_id="other")
    sent = [worker.send("measure", worker.params(kernel(f"mix{i}"), task=TASK if i % 2 else other)) for i in range(6)]
    assert [worker.wait(identity)["result"]["status"] for identity in sent] == ["ok"] * 6
