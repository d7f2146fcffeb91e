"""The supervisor's view of the runner: started when needed, watched, replaced after a fault, never trusted with a request.

A spare process waits with everything loaded but no context, so that a replacement is soon ready; it does not touch the device.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Optional

from .child import Child

START_LIMIT_S = 180.0
_START_ATTEMPTS = 3
#: Jobs that the runner holds at most: one at work and the next, so that it never waits for the supervisor.
_DEPTH = 2
Done = Callable[[Dict[str, Any]], None]


@dataclass
class _Work:
    done: Done
    limit_s: float


class Device:
    """At most one runner process with a context; its jobs are done in order, one at a time."""

    def __init__(self, arguments: List[str], events: Any) -> None:
        self._arguments, self._events = arguments, events
        self._child: Optional[Child] = None
        self._spare: Optional[Child] = None
        self._works: Deque[_Work] = deque()
        self._deadline = float("inf")
        self._attempts = 0
        self.ready = False
        self.description: Optional[Dict[str, Any]] = None
        self.environment: Dict[str, Any] = {}
        self.facts: Dict[str, Any] = {}
        self.failure: Optional[Dict[str, str]] = None

    @property
    def idle(self) -> bool:
        """Whether a job can be given."""
        return self.ready and len(self._works) < _DEPTH

    @property
    def pids(self) -> List[int]:
        """The process ids of the runner and its spare."""
        return [child.pid for child in (self._child, self._spare) if child is not None]

    def start(self) -> None:
        """Starts a runner unless one runs or the device is known not to work."""
        if self._child is None and self.failure is None:
            self._attempts += 1
            self._child, self._spare = self._spare or self._spawn(), None
            self._child.send({"op": "open"})
            self._deadline = time.monotonic() + START_LIMIT_S

    def _spawn(self) -> Child:
        return Child("runner", self._arguments, self._events)

    def run(self, job: Dict[str, Any], limit_s: float, done: Done) -> None:
        """Gives the runner a job; `done` gets its answer, `{lost: reason}` when the runner died over it without one, or
        `{unbegun: true}` when the runner was replaced before it came to it."""
        assert self._child is not None and self.idle
        self._works.append(_Work(done, limit_s))
        self._child.send({"op": "measure", "job": job})
        if len(self._works) == 1:
            self._watch()

    def _watch(self) -> None:
        self._deadline = time.monotonic() + self._works[0].limit_s if self._works else float("inf")

    def owns(self, child: Child) -> bool:
        """Whether an event's child is the runner or its spare."""
        return child is self._child or child is self._spare

    def name_of(self, child: Child) -> str:
        """Which of the two an event's child is, for messages."""
        return "spare runner" if child is self._spare else "runner"

    def on_message(self, message: Dict[str, Any]) -> None:
        """What the runner says."""
        if message.get("ready"):
            assert self._child is not None
            self._child.send({"op": "describe", "known": self.description})
        elif "failed" in message:
            self.failure = {"code": message["failed"], "message": message["message"]}
        elif "device" in message:
            self.description, self.environment = message["device"], message["environment"]
            self.facts, self.ready, self._attempts = message["facts"], True, 0
            self._deadline = float("inf")
            self._spare = self._spare or self._spawn()
        elif self._works:
            self._answer(message)

    def _answer(self, message: Dict[str, Any]) -> None:
        work = self._works.popleft()
        self._watch()
        if message.get("fatal"):
            self._replace()
        work.done(message)

    def _replace(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait(10.0)
        self._lose()

    def _lose(self) -> None:
        """Forgets the runner, gives back what it had not begun and starts another."""
        self._child, self.ready = None, False
        unbegun, self._works = self._works, deque()
        self.start()
        for work in reversed(unbegun):
            work.done({"unbegun": True})

    def on_gone(self, child: Child, reason: str) -> None:
        """The runner or the spare died on its own."""
        if child is self._spare:
            self._spare = None
            return
        if self.failure is None and not self.ready and self._attempts >= _START_ATTEMPTS:
            self.failure = {"code": "no_device", "message": f"the runner {reason} while starting"}
        if self._works:
            work = self._works.popleft()
            self._lose()
            work.done({"lost": reason})
        else:
            self._lose()

    def expire(self, now: float) -> None:
        """Kills a runner that is over its limit."""
        if self._child is None or now <= self._deadline:
            return
        self._deadline = float("inf")
        self._child.kill()

    def close(self) -> None:
        """Kills the processes."""
        for child in (self._child, self._spare):
            if child is not None:
                child.kill()
                child.wait(5.0)
