"""A small client of the worker's protocol, for the tools in Python: starts a real worker process and asks it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

_PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)


class Client:
    """One worker process. Requests are numbered; answers are taken as they come."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "kernelcast_worker", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_PACKAGE_ROOT)
        self._count = 0
        self._answers: Dict[str, Any] = {}
        self.logs: List[Dict[str, Any]] = []

    def send(self, method: str, params: Dict[str, Any]) -> str:
        """Sends a request; returns its id."""
        self._count += 1
        identity = str(self._count)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": identity, "method": method, "params": params}) + "\n")
        self._process.stdin.flush()
        return identity

    def messages(self) -> Iterator[Dict[str, Any]]:
        """What the worker says, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "event" in message:
                self.logs.append(message["params"])
                print("  worker:", message["params"]["message"], file=sys.stderr, flush=True)
            else:
                yield message

    def wait(self, identity: str) -> Dict[str, Any]:
        """The answer to a request, as a whole message."""
        while identity not in self._answers:
            message = next(self.messages(), None)
            if message is None:
                raise RuntimeError(f"the worker ended with {self._process.wait()} before it answered")
            self._answers[message["id"]] = message
        answer: Dict[str, Any] = self._answers.pop(identity)
        return answer

    def ask(self, method: str, params: Dict[str, Any]) -> Dict[str, Any]:
        """A result; raises on an error answer."""
        answer = self.wait(self.send(method, params))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['code']}: {answer['error']['message']}")
        result: Dict[str, Any] = answer["result"]
        return result

    def close(self) -> int:
        """Ends the worker's input and waits for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        for _ in self.messages():
            pass
        return self._process.wait()
