"""The throughput tool on the fake device: an earlier pass's ok and fast kernels are measured again."""

import json
import subprocess
import sys

from helpers import ROOT, TASK, kernel, run_lines

from kernelcast_worker.protocol import task_key

KEY = task_key(TASK)


def test_throughput_measures_what_was_ok_and_fast(tmp_path):
    marks = {"fast": "runtime_us=100", "slow": "runtime_us=900", "wrong": "wrong_output", "fast2": "runtime_us=120"}
    requests = [{"id": "t", "method": "task", "params": {"task": TASK}}]
    for name, mark in marks.items():
        params = {"request_id": name, "task_key": KEY, "kernel": kernel(name, mark), "mode": "screen"}
        requests.append({"id": name, "method": "measure", "params": params})
    code, messages = run_lines(requests)
    assert code == 0
    files = {"requests": requests, "responses": messages}
    for name, content in files.items():
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in content))
    command = [sys.executable, "tools/throughput.py", str(tmp_path / "requests"), str(tmp_path / "responses")]
    command += ["--out", str(tmp_path / "figures.json"), "--worker=--fake ok"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert (found["kernels"], found["ok"], found["others"]) == (2, 2, [])
    assert found["kernels_per_s"] > 0 and found["disagreement"]["median"] < 0.01
    assert set(found["phases_ms"]) == {"load", "boundary", "check", "time", "kept_state", "verify", "clean_up"}
