"""What a kernel can do wrong, by name, and the status each gives."""

from __future__ import annotations

_STATUS = {
    "compile": "compile_error",
    "launch": "launch_error",
    "out_of_bounds": "incorrect",
    "wrong_output": "incorrect",
    "non_finite": "incorrect",
    "unwritten_output": "incorrect",
    "input_changed": "incorrect",
    "nondeterministic": "incorrect",
    "kept_answer": "incorrect",
    "below_floor": "suspicious",
    "timeout": "timeout",
    "crash": "crashed",
}


class Fault(Exception):
    """A verdict against a kernel: the error word, a message of one line, and whether the runner must be replaced."""

    def __init__(self, word: str, message: str, status: str = "", fatal: bool = False) -> None:
        super().__init__(f"{word}: {' '.join(message.split())}")
        self.word, self.fatal = word, fatal
        self.status = status or _STATUS[word]
