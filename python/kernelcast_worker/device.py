"""The supervisor's view of the runner: started when needed, watched, replaced after a fault, never trusted with a request."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

from .child import Child

START_LIMIT_S = 180.0
_START_ATTEMPTS = 3
Done = Callable[[Dict[str, Any]], None]


class Device:
    """At most one runner process, one job at a time."""

    def __init__(self, arguments: List[str], events: Any, changed: Callable[[], None]) -> None:
        self._arguments, self._events, self._changed = arguments, events, changed
        self._child: Optional[Child] = None
        self._done: Optional[Done] = None
        self._deadline = 0.0
        self._attempts = 0
        self.ready = False
        self.description: Optional[Dict[str, Any]] = None
        self.environment: Dict[str, Any] = {}
        self.facts: Dict[str, Any] = {}
        self.failure: Optional[Dict[str, str]] = None
        self.restarts = 0

    @property
    def idle(self) -> bool:
        """Whether a job can be given."""
        return self.ready and self._done is None

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._done is not None

    @property
    def pids(self) -> List[int]:
        """The runner's process id, if one runs."""
        return [self._child.pid] if self._child is not None else []

    def start(self) -> None:
        """Starts a runner unless one runs or the device is known not to work."""
        if self._child is None and self.failure is None:
            self._attempts += 1
            self._child = Child("runner", self._arguments, self._events)
            self._deadline = time.monotonic() + START_LIMIT_S

    def run(self, job: Dict[str, Any], limit_s: float, done: Done) -> None:
        """Gives the runner a job; `done` gets its answer, or `{lost: reason}` when it died without one."""
        assert self._child is not None and self.idle
        self._done, self._deadline = done, time.monotonic() + limit_s
        self._child.send({"op": "measure", "job": job})

    def owns(self, child: Child) -> bool:
        """Whether an event's child is the runner."""
        return child is self._child

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
        else:
            self._answer(message)
        self._changed()

    def _answer(self, message: Dict[str, Any]) -> None:
        done, self._done = self._done, None
        self._deadline = float("inf")
        if message.get("result", {}).get("fatal"):
            self._replace()
        if done is not None:
            done(message)

    def _replace(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait(10.0)
        self._child, self.ready = None, False
        self.restarts += 1
        self.start()

    def on_gone(self, reason: str) -> None:
        """The runner died on its own."""
        self._child, self.ready = None, False
        done, self._done = self._done, None
        if self.failure is None and self.description is None and self._attempts >= _START_ATTEMPTS:
            self.failure = {"code": "no_device", "message": f"the runner {reason} while starting"}
        if done is not None:
            self.restarts += 1
            self.start()
            done({"lost": reason})
        self._changed()

    def expire(self, now: float) -> None:
        """Kills a runner that is over its limit."""
        if self._child is None or now <= self._deadline:
            return
        self._deadline = float("inf")
        self._child.kill()

    def close(self) -> None:
        """Kills the runner."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(5.0)
