"""The supervisor: owns the protocol and all child processes; never touches CUDA itself."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
import zlib
from argparse import Namespace
from collections import OrderedDict
from typing import Any, Callable, Dict, List, Optional

from . import __version__
from .builds import Builds
from .controls import Controls
from .cubin import DEFAULT_LIMITS, evidence_of
from .datasets import Datasets
from .device import Device
from .environment import open_nvml, visible_device
from .folder import WorkFolder
from .jobs import Job, Jobs
from .pool import Pool
from .probe import arch_of
from .protocol import (
    PROTOCOL,
    Output,
    RequestError,
    check_anchor,
    check_kernel,
    check_limits,
    check_task,
    encode,
    read_lines,
    read_request,
    require,
    task_key,
)

_TICK_S = 0.25
_ANSWERS_KEPT = 20000
_DEFAULT_ARCH = "sm_90a"
_REFERENCE_BYTES = 8 << 30
#: How many threads a reference's libraries may start; what the environment says goes first.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Cores that compiling leaves to the runner, which must enqueue in time, and to the supervisor.
_LEFT_FREE = 2


class Supervisor:
    """One worker."""

    def __init__(self, options: Namespace) -> None:
        self.options, self.output = options, Output()
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._work_folder = WorkFolder()
        self.folder = self._work_folder.path
        self._tasks: Dict[str, Any] = {}
        self._open: Dict[str, str] = {}
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._describing: List[str] = []
        self._compiling = 0
        self._ended = self._stopping = False
        self._make_parts()

    def _make_parts(self) -> None:
        options, cores = self.options, os.cpu_count() or 1
        fake = ["--fake"] if options.fake is not None else []
        jobs = options.jobs or max(1, cores - _LEFT_FREE)
        self._compilers = Pool("compiler", fake or ([options.nvrtc] if options.nvrtc else []), jobs, self.events)
        lanes = _reference_lanes(cores)
        threads = max(1, min(cores, 2 * cores // lanes))
        self._references = Pool("reference", [], lanes, self.events, {name: str(threads) for name in _THREAD_VARIABLES})
        self.builds = Builds(self._compilers, self.folder / "builds")
        self.datasets = Datasets(self._references, self.folder, threads)
        self.device = Device(self._runner_arguments(), self.events)
        self.jobs = Jobs(self.device, self.builds, self.datasets, self.folder)
        self.jobs.arch = self.known_arch
        self.controls = Controls(self)
        self.jobs.controls_ok = lambda: self.controls.ok
        self.jobs.controls_state = lambda: self.controls.state

    def _runner_arguments(self) -> List[str]:
        options = self.options
        arguments = ["--work", str(self.folder), "--device", str(options.device)]
        for name in ("driver", "nvrtc", "fake"):
            value = getattr(options, name)
            if value is not None:
                arguments += [f"--{name}", value]
        return arguments

    def arch(self) -> str:
        """What kernels are compiled for that nobody measures: the device's architecture where one is known."""
        return self.known_arch() or _DEFAULT_ARCH

    def known_arch(self) -> Optional[str]:
        """The device's architecture, without touching CUDA; None until something is known of it."""
        if self.options.fake is not None:
            return _DEFAULT_ARCH
        if self.device.description:
            return arch_of(self.device.description["compute_capability"])
        if not hasattr(self, "_arch"):
            nvml = open_nvml(**visible_device(self.options.device, os.environ))
            capability = nvml.capability() if nvml else None
            self._arch = arch_of(capability) if capability else None
        return self._arch

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Works until stdin has ended and everything is answered, or until told to shut down."""
        threading.Thread(target=self._read_stdin, daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: self.events.put(("stop",)))
        try:
            while not self._finished():
                self._step()
        except KeyboardInterrupt:
            return 130
        finally:
            self.close()
        return 0

    def _read_stdin(self) -> None:
        for line in read_lines(sys.stdin.buffer):
            self.events.put(("line", line))
        self.events.put(("end",))

    def _finished(self) -> bool:
        if self._stopping or (self._ended and self.output.abandoned()):
            return True
        waiting = self.jobs.busy or self._describing or self._compiling or self._open
        return self._ended and not waiting and self.events.empty()

    def _step(self) -> None:
        try:
            self._handle_event(self.events.get(timeout=_TICK_S))
        except queue.Empty:
            pass
        now = time.monotonic()
        for part in (self._compilers, self._references, self.device):
            part.expire(now)
        self.controls.pump()
        self.jobs.pump()
        self._answer_describes()

    def _handle_event(self, event: Any) -> None:
        kind = event[0]
        if kind == "line":
            self._on_line(event[1])
        elif kind == "end":
            self._ended = True
        elif kind == "stop":
            self._shut_down()
        else:
            self._on_child(kind, event[1], event[2])

    def _on_child(self, kind: str, child: Any, content: Any) -> None:
        if self.device.owns(child):
            if kind == "message":
                self.device.on_message(content)
            else:
                self.output.log(f"the {self.device.name_of(child)} {content}; starting another", "warning")
                self.device.on_gone(child, content)
            return
        for pool in (self._compilers, self._references):
            if pool.owns(child):
                if kind == "message":
                    pool.on_message(child, content)
                else:
                    pool.on_gone(child, content)

    def close(self) -> None:
        """Kills the children and removes the files."""
        for part in (self._compilers, self._references, self.device):
            part.close()
        self._work_folder.remove()

    # --- requests ---------------------------------------------------------------------------------------------------

    def _on_line(self, line: Optional[bytes]) -> None:
        if line is None:
            self.output.log("a line on stdin is too long and was ignored", "error")
            return
        if not line.strip():
            return
        try:
            request = read_request(line)
        except ValueError:
            self.output.log("a line on stdin is not JSON and was ignored", "error")
            return
        if not isinstance(request, dict) or not isinstance(request.get("id"), str):
            self.output.log("a request without a textual id was ignored", "error")
            return
        identity = request["id"]
        if identity in self._open:
            return
        if identity in self._answers:
            self.output.send_line(zlib.decompress(self._answers[identity]))
            return
        self._open[identity] = str(request.get("method"))
        try:
            self._call(identity, request)
        except RequestError as error:
            self.answer(identity, error)
        except Exception as error:  # a request that validation should have refused must not cost the others their answers
            traceback.print_exc()
            self.answer(identity, RequestError("bad_request", f"{type(error).__name__}: {error}"))

    def _call(self, identity: str, request: Dict[str, Any]) -> None:
        methods: Dict[str, Callable[[str, Dict[str, Any]], None]] = {
            "hello": self._hello,
            "describe": self._describe,
            "task": self._task,
            "compile": self._compile,
            "measure": self._measure,
            "cancel": self._cancel,
            "shutdown": self._shutdown,
        }
        method, params = methods.get(str(request.get("method"))), request.get("params", {})
        require(method is not None, f"unknown method: {request.get('method')}")
        require(isinstance(params, dict), "params must be an object")
        assert method is not None
        method(identity, params)

    def answer(self, identity: str, result: Any) -> None:
        """Answers a request once; the answer is kept for a repeated id."""
        if self._open.pop(identity, None) is None:
            return
        if isinstance(result, RequestError):
            message = {"id": identity, "error": {"code": result.code, "message": " ".join(str(result).split())}}
        else:
            message = {"id": identity, "result": result}
        line = encode(message)
        self._answers[identity] = zlib.compress(line, 1)
        while len(self._answers) > _ANSWERS_KEPT:
            self._answers.popitem(last=False)
        self.output.send_line(line)

    def _hello(self, identity: str, params: Dict[str, Any]) -> None:
        from .doctor import run_checks

        require(params.get("protocol", PROTOCOL) == PROTOCOL, f"this worker speaks protocol {PROTOCOL}")
        roles = ["compile", "measure"] if self.options.role == "both" else [self.options.role]
        checks = run_checks(self.options, self.folder, self.device.pids)
        version = ".".join(str(part) for part in sys.version_info[:3])
        self.answer(
            identity,
            {"protocol": PROTOCOL, "worker_version": __version__, "python": version, "roles": roles, "checks": checks},
        )

    def _needs(self, role: str, method: str) -> None:
        if self.options.role not in (role, "both"):
            code = "no_device" if role == "measure" else "no_compiler"
            raise RequestError(code, f"this worker's role is {self.options.role}: it does not {method}")

    def _describe(self, identity: str, params: Dict[str, Any]) -> None:
        self._needs("measure", "describe a device")
        self._describing.append(identity)
        self.device.start()

    def _answer_describes(self) -> None:
        if not self._describing:
            return
        failure = self.device.failure
        result: Any = None
        if failure is not None:
            result = RequestError(failure["code"], failure["message"])
        elif self.controls.ok is False:
            result = RequestError("controls_failed", self.controls.failures())
        elif self.device.description and self.controls.ok:
            result = {"device": self.device.description, "environment": self.device.environment}
            result.update(controls_state=self.controls.state, controls=self.controls.results)
        if result is not None:
            waiting, self._describing = self._describing, []
            for identity in waiting:
                self.answer(identity, result)

    def _task(self, identity: str, params: Dict[str, Any]) -> None:
        check_task(params.get("task"))
        self.answer(identity, {"task_key": self.register(params["task"])})

    def register(self, task: Dict[str, Any]) -> str:
        """Remembers a task by its key."""
        key = task_key(task)
        self._tasks[key] = task
        return key

    def _compile(self, identity: str, params: Dict[str, Any]) -> None:
        self._needs("compile", "compile")
        kernels = params.get("kernels")
        require(isinstance(kernels, list), "kernels must be a list")
        assert isinstance(kernels, list)
        for kernel in kernels:
            check_kernel(kernel, None)
        arch = str(params.get("arch") or self.arch())
        builds = [self.builds.hold(kernel, arch) for kernel in kernels]
        left = [sum(build.answer is None for build in builds)]
        self._compiling += 1

        def finish() -> None:
            self._compiling -= 1
            self.answer(identity, self._compiled(kernels, builds))
            for build in builds:
                self.builds.release(build)

        def one_done() -> None:
            left[0] -= 1
            if left[0] == 0:
                finish()

        for build in builds:
            if build.answer is None:
                build.waiting.append(one_done)
        if left[0] == 0:
            finish()

    def _compiled(self, kernels: List[Any], builds: List[Any]) -> Any:
        limits, results = self.device.facts or DEFAULT_LIMITS, []
        for kernel, build in zip(kernels, builds):
            if build.answer.get("code") == "no_compiler":
                return RequestError("no_compiler", build.error)
            entry = {"kernel_id": kernel["kernel_id"], "ok": build.ok}
            if build.ok:
                entry["evidence"] = evidence_of(build.answer["facts"], kernel["launches"], limits)
            else:
                entry["error"] = build.error
            results.append(entry)
        return {"results": results}

    def _measure(self, identity: str, params: Dict[str, Any]) -> None:
        self._needs("measure", "measure")
        job = self.add_job(params, lambda result: self.answer(identity, result))
        job.identity = identity

    def add_job(self, params: Dict[str, Any], answer: Callable[[Any], None], internal: bool = False) -> Job:
        """Validates and queues a measurement."""
        task = self._tasks.get(str(params.get("task_key")))
        if task is None:
            raise RequestError("unknown_task", f"no task {params.get('task_key')} was registered with this worker")
        names = [argument["name"] for argument in task["workload"]["args"]]
        require(params.get("mode") in ("screen", "confirm"), "mode must be screen or confirm")
        check_kernel(params.get("kernel"), names)
        anchor = params.get("anchor")
        require(params["mode"] == "screen" or anchor, "confirm needs an anchor")
        if anchor:
            check_anchor(anchor, params["mode"], names)
        check_limits(params.get("limits"))
        job = Job(params, task, answer, internal)
        self.jobs.add(job)
        return job

    def _cancel(self, identity: str, params: Dict[str, Any]) -> None:
        target = params.get("id")
        done = self.jobs.cancel(lambda job: bool(target) and job.identity == target)
        self.answer(identity, {"cancelled": done})

    def _shutdown(self, identity: str, params: Dict[str, Any]) -> None:
        self.answer(identity, {})
        self._shut_down()

    def _shut_down(self) -> None:
        for identity in list(self._open):
            self.answer(identity, RequestError("shutting_down", "the worker was told to stop"))
        self._stopping = True


def _reference_lanes(cores: int) -> int:
    """References that run at once: every second core, at most 8, and for each the memory that large float64 arrays take."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores // 2, 8, memory // _REFERENCE_BYTES))
