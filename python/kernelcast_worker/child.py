"""The outer side of a child process: its own process group, a reader thread, killed as a group."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

_PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)


class Child:
    """A child that speaks JSON Lines; what it says and its end arrive as events in the supervisor's queue."""

    def __init__(
        self, module: str, arguments: Sequence[str], events: queue.SimpleQueue[Any], defaults: Optional[Mapping[str, str]] = None
    ) -> None:
        environment = {**(defaults or {}), **os.environ}
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = _PACKAGE_ROOT + (os.pathsep + known if known else "")
        environment["PYTHONUNBUFFERED"] = "1"
        self.name, self._events = module, events
        self.alive = True
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"kernelcast_worker.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=environment,
            cwd=_PACKAGE_ROOT,
        )
        self._outbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        """Writes what is to be sent, so that the supervisor never waits for a child that is busy or hangs."""
        assert self._process.stdin is not None
        try:
            for data in iter(self._outbox.get, b""):
                self._process.stdin.write(data)
                self._process.stdin.flush()
        except OSError:
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None
        reason = ""
        for line in self._process.stdout:
            try:
                message = json.loads(line)
                if not isinstance(message, dict):
                    raise ValueError
            except ValueError:
                partial = not line.endswith(b"\n")
                reason = "died in the middle of a line" if partial else "wrote a line that is not JSON"
                break
            self._events.put(("message", self, message))
        self._kill_group()
        self._outbox.put(b"")
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        self._events.put(("gone", self, reason or f"ended with {how}"))

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a request; a child that is gone will be reported as gone."""
        self._outbox.put((json.dumps(message) + "\n").encode())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def kill(self) -> None:
        """Kills the child's whole group; its end still arrives as an event."""
        self.alive = False
        self._kill_group()

    def _kill_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def wait(self, seconds: float) -> None:
        """Waits for the process to be gone."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
