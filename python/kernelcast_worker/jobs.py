"""Measurements that wait: builds and datasets made ahead, the device given the next one that is ready."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from .builds import Build, Builds
from .cubin import DEFAULT_LIMITS, evidence_of
from .datasets import Datasets
from .device import Device
from .protocol import RequestError
from .receipts import measurement
from .waiting import Waiting

#: Tasks, and confirmations, whose datasets are prepared ahead of the device.
LOOK_AHEAD, CONFIRMATIONS_AHEAD = 6, 4
#: How often a job of the loaded task may overtake the head of the queue.
MOST_OVERTAKING = 64
ATTEMPTS = 2
_OVERHEAD_S = 240.0
#: How many waiting jobs are looked at after each event.
_WINDOW = 256
Answer = Callable[[Any], None]


class Job:
    """A measurement request on its way."""

    def __init__(self, params: Mapping[str, Any], task: Mapping[str, Any], answer: Answer, internal: bool = False) -> None:
        self.params, self.task, self.answer, self.internal = params, task, answer, internal
        self.identity = ""
        self.build: Optional[Build] = None
        self.anchor_build: Optional[Build] = None
        self.arch = ""
        self.attempts = 0
        self.cancelled = False
        self.received_at = time.time()
        self.confirm_owner = f"confirm-{id(self)}-{time.monotonic_ns()}" if params["mode"] == "confirm" else ""

    @property
    def owners(self) -> List[str]:
        """The dataset owners that the job needs."""
        return [self.params["task_key"]] + ([self.confirm_owner] if self.confirm_owner else [])


class Jobs:
    """The queue of measurements."""

    def __init__(self, device: Device, builds: Builds, datasets: Datasets, folder: Path) -> None:
        self.device, self._builds, self._datasets, self._folder = device, builds, datasets, folder
        self._waiting = Waiting(_WINDOW)
        self._running: List[Job] = []
        self._known_tasks: Dict[str, Mapping[str, Any]] = {}
        self._overtaken = 0
        self._loaded_task = ""
        self.arch: Callable[[], Optional[str]] = lambda: "sm_90a"
        self.controls_ok: Callable[[], Optional[bool]] = lambda: True
        self.controls_state: Callable[[], str] = lambda: "skipped"

    @property
    def busy(self) -> bool:
        """Whether any measurement is unfinished."""
        return bool(self._waiting or self._running)

    def add(self, job: Job) -> None:
        """Queues a job; internal ones go first."""
        self._known_tasks[job.params["task_key"]] = job.task
        self._waiting.add(job)

    def cancel(self, matches: Callable[[Job], bool]) -> bool:
        """Drops waiting jobs and stops running ones before their next execution; each is answered `shutting_down` at once."""
        waiting = self._waiting.matching(matches)
        running = [job for job in self._running if matches(job) and not job.cancelled]
        for job in waiting:
            self._finish(job, RequestError("shutting_down", "cancelled before it was measured"))
        for job in running:
            job.cancelled = True
            self._cancel_file(job).touch()
            job.answer(RequestError("shutting_down", "cancelled while it was measured"))
        return bool(waiting or running)

    def _cancel_file(self, job: Job) -> Path:
        return self._folder / f"cancel-{id(job)}"

    def pump(self) -> None:
        """Does whatever can be done now; called after every event."""
        self._begin_builds()
        self._refuse_failed()
        self._prepare_data()
        if self._waiting and self.device.failure is None:
            self.device.start()
        while self.device.idle:
            job = self._next()
            if job is None:
                return
            self._dispatch(job)

    def _begin_builds(self) -> None:
        """Begins builds once the architecture is known, and again if it turns out to be another than was thought."""
        arch = self.arch()
        if arch is None:
            return
        for job in self._waiting:
            if job.arch == arch:
                continue
            self._release_builds(job)
            job.arch, job.build = arch, self._builds.hold(job.params["kernel"], arch)
            if job.params["mode"] == "confirm":
                job.anchor_build = self._builds.hold(job.params["anchor"]["kernel"], arch)

    def _release_builds(self, job: Job) -> None:
        for build in (job.build, job.anchor_build):
            if build is not None:
                self._builds.release(build)

    def _refuse_failed(self) -> None:
        for job in self._waiting:
            build, anchor = job.build, job.anchor_build
            if self.device.failure is not None:
                self._finish(job, RequestError(self.device.failure["code"], self.device.failure["message"]))
            elif self.controls_ok() is False and not job.internal:
                self._finish(job, RequestError("controls_failed", "a control failed at the start; see describe"))
            elif build is not None and build.answer is not None and not build.ok:
                self._answer_compile_error(job, build)
            elif anchor is not None and anchor.answer is not None and not anchor.ok:
                self._finish(job, RequestError("bad_request", f"the anchor does not compile: {anchor.error}"))
            else:
                reason = next(filter(None, (self._datasets.failure(owner) for owner in job.owners)), None)
                if reason:
                    self._finish(job, RequestError("reference_failed", reason))

    def _answer_compile_error(self, job: Job, build: Build) -> None:
        if build.answer is not None and build.answer.get("code") == "no_compiler":
            self._finish(job, RequestError("no_compiler", build.error))
            return
        checks = [{"name": "compile", "ok": False, "detail": build.error}]
        self._complete(job, {"status": "compile_error", "error": build.error, "checks": checks})

    def _prepare_data(self) -> None:
        running = [job.params["task_key"] for job in self._running]
        keys = dict.fromkeys(running + self._waiting.tasks(LOOK_AHEAD))
        for number, key in enumerate(keys):
            if number == 0 or self._datasets.room_for(key, self._known_tasks[key]):
                self._datasets.prepare(key, self._known_tasks[key])
        confirming = [job for job in [*self._running, *self._waiting] if job.confirm_owner]
        for number, job in enumerate(islice(confirming, CONFIRMATIONS_AHEAD)):
            if number == 0 or self._datasets.room_for(job.confirm_owner, job.task):
                self._datasets.prepare_confirmation(job.confirm_owner, job.params["task_key"], job.task)
        if any(job.params.get("anchor") for job in self._running):  # a search: confirmations will come
            self._datasets.keep_spares(self._loaded_task, self._known_tasks[self._loaded_task])
        self._datasets.trim({*keys, *(job.confirm_owner for job in confirming), self._loaded_task})

    def _ready(self, job: Job) -> bool:
        if not job.internal and self.controls_ok() is not True:
            return False
        built = job.build is not None and job.build.ok and (job.anchor_build is None or job.anchor_build.ok)
        return built and all(self._datasets.folders(owner) is not None for owner in job.owners)

    def _next(self) -> Optional[Job]:
        ready: List[Job] = [job for job in self._waiting if self._ready(job)]
        if not ready:
            return None
        same = next((job for job in ready if job.params["task_key"] == self._loaded_task), None)
        chosen = ready[0]
        if same is not None and same is not chosen and not chosen.internal and self._overtaken < MOST_OVERTAKING:
            self._overtaken += 1
            chosen = same
        else:
            self._overtaken = 0
        return chosen

    def _dispatch(self, job: Job) -> None:
        self._waiting.remove(job)
        self._running.append(job)
        self._loaded_task = job.params["task_key"]
        job.attempts += 1
        limits = job.params.get("limits") or {}
        limit_s = _OVERHEAD_S + float(limits.get("gpu_s") or 10) + 40 * float(limits.get("timeout_s") or 2)
        self.device.run(self._payload(job), limit_s, lambda message: self._on_answer(job, message))

    def _payload(self, job: Job) -> Dict[str, Any]:
        params, build = job.params, job.build
        assert build is not None and build.answer is not None
        folders = self._datasets.folders(params["task_key"]) or []
        datasets: Dict[str, Any] = {"main": folders[0], "boundary": folders[1:]}
        if job.confirm_owner:
            datasets["confirm"] = next(iter(self._datasets.folders(job.confirm_owner) or []), None)
        payload = {key: params.get(key) for key in ("kernel", "mode", "anchor", "limits", "task_key")}
        payload.update(task=job.task, datasets=datasets, cancel_file=str(self._cancel_file(job)))
        payload.update(build={"image": build.image, "facts": build.answer["facts"]})
        if job.anchor_build is not None and job.anchor_build.answer is not None:
            payload["anchor_build"] = {"image": job.anchor_build.image, "facts": job.anchor_build.answer["facts"]}
        return payload

    def _on_answer(self, job: Job, message: Dict[str, Any]) -> None:
        self._running.remove(job)
        if job.cancelled:
            self._cancel_file(job).unlink(missing_ok=True)
            self._let_go(job)
        elif "unbegun" in message:
            job.attempts -= 1
            self._waiting.put_back(job)
        elif "lost" in message:
            if job.attempts < ATTEMPTS:
                self._waiting.put_back(job)
                return
            reason = f"crash: the runner {message['lost']}, twice"
            checks = [{"name": "crash", "ok": False, "detail": reason}]
            self._complete(job, {"status": "crashed", "error": reason, "checks": checks})
        elif "refused" in message:
            self._finish(job, RequestError("bad_request", message["refused"]))
        else:
            self._complete(job, message["result"])

    def _complete(self, job: Job, verdict: Mapping[str, Any]) -> None:
        facts = (job.build.answer or {}).get("facts") if job.build else None
        evidence = evidence_of(facts, job.params["kernel"]["launches"], self.device.facts or DEFAULT_LIMITS) if facts else None
        session = {
            "started_at": _stamp(verdict.get("began_at", job.received_at)),
            "finished_at": _stamp(verdict.get("ended_at", time.time())),
            "controls": self.controls_state(),
            "compile_seconds": job.build.charge() if job.build else 0,
        }
        name = str((self.device.description or {}).get("name", ""))
        self._finish(job, measurement(job.params, name, verdict, evidence, session))

    def _finish(self, job: Job, answer: Any) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
        self._let_go(job)
        job.answer(answer)

    def _let_go(self, job: Job) -> None:
        if job.confirm_owner:
            self._datasets.drop(job.confirm_owner)
        self._release_builds(job)


def _stamp(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
