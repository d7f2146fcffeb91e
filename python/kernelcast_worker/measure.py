"""One measurement on the device: check, time or confirm, floor; the verdict with its evidence for the receipt."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from .check import Checker, check_correctness, check_record
from .confirm import as_record, confirm
from .driver import DriverError
from .execute import Cancelled, device_fault
from .faults import Fault
from .floor import floor_us
from .kernelimage import KernelImage
from .session import Loaded, LoadedSets, Session
from .stats import median, summary
from .timing import Timed, check_first_sight, check_kept_state, screen

DEFAULT_TIMEOUT_S = 1.0
DEFAULT_GPU_S = {"screen": 2.0, "confirm": 10.0}


class AnchorFault(Exception):
    """The anchor itself fails: the request is at fault, not the candidate."""


class Measurement:
    """A job's way through the device; `result` is what the supervisor completes. `fatal`: the runner has to be replaced."""

    def __init__(self, session: Session, job: Mapping[str, Any]) -> None:
        self.session, self.job = session, job
        self.task, self.mode = job["task"], job["mode"]
        self.checks: List[Dict[str, Any]] = []
        self.result: Dict[str, Any] = {"checks": self.checks}
        anchor = job.get("anchor")
        self.anchor_us = float(anchor["runtime_us"]) if anchor and anchor.get("runtime_us") else None
        limits = job.get("limits") or {}
        default = max(DEFAULT_TIMEOUT_S, 20e-6 * (self.anchor_us or 0.0))
        self.limit_s = float(limits.get("timeout_s") or default)
        self.gpu_s = float(limits.get("gpu_s") or DEFAULT_GPU_S[self.mode])
        self._images: List[KernelImage] = []
        self._fresh: Optional[LoadedSets] = None
        self._sets_used: Optional[LoadedSets] = None
        self.fatal = False
        self._phases: Dict[str, float] = {}
        self._phase_began = time.monotonic()

    def _phase(self, name: str) -> None:
        """Notes that a part of the work has ended."""
        now = time.monotonic()
        self._phases[name] = round(self._phases.get(name, 0.0) + (now - self._phase_began) * 1000, 3)
        self._phase_began = now

    def run(self) -> Dict[str, Any]:
        """Never raises for what a kernel does; raises `Cancelled` between two executions when told to stop."""
        self.session.executor.cancelled = self._cancelled
        self.result["began_at"] = time.time()
        self.result["environment_before"] = self.session.environment.read()
        started, cpu = time.monotonic(), time.process_time()
        fatal = False
        try:
            self._measure()
            self.result["status"] = "ok"
        except Fault as fault:
            self._record(fault)
            fatal = fault.fatal
        except DriverError as error:
            verdict = device_fault(error)
            self._record(verdict)
            fatal = verdict.fatal
        except (AnchorFault, Cancelled):
            self.fatal = self._clean_up()
            raise
        if not fatal:
            fatal = self._clean_up()
        self._phase("clean_up")
        self.result["phases_ms"] = self._phases
        self.result["gpu_seconds"] = round(time.monotonic() - started, 6)
        self.result["cpu_seconds"] = round(time.process_time() - cpu, 6)
        self.fatal = fatal
        self.result["ended_at"] = time.time()
        self.result["environment_after"] = {} if fatal else self.session.environment.read()
        return self.result

    def _cancelled(self) -> bool:
        path = self.job.get("cancel_file")
        return path is not None and os.path.exists(path)

    def _record(self, fault: Fault) -> None:
        self.result.update(status=fault.status, error=str(fault))
        self.checks.append({"name": fault.word, "ok": False, "detail": str(fault)})

    def _clean_up(self) -> bool:
        """Frees what the job holds; true when the runner has to be replaced."""
        try:
            self.session.executor.wait(self.limit_s)
            if self.result.get("status") != "ok" and self._sets_used is not None:
                self.session.verify(self._sets_used)
            for image in self._images:
                image.unload()
            if self._fresh is not None:
                self._fresh.close()
        except Fault as fault:
            self.checks.append({"name": "after", "ok": False, "detail": str(fault)})
            return True
        except DriverError:
            return True
        return False

    def _image(self, kernel: Mapping[str, Any], build: Mapping[str, Any]) -> KernelImage:
        data = Path(build["image"]).read_bytes()
        image = KernelImage(self.session.driver, kernel, data, build["facts"], self.session.facts)
        self._images.append(image)
        return image

    def _measure(self) -> None:
        facts = self.job["build"]["facts"]
        loaded = self.session.load(self.job["task_key"], self.task, self.job["datasets"])
        self._phase("load")
        image = self._image(self.job["kernel"], self.job["build"])
        if facts.get("heap"):
            raise Fault("kept_answer", "the kernel uses the device heap, which outlives a launch", status="suspicious")
        sets = self._sets_used = self._sets(loaded)
        self.result["dataset"] = {key: sets.manifest[key] for key in ("seeds_sha256", "sets")}
        anchor = self._anchor(sets)
        checker = self.session.checker(sets, self.task["tolerance"])
        self._boundaries(loaded, image)
        self._phase("boundary")
        fastest = check_correctness(checker, image, self.job["kernel"]["launches"], self.limit_s)
        self.checks.append(check_record("correct", checker))
        self._phase("check")
        timed = self._timed(checker, image, self.job["kernel"], fastest)
        samples = self._time(timed, anchor)
        self._phase("time")
        self._judge_time(timed, samples)
        self._phase("kept_state")
        self.session.verify(sets)
        checker.judge_guards("a run that was not checked")
        self._phase("verify")
        self.checks.append({"name": "guards", "ok": True, "detail": self.session.memory.guard})

    def _sets(self, loaded: Loaded) -> LoadedSets:
        fresh = self.job["datasets"].get("confirm")
        if self.mode == "confirm" and fresh:
            self._fresh = LoadedSets(self.session.executor, loaded.workspace, fresh)
            return self._fresh
        assert loaded.main is not None
        return loaded.main

    def _anchor(self, sets: LoadedSets) -> Optional[Timed]:
        """Checks the anchor of a confirmation as if it were a candidate."""
        if self.mode != "confirm":
            return None
        kernel = self.job["anchor"]["kernel"]
        image = self._image(kernel, self.job["anchor_build"])
        checker = self.session.checker(sets, self.task["tolerance"])
        try:
            fastest = check_correctness(checker, image, kernel["launches"], self.limit_s)
        except Fault as fault:
            if fault.fatal:
                raise Fault("crash", f"the anchor failed: {fault}", fatal=True) from fault
            raise AnchorFault(str(fault)) from fault
        return self._timed(checker, image, kernel, fastest)

    def _boundaries(self, loaded: Loaded, image: KernelImage) -> None:
        lists = self.job["kernel"].get("boundary_launches")
        if lists is None:
            self.checks.append({"name": "boundary", "ok": True, "detail": "specialised to the workload"})
            return
        for number, (boundary, launches) in enumerate(zip(loaded.boundary, lists)):
            if launches is None:
                continue
            checker = self.session.checker(boundary, self.task["tolerance"])
            check_correctness(checker, image, launches, self.limit_s, f"boundary workload {number}")
            self.checks.append(check_record(f"boundary {number}", checker))

    def _timed(self, checker: Checker, image: KernelImage, kernel: Mapping[str, Any], fastest: float) -> Timed:
        limit = max(self.limit_s, 20e-6 * fastest)
        return Timed(checker, image, kernel["launches"], limit, stop_at=time.monotonic() + self.gpu_s)

    def _time(self, timed: Timed, anchor: Optional[Timed]) -> List[float]:
        if anchor is None:
            samples = screen(timed, self.anchor_us)
        else:
            confirmed = confirm(timed, anchor)
            samples = confirmed.candidate_us
            self.result["confirmation"] = as_record(confirmed, self.job["anchor"]["kernel"]["kernel_id"])
            self.result["anchor_samples_us"] = [round(value, 3) for value in confirmed.anchor_us]
            self.result["blocks"] = [round(value, 6) for value in confirmed.ratios]
        self.result["samples_us"] = [round(value, 3) for value in samples]
        self.result["warmup_ms"] = round((self.session.warmup_s + timed.warmup_s) * 1000, 1)
        self.result["repeated_samples"] = timed.repeated + (anchor.repeated if anchor else 0)
        counts = ", ".join(f"set {index}: {count}" for index, count in sorted(timed.checker.checked_sets.items()))
        self.checks.append(check_record("timed outputs", None, f"checked executions by {counts}"))
        return samples

    def _judge_time(self, timed: Timed, samples: List[float]) -> None:
        unseen = check_first_sight(timed, samples)
        if unseen:
            self.checks.append(check_record("first sight", None, unseen))
        kept = check_kept_state(timed, median(samples))
        self.checks.append(check_record("kept state", None, kept or "no writable globals"))
        floor = floor_us(self.task["workload"], self.task.get("precisions") or ["f32"], self.session.device)
        self.result["floor_us"] = round(floor, 3)
        self.result["l2_flush_bytes"] = self.session.harness.flush_bytes
        if median(samples) < floor:
            raise Fault("below_floor", f"{median(samples):.2f} us; no honest kernel runs under {floor:.2f} us here")
        self.checks.append(check_record("floor", None, f"{median(samples):.2f} us is above {floor:.2f} us"))
        self.result["runtime_us"] = summary(samples)
