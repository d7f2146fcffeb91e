"""First contact with a GPU machine: each layer in turn, every traceback in full.

python3 python/tools/smoke.py [--quick]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("CUDA_MODULE_LOADING", "EAGER")


def step(name, function):
    """Runs one step, prints how long it took or the whole traceback."""
    started = time.monotonic()
    print(f"== {name}", flush=True)
    try:
        result = function()
        print(f"   done in {time.monotonic() - started:.3f} s", flush=True)
        return result
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        print(f"   FAILED after {time.monotonic() - started:.3f} s", flush=True)
        return None


def show(value):
    """Prints JSON, indented."""
    print(json.dumps(value, indent=1)[:6000], flush=True)


def in_process():
    """Opens the device in this process: driver, compiler, harness, bandwidth, timing of the harness's own steps."""
    from kernelcast_worker.compiler import nvrtc_options
    from kernelcast_worker.driver import Driver
    from kernelcast_worker.nvrtc import Nvrtc
    from kernelcast_worker.probe import arch_of
    from kernelcast_worker.session import Session

    driver = step("driver", Driver)
    facts = step("facts", driver.facts)
    show(facts)
    nvrtc = step("nvrtc", Nvrtc)
    print("  ", nvrtc.path, nvrtc.version)
    arch = arch_of(f"{facts['major']}.{facts['minor']}")
    source = (ROOT / "kernelcast_worker" / "harness.cu").read_text()
    image, _ = step("compile harness", lambda: nvrtc.compile(source, nvrtc_options([], arch, nvrtc.version)))
    session = step("session", lambda: Session(driver, image))
    step("first wait", lambda: session.executor.wait(30, candidate=False))
    show(step("describe", lambda: session.describe(None)))
    show(step("environment", session.environment.read))
    step("environment again", lambda: session.environment.nvml and session.environment.nvml.reading([os.getpid()]))
    costs(session)


def costs(session):
    """What the harness's steps cost on the host and the device."""
    for name, launch in (("delay 20 us", session.harness.delay_launch(20000)), ("flush", session.harness._flush)):
        print(f"   {name}: {min(session.probe.time(launch)):.2f} us on the device")
    print(f"   scrub: {min(session.probe.time(session.harness._scrub)):.2f} us on the device")
    started = time.perf_counter()
    for _ in range(100):
        session.driver.reset_persisting_l2()
    print(f"   reset persisting L2: {(time.perf_counter() - started) * 1e4:.2f} us a call on the host")
    started = time.perf_counter()
    for _ in range(100):
        session.harness.settle(1)
        session.executor.wait(10, candidate=False)
    print(f"   settle and wait: {(time.perf_counter() - started) * 1e4:.2f} us")
    for size in (4096, 256 << 20):
        started = time.perf_counter()
        buffers = [session.memory.guarded(size)]
        allocated = time.perf_counter()
        session.memory.release(buffers)
        freed = time.perf_counter()
        print(
            f"   guarded buffer of {size} bytes: {(allocated - started) * 1e3:.2f} ms, freed in {(freed - allocated) * 1e3:.2f} ms"
        )
    print("  ", session.memory.guard)


def whole_worker():
    """The worker as a process: describe with controls, then the worker's own log of how long it took."""
    requests = [{"id": "1", "method": "hello", "params": {"protocol": 1}}, {"id": "2", "method": "describe", "params": {}}]
    done = subprocess.run(
        [sys.executable, "-m", "kernelcast_worker"],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        cwd=str(ROOT),
        timeout=240,
    )
    print(done.stderr[-6000:])
    for line in done.stdout.splitlines():
        show(json.loads(line))
    print("   exit", done.returncode)


def throughput():
    """Screens 60 different copies of one honest kernel on a 64 MiB vector: kernels per second, and where the time goes."""
    from kernelcast_worker.client import Client
    from kernelcast_worker.controls import as_kernel, load_index

    index = load_index()
    entry = next(entry for entry in index["kernels"] if entry["name"] == "honest")
    client = Client(["--skip-controls"])
    key = client.ask("task", {"task": index["tasks"]["big"]})["task_key"]
    kernels = []
    for i in range(60):
        kernel = as_kernel(entry)
        kernel.update(kernel_id=f"copy{i}", source=kernel["source"] + f"// {i}\n")
        kernels.append(kernel)
    client.ask("compile", {"kernels": kernels})
    params = {"task_key": key, "mode": "screen"}
    client.wait(client.send("measure", dict(params, request_id="first", kernel=kernels[0])))
    started = time.monotonic()
    sent = [client.send("measure", dict(params, request_id=f"r{i}", kernel=kernel)) for i, kernel in enumerate(kernels)]
    answers = [client.wait(identity) for identity in sent]
    elapsed = time.monotonic() - started
    results = [answer.get("result", answer) for answer in answers]
    held = sum(result["cost"]["gpu_seconds"] for result in results)
    medians = sorted(result["runtime_us"]["median"] for result in results if result["status"] == "ok")
    print(
        f"   {len(results) / elapsed:.1f} kernels/s; runner {held / len(results) * 1e3:.1f} ms each; statuses "
        f"{sorted({result['status'] for result in results})}; medians {medians[0]} .. {medians[-1]} us"
    )
    show(results[-1])
    confirm = {"kernel": kernels[1], "mode": "confirm", "anchor": {"kernel": kernels[0], "runtime_us": medians[0]}}
    show(client.wait(client.send("measure", dict(params, **confirm, request_id="ab"))))
    client.close()


if __name__ == "__main__":
    step("in this process", in_process)
    if "--quick" not in sys.argv:
        step("whole worker", whole_worker)
        step("throughput", throughput)
