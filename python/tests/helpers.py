"""A worker process under test, a tiny task and kernels with fault markers."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COUNT = 1000
ARGS = [
    {"name": "x", "dtype": "f32", "shape": [COUNT], "role": "in", "draw": {"normal": {"mean": 0, "std": 1}}},
    {"name": "out", "dtype": "f32", "shape": [COUNT], "role": "out"},
]
TASK = {
    "task_id": "double",
    "workload": {"sizes": {"n": COUNT}, "args": ARGS, "flops": COUNT, "bytes_min": 8 * COUNT},
    "boundary_workloads": [],
    "tolerance": {"type": "allclose", "rtol": 1e-4, "atol": 1e-5},
    "precisions": ["f32"],
    "reference": "def reference(inputs, sizes):\n    return {'out': inputs['x'] * 2}\n",
}
LAUNCH = {"kernel": "run", "grid": [4, 1, 1], "block": [256, 1, 1], "smem_bytes": 0, "args": ["x", "out", {"i32": COUNT}]}


def kernel(name, *marks, launch=None):
    """A kernel whose markers tell the fake device what to do."""
    lines = ['extern "C" __global__ void run(const float* x, float* out, int n) {}', *(f"// fake: {mark}" for mark in marks)]
    return {
        "kernel_id": name,
        "source": "\n".join(lines) + "\n",
        "compile_options": [],
        "launches": [dict(LAUNCH, **(launch or {}))],
        "boundary_launches": None,
    }


class Worker:
    """A worker process; `answers` holds every message with an id, in order of arrival."""

    def __init__(self, *arguments, scenario="ok"):
        command = [sys.executable, "-m", "kernelcast_worker", "--fake", scenario, "--jobs", "2", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.answers, self.count = [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.read()
        assert self.process.wait(60) == 0

    def send(self, method, params, identity=None):
        self.count += 1
        identity = identity or f"q{self.count}"
        self.process.stdin.write(json.dumps({"id": identity, "method": method, "params": params}) + "\n")
        self.process.stdin.flush()
        return identity

    def wait(self, identity, seen=1):
        while sum(answer["id"] == identity for answer in self.answers) < seen:
            line = self.process.stdout.readline()
            assert line, "the worker ended"
            message = json.loads(line)
            if "id" in message:
                self.answers.append(message)
        return [answer for answer in self.answers if answer["id"] == identity][seen - 1]

    def ask(self, method, params):
        return self.wait(self.send(method, params))

    def task(self, task=TASK):
        return self.ask("task", {"task": task})["result"]["task_key"]

    def measure(self, made, **more):
        return self.ask("measure", self.params(made, **more))

    def params(self, made, **more):
        task = more.pop("task", TASK)
        params = {"request_id": f"r-{made['kernel_id']}", "task_key": self.task(task), "kernel": made, "mode": "screen"}
        return dict(params, limits={"timeout_s": 0.3}, **more)


def run_lines(requests, *arguments, scenario="ok"):
    """Pipes requests through a worker; returns (exit code, messages)."""
    command = [sys.executable, "-m", "kernelcast_worker", "--fake", scenario, "--jobs", "2", *arguments]
    text = "".join((request if isinstance(request, str) else json.dumps(request)) + "\n" for request in requests)
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, timeout=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]
