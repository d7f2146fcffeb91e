"""The inner side of a child process: JSON Lines on a private copy of stdout, everything else that prints goes to stderr."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any, Callable, Dict, Iterator


class Pipe:
    """Messages to the supervisor."""

    def __init__(self) -> None:
        self.descriptor = os.dup(1)
        os.dup2(2, 1)

    def send(self, message: Dict[str, Any]) -> None:
        """Writes one message as one line."""
        data = (json.dumps(message, separators=(",", ":")) + "\n").encode()
        while data:
            data = data[os.write(self.descriptor, data) :]

    def receive(self) -> Iterator[Dict[str, Any]]:
        """Requests until the supervisor closes the pipe."""
        for line in sys.stdin:
            if line.strip():
                yield json.loads(line)


def die_with_parent() -> None:
    """Asks the kernel to kill this process when the supervisor dies (Linux; elsewhere the closed pipe ends it)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def give_way(niceness: int) -> None:
    """Lowers this process's priority: the runner comes first, what the device waits for second."""
    try:
        os.nice(niceness)
    except OSError:
        pass


def serve(pipe: Pipe, handle: Callable[[Dict[str, Any]], Dict[str, Any]]) -> None:
    """Answers each request in turn."""
    for request in pipe.receive():
        pipe.send(handle(request))
