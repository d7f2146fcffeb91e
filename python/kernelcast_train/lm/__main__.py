"""
`python3 -m kernelcast_train.lm sft|rl|eval|export < CONFIG.json`: what `kernelcast train` starts. Events are JSON Lines on
standard output; a fault is one line on standard error and exit code 1, 3 where a package is missing,
or 4 for want of memory.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Callable, Dict

from .config import Config, parse_config
from .events import Events
from .memory import advice

MISSING_PACKAGE = 3
OUT_OF_MEMORY = 4
# What several processes can do together.
SHARED = ("sft", "rl")


def commands() -> Dict[str, Callable[[Config, Events], None]]:
    from . import evaluation, exporting, rl, sft

    return {"sft": sft.train, "rl": rl.train, "eval": evaluation.evaluate, "export": exporting.export}


def main(words: list[str]) -> int:
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        known = commands()
        from . import team

        if len(words) != 1 or words[0] not in known:
            return fault(f"name one of {', '.join(known)}", 2)
        config = parse_config(json.load(sys.stdin))
        if words[0] in SHARED and team.is_leader(config):
            return team.lead(words[0], config)
        return run(words[0], known[words[0]], config)
    except ImportError as cause:
        packages = "PyTorch, transformers, peft, and gguf for GGUF files: see python/requirements-train.txt"
        return fault(f"{cause}; training needs {packages}", MISSING_PACKAGE)
    except OSError as cause:
        return fault(f"{cause.filename}: {cause.strerror}" if cause.filename else first_line(cause), 1)
    except ValueError as cause:
        return fault(first_line(cause), 1)


def run(name: str, command: Callable[[Config, Events], None], config: Config) -> int:
    from .checkpoint import hold

    out, is_first = Path(config.out), os.environ.get("RANK", "0") == "0"
    try:
        with hold(out) if is_first and name in SHARED else nullcontext():
            command(config, Events(out, is_told=is_first))
    except (MemoryError, RuntimeError) as cause:
        message = advice(cause, name, config)
        if message is None:
            raise
        return fault(message, OUT_OF_MEMORY)
    return 0


def first_line(cause: Exception) -> str:
    return str(cause).strip().split("\n")[0]


def fault(message: str, code: int) -> int:
    sys.stderr.write(f"kernelcast_train: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
