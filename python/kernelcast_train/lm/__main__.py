"""
`python3 -m kernelcast_train.lm sft|rl|eval|export < CONFIG.json`: what `kernelcast train` starts. Events are JSON Lines on
standard output; a fault is one line on standard error and exit code 1, or 3 where a package is missing.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Callable, Dict

from .config import Config, parse_config
from .events import Events

MISSING_PACKAGE = 3


def commands() -> Dict[str, Callable[[Config, Events], None]]:
    from . import evaluation, exporting, rl, sft

    return {"sft": sft.train, "rl": rl.train, "eval": evaluation.evaluate, "export": exporting.export}


def main(words: list[str]) -> int:
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        known = commands()
        if len(words) != 1 or words[0] not in known:
            return fault(f"name one of {', '.join(known)}", 2)
        config = parse_config(json.load(sys.stdin))
        known[words[0]](config, Events(Path(config.out)))
    except ImportError as cause:
        return fault(f"{cause}; training needs PyTorch, transformers, peft, and gguf for GGUF files", MISSING_PACKAGE)
    except (OSError, ValueError) as cause:
        return fault(str(cause).strip().split("\n")[0], 1)
    return 0


def fault(message: str, code: int) -> int:
    sys.stderr.write(f"kernelcast_train: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
