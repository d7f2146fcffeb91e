"""
Reinforcement learning of written forecasts: GRPO. Each prompt is answered `group` times by the model as it is; an answer's
advantage is its reward less its group's mean. What is held against it is the KL divergence to the model without the adapter.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

import torch
from torch import Tensor

from .config import Config, Rl
from .credit import advantages, credited, learned_tokens, token_texts
from .data import Example
from .events import Events
from .models import group_log_probabilities
from .read_answer import READERS, read_answers
from .rewards import rewards_of_answers
from .training import Run, parts
from .writing import write_answers


@dataclass
class Rollouts:
    """Answers to a step's prompts."""

    prompts: List[List[int]]
    answers: List[List[List[int]]]
    """[prompts, group], of any length."""
    rewards: Tensor
    """[prompts, group]"""
    advantages: List[List[List[float]]]
    """Of every token; 0 where it is not learned from."""
    learned: List[List[List[bool]]]
    unread: int
    """Kernels without a reading."""
    kernels: int
    seconds: float


def train(config: Config, events: Events) -> None:
    if config.model.checkpointing:
        raise ValueError("model.checkpointing: train rl keeps what it read of prompts, so it cannot be; lower rows_per_pass")
    run = Run("rl", config, events)
    if run.data.form not in READERS:
        raise ValueError(f"train rl samples written forecasts; make the data with form={' or form='.join(READERS)}")

    def learn(examples: List[Example], _step: int) -> Dict[str, float]:
        # Prompts of like length are learned from together.
        examples = sorted(examples, key=lambda one: len(run.ids(one)))
        rolled = roll_out(run, examples, run.sampler.follow(run.model))
        begun = time.monotonic()
        told = update(run, rolled)
        return {**describe(run, rolled, time.monotonic() - begun), **told}

    run.train(learn)


def describe(run: Run, rolled: Rollouts, learning: float) -> Dict[str, float]:
    """Of all processes' answers, in the time of this one."""
    lengths = [len(answer) for group in rolled.answers for answer in group]
    own = {
        "reward": rolled.rewards.sum().item(),
        "deviation": rolled.rewards.std(dim=1).sum().item(),
        "unread": rolled.unread,
        "kernels": rolled.kernels,
        "prompts": len(rolled.prompts),
        "prompt_tokens": sum(len(one) for one in rolled.prompts),
        "answers": len(lengths),
        "answer_tokens": sum(lengths),
    }
    sums = run.team.total(own, run.device)
    return {
        "reward": sums["reward"] / sums["answers"],
        "reward_deviation": sums["deviation"] / sums["prompts"],
        "unread": sums["unread"] / sums["kernels"],
        "prompt_tokens": sums["prompt_tokens"] / sums["prompts"],
        "answer_tokens": sums["answer_tokens"] / sums["answers"],
        "sampling_seconds": rolled.seconds,
        "learning_seconds": learning,
        "rollouts": sums["answers"],
        "rollouts_per_second": sums["answers"] / (rolled.seconds + learning),
    }


def roll_out(run: Run, examples: List[Example], sampler: Any) -> Rollouts:
    begun = time.monotonic()
    settings, tokenizer = run.config.rl, run.tokenizer
    limits = {"max_new_tokens": settings.max_new_tokens, "batch": settings.sample_batch, "temperature": settings.temperature}
    prompts = [run.ids(one) for one in examples]
    written = write_answers(sampler, tokenizer, prompts, copies=settings.group, **limits)
    answers = [written[start:end] for start, end in parts(len(written), settings.group)]
    labels = [one.labels for one in examples]
    texts = token_texts(tokenizer, answers)
    rewards, gains, unread = [], [], 0
    for one, group in zip(examples, answers):
        readings = read_answers(tokenizer, run.data.form, group, one.labels, one.scale_log2_us)
        unread += sum(len(one.kernels) - len(read) for read in readings)
        own = torch.tensor(rewards_of_answers(settings.reward, readings, one, run.data.bins))
        rewards.append(own.mean(dim=1))
        gains.append(own)
    return Rollouts(
        prompts=prompts,
        answers=answers,
        rewards=torch.stack(rewards),
        advantages=credited(texts, labels, advantages(gains, settings.advantage, settings.credit)),
        learned=[[learned_tokens(answer, settings.mask_reasoning) for answer in group] for group in texts],
        unread=unread,
        kernels=settings.group * sum(len(one.kernels) for one in examples),
        seconds=time.monotonic() - begun,
    )


