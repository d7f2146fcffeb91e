"""A pool of child processes that do one job at a time each, with a time limit per job."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence

from .child import Child

#: A job whose child dies is given to another child once: the child may have died of something else.
ATTEMPTS = 2
Done = Callable[[Dict[str, Any]], None]


@dataclass
class _Job:
    payload: Dict[str, Any]
    done: Done
    limit_s: float
    attempts: int = 1


@dataclass
class _Lane:
    child: Child
    job: Optional[_Job] = None
    deadline: float = 0.0


class Pool:
    """Children are started when there is work for them and replaced when they die; a job that loses two children fails."""

    def __init__(
        self, module: str, arguments: Sequence[str], size: int, events: Any, defaults: Optional[Mapping[str, str]] = None
    ) -> None:
        """`defaults`: variables for the children's environment, where it does not have them."""
        self._module, self._arguments, self._size, self._events = module, list(arguments), max(1, size), events
        self._defaults = dict(defaults or {})
        self._waiting: Deque[_Job] = deque()
        self._lanes: List[_Lane] = []

    @property
    def busy(self) -> bool:
        """Whether any job is unfinished."""
        return bool(self._waiting) or any(lane.job for lane in self._lanes)

    def submit(self, payload: Dict[str, Any], done: Done, limit_s: float) -> None:
        """Queues a job; `done` gets the child's answer, or `{ok: false, lost}` when it died or ran out of time."""
        self._waiting.append(_Job(payload, done, limit_s))
        self._feed()

    def _feed(self) -> None:
        while self._waiting:
            lane = next((lane for lane in self._lanes if lane.job is None and lane.child.alive), None)
            if lane is None:
                if len(self._lanes) >= self._size:
                    return
                lane = _Lane(Child(self._module, self._arguments, self._events, self._defaults))
                self._lanes.append(lane)
            lane.job = self._waiting.popleft()
            lane.deadline = time.monotonic() + lane.job.limit_s
            lane.child.send(lane.job.payload)

    def owns(self, child: Child) -> bool:
        """Whether an event's child belongs here."""
        return any(lane.child is child for lane in self._lanes)

    def on_message(self, child: Child, message: Dict[str, Any]) -> None:
        """A job's answer."""
        lane = next(lane for lane in self._lanes if lane.child is child)
        job, lane.job = lane.job, None
        self._feed()
        if job is not None:
            job.done(message)

    def on_gone(self, child: Child, reason: str) -> None:
        """A child died: its job is tried once more, or fails."""
        lane = next(lane for lane in self._lanes if lane.child is child)
        self._lanes.remove(lane)
        job = lane.job
        if job is not None and job.attempts < ATTEMPTS:
            job.attempts += 1
            self._waiting.appendleft(job)
            job = None
        self._feed()
        if job is not None:
            job.done({"ok": False, "lost": reason})

    def expire(self, now: float) -> None:
        """Kills children whose job ran out of time."""
        for lane in list(self._lanes):
            if lane.job is not None and now > lane.deadline and lane.child.alive:
                job, lane.job = lane.job, None
                lane.child.kill()
                job.done({"ok": False, "lost": f"took longer than {job.limit_s:g} s"})

    def close(self) -> None:
        """Kills all children."""
        for lane in self._lanes:
            lane.child.kill()
