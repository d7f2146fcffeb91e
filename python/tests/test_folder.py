"""The worker's folder goes when the worker goes, also when it is killed."""

import fcntl
import os
import signal
import time
from pathlib import Path

from helpers import Worker, kernel

from kernelcast_worker.folder import WorkFolder, sweep


def folders_of(process):
    """The folders that a process holds locks in, and its children's pids."""
    found = []
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        target = os.readlink(entry)
        if target.endswith("/lock"):
            found.append(Path(target).parent)
    return found


def children_of(pid):
    listed = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            listed.append(int(entry.parent.name))
    return listed


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_folder_is_locked_while_it_is_used_and_then_removed(tmp_path):
    folder = WorkFolder(str(tmp_path))
    assert sweep(tmp_path) == [] and folder.path.exists()
    folder.remove()
    assert not folder.path.exists()


def test_what_killed_workers_left_is_swept_and_nothing_else(tmp_path):
    for name, locked in [("kernelcast-dead", True), ("kernelcast-unlocked", False), ("other-dead", True)]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_text("x")
        if locked:
            (tmp_path / name / "lock").touch()
    (tmp_path / "kernelcast-link").symlink_to(tmp_path / "other-dead")
    assert sweep(tmp_path) == ["kernelcast-dead"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kernelcast-link", "kernelcast-unlocked", "other-dead"]


def test_a_folder_in_use_elsewhere_is_left_alone(tmp_path):
    folder = tmp_path / "kernelcast-busy"
    folder.mkdir()
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert sweep(tmp_path) == []


def test_a_killed_worker_leaves_neither_files_nor_processes():
    worker = Worker()
    worker.measure(kernel("before"))
    worker.send("measure", worker.params(kernel("during", "naps=0.1")))
    (folder,) = folders_of(worker.process)
    children = children_of(worker.process.pid)
    assert folder.exists() and len(children) >= 3
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    assert until(lambda: not folder.exists())
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    worker.process.stdout.close()


def test_a_worker_goes_on_whichever_of_its_processes_is_killed():
    with Worker() as worker:
        worker.measure(kernel("before"))
        for number, module in enumerate(["runner", "compiler", "reference", "runner"]):
            sent = worker.send("measure", worker.params(kernel(f"during{number}", "naps=0.02")))
            for pid in children_of(worker.process.pid):
                if f"kernelcast_worker.{module}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
            answer = worker.wait(sent)
            assert answer["result"]["status"] == "ok", answer
        assert worker.measure(kernel("after"))["result"]["status"] == "ok"


def test_a_caretaker_that_is_killed_costs_nothing():
    with Worker() as worker:
        worker.measure(kernel("before"))
        for pid in children_of(worker.process.pid):
            if b"cat >/dev/null" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        (folder,) = folders_of(worker.process)
        assert worker.measure(kernel("after"))["result"]["status"] == "ok"
    assert not folder.exists()
