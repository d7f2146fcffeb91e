"""What a training run depends on. `src/train/language-model/config.ts` has the same as a schema, for the YAML that people write."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, List, Optional


@dataclass(frozen=True)
class Lora:
    rank: int = 16
    alpha: float = 32
    dropout: float = 0.0
    targets: List[str] = field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )


@dataclass(frozen=True)
class Model:
    base: str
    """Folder of safetensors, or a GGUF file, which is dequantised."""
    adapters: List[str] = field(default_factory=list)
    """Folders of earlier runs or adapters, merged in this order."""
    keep: Optional[str] = None
    """Folder for the weights of a GGUF once they are dequantised, which takes a while."""
    dtype: str = "bfloat16"
    max_prompt_tokens: int = 4096
    checkpointing: bool = False
    lora: Lora = field(default_factory=Lora)


@dataclass(frozen=True)
class Sft:
    loss: str = "likelihood"
    """`likelihood`; `crps` or `log`: of the one-token distribution of bins, which is proper-score fine-tuning."""
    letter_weight: float = 0.1
    """Of a proper score: weight of the probability that the answer is a letter at all."""
    log_weight: float = 0.1
    """Of `crps`: weight of the log score beside it. It, too, is proper, and has a gradient where the model is surely wrong."""


@dataclass(frozen=True)
class Rl:
    reward: str = "crps"
    group: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 256
    kl: float = 0.02
    advantage: str = "group"
    credit: str = "forecast"
    """`forecast`: each forecast of a list by its own reward; `answer`: all by the list's."""
    clip: float = 0.2
    epochs: int = 1
    mask_reasoning: bool = False
    sample_batch: int = 64


@dataclass(frozen=True)
class Judge:
    every: int = 0
    """Steps between judgements on `split`; 0: at the end alone."""
    split: str = "validation"
    prompts: int = 64
    """Prompts of a judgement while training; `eval` takes all."""
    batch: int = 16
    max_new_tokens: int = 256
    samples: int = 0
    """Of each prompt's answers, drawn, whose mixture is judged; 0: the likeliest answer."""


@dataclass(frozen=True)
class Families:
    """The families of the split `train` that a run learns from: those of some folds."""

    folds: int = 1
    take: List[int] = field(default_factory=lambda: [0])


@dataclass(frozen=True)
class Export:
    gguf: Optional[str] = None
    """`q8_0`, `f16` or `bf16`; none: no GGUF is written."""
    merged: bool = False


@dataclass(frozen=True)
class Config:
    data: str
    out: str
    model: Model
    name: str = "model"
    seed: int = 1
    steps: int = 100
    prompts_per_step: int = 8
    rows_per_pass: int = 8
    learning_rate: float = 1e-5
    warmup_steps: int = 5
    schedule: str = "constant"
    """`linear`: the rate falls to 0 over the steps."""
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    checkpoint_every: int = 20
    limit_seconds: float = 0.0
    """Time after which a run keeps a checkpoint and stops, to be resumed; 0: none."""
    families: Families = field(default_factory=Families)
    sft: Sft = field(default_factory=Sft)
    rl: Rl = field(default_factory=Rl)
    judge: Judge = field(default_factory=Judge)
    export: Export = field(default_factory=Export)

    def digest(self) -> str:
        """Of what decides what is learned: where it is learned, and how often it is judged and kept, does not."""
        kept = dataclasses.asdict(self)
        for name in ("data", "out", "name", "checkpoint_every", "limit_seconds", "judge", "export", "rows_per_pass"):
            del kept[name]
        # Elsewhere the same files are in other folders, by the same names.
        kept["model"]["base"] = Path(self.model.base).name
        kept["model"]["adapters"] = [Path(one).name for one in self.model.adapters]
        del kept["model"]["checkpointing"], kept["model"]["keep"], kept["rl"]["sample_batch"]
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


PARTS = {
    "model": Model,
    "lora": Lora,
    "families": Families,
    "sft": Sft,
    "rl": Rl,
    "judge": Judge,
    "export": Export,
}
CHOICES = {
    "loss": ("likelihood", "crps", "log"),
    "reward": ("correctness", "correctness+brier", "correctness+crps", "crps", "log"),
    "schedule": ("constant", "linear"),
    "advantage": ("group", "mean", "batch"),
    "credit": ("forecast", "answer"),
    "dtype": ("bfloat16", "float32"),
    "gguf": (None, "q8_0", "f16", "bf16"),
    "split": ("train", "validation", "test"),
}


def parse_config(values: Any) -> Config:
    """Raises ValueError, in one line, for what is unknown or missing."""
    return _parse(Config, values, "config")


def _parse(kind: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object")
    known = {one.name: one for one in fields(kind)}
    for name in values:
        if name not in known:
            raise ValueError(f"{where}: unknown setting {name}")
    missing = [name for name, one in known.items() if name not in values and _required(one)]
    if missing:
        raise ValueError(f"{where}: {missing[0]} is missing")
    return kind(**{name: _value(name, value, f"{where}.{name}") for name, value in values.items()})


def _required(one: dataclasses.Field) -> bool:
    return one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING


def _value(name: str, value: Any, where: str) -> Any:
    if name in PARTS:
        return _parse(PARTS[name], value, where)
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"{where}: {value!r} is none of {', '.join(str(one) for one in CHOICES[name])}")
    return value