def update(run: Run, rolled: Rollouts) -> Dict[str, float]:
    settings = run.config.rl
    # With one update the old probabilities are the new ones, and nothing is clipped.
    old = passes(run, rolled) if settings.epochs > 1 else None
    reference = passes(run, rolled, reference=True) if settings.kl > 0 else None
    own_tokens = sum(sum(row) for group in rolled.learned for row in group)
    tokens = max(1, run.team.total({"tokens": own_tokens}, run.device)["tokens"])
    told: Dict[str, float] = {}
    for _ in range(settings.epochs):
        told = {"loss": 0.0, "kl": 0.0, "clipped": 0.0, "entropy": 0.0}
        for index, part in enumerate(pieces(run, rolled)):
            with run.autocast():
                new = log_probabilities(run, rolled, part)
            own, gain = spread(rolled.learned[part], new, False), spread(rolled.advantages[part], new, 0.0)
            policy, clipped = policy_loss(new, old[index] if old else new.detach(), gain, settings)
            divergence = kl_estimate(new, reference[index]) if reference else torch.zeros_like(new)
            loss = ((policy + settings.kl * divergence) * own).sum() / tokens
            loss.backward()
            told["loss"] += loss.item()
            told["kl"] += (divergence.detach() * own).sum().item() / tokens
            told["clipped"] += (clipped * own).sum().item() / tokens
            told["entropy"] -= (new.detach() * own).sum().item() / tokens
        told = run.team.total(told, run.device)
        told["norm"] = run.step_optimiser()
    return told


def policy_loss(new: Tensor, old: Tensor, gain: Tensor, settings: Rl) -> tuple[Tensor, Tensor]:
    """Of every token, and whether it was clipped."""
    ratio = (new - old).exp()
    bounded = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    return -torch.minimum(ratio * gain, bounded * gain), (bounded * gain < ratio * gain).float()


def kl_estimate(new: Tensor, reference: Tensor) -> Tensor:
    """Of KL(new ‖ reference), by the token that was drawn: unbiased, never negative."""
    difference = reference - new
    return difference.exp() - difference - 1


@torch.no_grad()
def passes(run: Run, rolled: Rollouts, reference: bool = False) -> List[Tensor]:
    with run.autocast(), run.model.disable_adapter() if reference else nullcontext():
        return [log_probabilities(run, rolled, part) for part in pieces(run, rolled)]


def pieces(run: Run, rolled: Rollouts) -> List[slice]:
    """As many prompts at once as their answers make up `rows_per_pass`, one at least."""
    size = max(1, run.config.rows_per_pass // run.config.rl.group)
    return [slice(start, end) for start, end in parts(len(rolled.prompts), size)]


def log_probabilities(run: Run, rolled: Rollouts, part: slice) -> Tensor:
    """[prompts, group, longest answer]"""
    pad_id, temperature = run.tokenizer.pad_token_id, run.config.rl.temperature
    return group_log_probabilities(run.model, rolled.prompts[part], rolled.answers[part], pad_id, temperature)


def spread(values: Sequence[Sequence[Sequence[Any]]], like: Tensor, rest: Any) -> Tensor:
    """Values of answers' tokens in the shape of a tensor."""
    width = like.shape[2]
    rows = [[[*row, *[rest] * (width - len(row))] for row in group] for group in values]
    return torch.tensor(rows, device=like.device)
