"""Which device NVML is asked about, what the runner's environment holds, and what kernels are compiled for."""

from types import SimpleNamespace

import pytest
from helpers import TASK, kernel

from kernelcast_worker import environment
from kernelcast_worker.environment import open_nvml, visible_device
from kernelcast_worker.jobs import Job, Jobs
from kernelcast_worker.runner import set_environment


@pytest.mark.parametrize(
    "visible,index,found",
    [
        (None, 1, {"index": 1}),
        ("3,1", 0, {"index": 3}),
        ("3, 1", 1, {"index": 1}),
        ("GPU-aa,MIG-bb", 0, {"uuid": "GPU-aa"}),
        ("GPU-aa,MIG-bb", 1, {"uuid": "MIG-bb"}),
        ("", 0, {"index": 0}),
        ("2", 5, {"index": 5}),
    ],
)
def test_devices_are_counted_as_cuda_counts_them(visible, index, found):
    assert visible_device(index, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == found


class FakeNvml:
    """Knows one whole device at index 0 and one part of a device."""

    def __init__(self):
        self.nvmlInit_v2 = lambda: 0
        self.nvmlDeviceGetHandleByUUID = self.Call(lambda name, _: 0 if name in (b"GPU-whole", b"MIG-part") else 6)
        self.nvmlDeviceGetHandleByIndex_v2 = self.Call(lambda index, _: 0 if index == 0 else 2)

    class Call:
        def __init__(self, answer):
            self.answer = answer

        def __call__(self, *arguments):
            return self.answer(*arguments)


@pytest.mark.parametrize(
    "selector,known",
    [
        ({"uuid": "GPU-whole"}, True),
        ({"uuid": "GPU-part"}, True),
        ({"uuid": "MIG-part"}, True),
        ({"uuid": "GPU-other"}, False),
        ({"index": 0}, True),
        ({"index": 1}, False),
    ],
)
def test_no_device_is_taken_for_another(monkeypatch, selector, known):
    monkeypatch.setattr(environment.ctypes, "CDLL", lambda name: FakeNvml())
    assert (open_nvml(**selector) is not None) == known


def test_the_users_environment_cannot_move_work_into_the_timed_window():
    variables = {"CUDA_MODULE_LOADING": "LAZY", "CUDA_LAUNCH_BLOCKING": "1", "CUDA_DEVICE_ORDER": "FASTEST_FIRST", "HOME": "/h"}
    set_environment(variables)
    assert variables == {"CUDA_MODULE_LOADING": "EAGER", "CUDA_DEVICE_ORDER": "FASTEST_FIRST", "HOME": "/h"}


class Held:
    """Builds that are never done, and who holds them."""

    def __init__(self):
        self.held = []

    def hold(self, made, arch):
        build = SimpleNamespace(answer=None, ok=False, arch=arch, name=made["kernel_id"])
        self.held.append(build)
        return build

    def release(self, build):
        self.held.remove(build)


def test_nothing_is_built_before_the_architecture_is_known_and_again_if_it_is_another(tmp_path):
    known, builds = [None], Held()
    device = SimpleNamespace(failure=None, idle=False, start=lambda: None)
    datasets = SimpleNamespace(
        room_for=lambda *_: False,
        prepare=lambda *_: None,
        prepare_confirmation=lambda *_: None,
        trim=lambda _: None,
        failure=lambda _: None,
    )
    jobs = Jobs(device, builds, datasets, tmp_path)
    jobs.arch = lambda: known[0]
    anchor = {"kernel": kernel("anchor"), "runtime_us": 1.0}
    for mode in ("screen", "confirm"):
        params = {"task_key": "t", "kernel": kernel(mode), "mode": mode, "anchor": anchor}
        jobs.add(Job(params, TASK, lambda answer: None))
    jobs.pump()
    assert builds.held == []
    for arch in ("sm_90a", "sm_90a", "sm_80"):
        known[0] = arch
        jobs.pump()
        assert sorted((build.name, build.arch) for build in builds.held) == [("anchor", arch), ("confirm", arch), ("screen", arch)]
