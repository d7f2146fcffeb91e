"""What supervised and reinforced training have in common: steps, learning rate, checkpoints, judging."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import torch

from . import checkpoint
from .config import Config
from .data import Data, Example, draw, of_folds, open_data
from .events import Events
from .models import load_base, pick_device, prompt_rows, trained, with_adapter
from .read_answer import READERS
from .sampler import Sampler
from .team import Team


class Run:
    """One training run, from its start or its latest checkpoint."""

    def __init__(self, kind: str, config: Config, events: Events) -> None:
        self.kind, self.config, self.events = kind, config, events
        self.team = Team()
        self.out = Path(config.out)
        self.data: Data = open_data(config.data)
        self.device = pick_device()
        base, self.tokenizer = load_base(config.model, self.device)
        # Of a proper score nothing is written.
        self.sampler = Sampler(base) if self.data.form in READERS else None
        self.model = with_adapter(base, config.model, config.seed)
        self.optimiser = torch.optim.AdamW(
            trained(self.model), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.99)
        )
        self.prompts: Dict[str, List[int]] = {}
        self.samples: Dict[str, List[Example]] = {}
        self.examples = self.fitting("train", of_folds(self.data.split("train"), config.families.folds, config.families.take))
        if config.prompts_per_step < self.team.size:
            raise ValueError(f"prompts_per_step: {config.prompts_per_step} are too few for {self.team.size} processes")
        if not self.examples:
            raise ValueError(f"{config.data}: no training prompt of at most {config.model.max_prompt_tokens} tokens")
        self.digest = _digest(kind, config, self.examples)

    def fitting(self, split: str, examples: Sequence[Example]) -> List[Example]:
        """The examples whose prompts are not too long; the others are told of."""
        most = self.config.model.max_prompt_tokens
        unknown = [one for one in examples if one.prompt_sha256 not in self.prompts]
        # All at once, which the tokenizer does on all cores.
        self.prompts |= {one.prompt_sha256: row for one, row in zip(unknown, prompt_rows(self.tokenizer, unknown))}
        kept = [one for one in examples if len(self.ids(one)) <= most]
        self.events.emit("data", split=split, examples=len(kept), too_long=len(examples) - len(kept))
        return kept

    def ids(self, example: Example) -> List[int]:
        return self.prompts[example.prompt_sha256]

    def autocast(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.model.dtype == "bfloat16")

    def train(self, learn: Callable[[List[Example], int], Dict[str, float]]) -> None:
        """`learn` leaves gradients behind, or steps by itself through `step_optimiser`, and gives what to tell of a step."""
        config, events = self.config, self.events
        state = checkpoint.resume(self.out, self.model, self.optimiser, self.digest)
        first, spent = (state["step"], state["spent_seconds"]) if state else (0, 0.0)
        total, part = sum(one.numel() for one in self.model.parameters()), sum(one.numel() for one in trained(self.model))
        about = {"parameters": total, "trained": part, "device": _device_name(self.device), "torch": torch.__version__}
        about["processes"] = self.team.size
        events.emit("start", kind=self.kind, name=config.name, steps=config.steps, resumed_from=first, **about)
        started = time.monotonic()
        for step in range(first, config.steps):
            begun = time.monotonic()
            # Whatever draws in a step draws the same after a resume.
            torch.manual_seed(config.seed * 1_000_003 + step)
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate(step)
            self.model.train()
            told = learn(self.team.part_of(draw(self.examples, config.prompts_per_step, config.seed, step)), step)
            seconds = time.monotonic() - begun
            events.emit("step", step=step + 1, rate=self.rate(step), step_seconds=seconds, **told, **_memory(self.device))
            done = step + 1
            elapsed = time.monotonic() - started
            is_over = self.team.total({"over": float(0 < config.limit_seconds <= elapsed)}, self.device)["over"] > 0
            if done % config.checkpoint_every == 0 or done == config.steps or is_over:
                self.keep({"step": done, "spent_seconds": spent + elapsed, "digest": self.digest})
            if config.judge.every > 0 and done % config.judge.every == 0 and done < config.steps:
                self.judge(done)
            if is_over and done < config.steps:
                events.emit("stop", step=done, why="limit_seconds; run it again to go on", spent_seconds=spent + elapsed)
                return
        self.finish(spent + time.monotonic() - started)

    def keep(self, about: Dict[str, Any]) -> None:
        if self.team.is_first:
            folder = checkpoint.save(self.out, self.model, self.optimiser, about)
            self.events.emit("checkpoint", step=about["step"], folder=str(folder))
        self.team.wait()

    def finish(self, spent: float) -> None:
        if self.team.is_first:
            self.model.save_pretrained(str(self.out / "adapter"))
        self.judge(self.config.steps)
        self.events.emit("done", steps=self.config.steps, spent_seconds=spent, adapter=str(self.out / "adapter"))

    def judge(self, step: int) -> None:
        """On a sample of the split to judge by, and on one of what is learned from."""
        from .evaluation import judge

        if not self.team.is_first:
            return self.team.wait()
        for split in dict.fromkeys((self.config.judge.split, "train")):
            examples = self.sample(split)
            if examples:
                model = self.sampler.follow(self.model) if self.sampler else self.model
                ids = [self.ids(one) for one in examples]
                scores, _ = judge(model, self.tokenizer, self.data, examples, ids, self.config)
                self.events.emit("judge", step=step, split=split, **scores)
        self.team.wait()

    def sample(self, split: str) -> List[Example]:
        if split not in self.samples:
            known = self.examples if split == "train" else self.data.split(split)
            drawn = draw(known, min(self.config.judge.prompts, len(known)), 0, 0) if known else []
            self.samples[split] = drawn if split == "train" else self.fitting(split, drawn)
        return self.samples[split]

    def rate(self, step: int) -> float:
        config = self.config
        left = 1 - step / config.steps if config.schedule == "linear" else 1.0
        return config.learning_rate * left * min(1.0, (step + 1) / max(1, config.warmup_steps))

    def step_optimiser(self) -> float:
        """After the gradients of all processes are added up."""
        self.team.add_up([one.grad if one.grad is not None else torch.zeros_like(one) for one in trained(self.model)])
        norm = torch.nn.utils.clip_grad_norm_(trained(self.model), self.config.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return float(norm)


def parts(count: int, size: int) -> List[Tuple[int, int]]:
    return [(start, min(count, start + size)) for start in range(0, count, size)]


def _memory(device: torch.device) -> Dict[str, float]:
    """The most that was taken of the device's memory, in GiB."""
    return {"memory_gib": torch.cuda.max_memory_allocated() / 2**30} if device.type == "cuda" else {}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"


def _digest(kind: str, config: Config, examples: List[Example]) -> str:
    text = "".join([kind, config.digest(), *(one.prompt_sha256 + one.answer for one in examples)])
    return hashlib.sha256(text.encode()).hexdigest()
