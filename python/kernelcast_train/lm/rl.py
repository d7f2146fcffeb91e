"""
Reinforcement learning of written forecasts: GRPO. Each prompt is answered `group` times by the model as it is; an answer's
advantage is its reward less its group's mean. What is held against it is the KL divergence to the model without the adapter.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Dict, List

import torch
from torch import Tensor

from .config import Config, Rl
from .data import Example
from .events import Events
from .models import group_log_probabilities, write_answers
from .read_answer import read_quantiles
from .rewards import reward_of_answer
from .training import Run

SMALLEST_DEVIATION = 1e-4
THOUGHTS_END = "</think>"


@dataclass
class Rollouts:
    """Answers to a step's prompts, the groups one after the other."""

    prompts: List[List[int]]
    answers: List[List[int]]
    rewards: Tensor
    advantages: Tensor
    """[answers]"""
    learned: List[List[bool]]
    """Of each answer's tokens: whether it is learned from."""
    unread: int
    """Kernels without a reading."""
    kernels: int
    seconds: float


def train(config: Config, events: Events) -> None:
    run = Run("rl", config, events)
    if run.data.form != "quantiles":
        raise ValueError("train rl samples written forecasts; make the data with form=quantiles")

    def learn(examples: List[Example], _step: int) -> Dict[str, float]:
        rolled = roll_out(run, examples)
        begun = time.monotonic()
        told = update(run, rolled)
        lengths = [len(answer) for answer in rolled.answers]
        return {
            "reward": rolled.rewards.mean().item(),
            "reward_deviation": rolled.rewards.view(len(examples), -1).std(dim=1).mean().item(),
            "unread": rolled.unread / rolled.kernels,
            "answer_tokens": sum(lengths) / len(lengths),
            "sampling_seconds": rolled.seconds,
            "learning_seconds": time.monotonic() - begun,
            "rollouts": len(lengths),
            **told,
        }

    run.train(learn)


def roll_out(run: Run, examples: List[Example]) -> Rollouts:
    begun = time.monotonic()
    settings = run.config.rl
    prompts = [run.ids(one) for one in examples for _ in range(settings.group)]
    run.model.eval()
    with run.autocast():
        answers = write_answers(
            run.model,
            run.tokenizer,
            [run.ids(one) for one in examples],
            temperature=settings.temperature,
            max_new_tokens=settings.max_new_tokens,
            batch=settings.sample_batch,
            copies=settings.group,
        )
    run.model.train()
    texts = [run.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
    asked = [one for one in examples for _ in range(settings.group)]
    readings = [read_quantiles(text, one.labels) for text, one in zip(texts, asked)]
    rewards = torch.tensor(
        [reward_of_answer(settings.reward, read, one, run.data.bins) for read, one in zip(readings, asked)], dtype=torch.float32
    )
    return Rollouts(
        prompts=prompts,
        answers=answers,
        rewards=rewards,
        advantages=advantages(rewards.view(len(examples), settings.group), settings.advantage).flatten(),
        learned=[learned_tokens(run.tokenizer, answer, settings.mask_reasoning) for answer in answers],
        unread=sum(len(one.kernels) - len(read) for read, one in zip(readings, asked)),
        kernels=sum(len(one.kernels) for one in asked),
        seconds=time.monotonic() - begun,
    )


def advantages(rewards: Tensor, kind: str) -> Tensor:
    """Of rewards [prompts, group]."""
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if kind == "mean":
        return centred
    deviation = rewards.std(dim=1, keepdim=True, unbiased=False) if kind == "group" else centred.pow(2).mean().sqrt()
    return centred / (deviation + SMALLEST_DEVIATION)


def learned_tokens(tokenizer: object, answer: List[int], mask_reasoning: bool) -> List[bool]:
    """All, or those after the thoughts."""
    if not mask_reasoning:
        return [True] * len(answer)
    for end in range(len(answer)):
        if THOUGHTS_END in tokenizer.decode(answer[: end + 1]):  # type: ignore[attr-defined]
            return [index > end for index in range(len(answer))]
    return [True] * len(answer)


def update(run: Run, rolled: Rollouts) -> Dict[str, float]:
    settings = run.config.rl
    # With one update the old probabilities are the new ones, and nothing is clipped.
    old = passes(run, rolled) if settings.epochs > 1 else None
    reference = passes(run, rolled, reference=True) if settings.kl > 0 else None
    tokens = sum(sum(row) for row in rolled.learned)
    told: Dict[str, float] = {}
    for _ in range(settings.epochs):
        told = {"loss": 0.0, "kl": 0.0, "clipped": 0.0}
        for index, group in enumerate(groups(run, rolled)):
            with run.autocast():
                new = log_probabilities(run, rolled, group)
            own = learned_mask(rolled, group, new)
            policy, clipped = policy_loss(new, old[index] if old else new.detach(), rolled.advantages[group], settings)
            divergence = kl_estimate(new, reference[index]) if reference else torch.zeros_like(new)
            loss = ((policy + settings.kl * divergence) * own).sum() / max(1, tokens)
            loss.backward()
            told["loss"] += loss.item()
            told["kl"] += (divergence.detach() * own).sum().item() / max(1, tokens)
            told["clipped"] += (clipped * own).sum().item() / max(1, tokens)
        told["norm"] = run.step_optimiser()
    return told


def policy_loss(new: Tensor, old: Tensor, advantage: Tensor, settings: Rl) -> tuple[Tensor, Tensor]:
    """Of every token, and whether it was clipped."""
    ratio = (new - old).exp()
    gain = advantage.to(new.device).unsqueeze(1)
    bounded = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    return -torch.minimum(ratio * gain, bounded * gain), (bounded * gain < ratio * gain).float()


def kl_estimate(new: Tensor, reference: Tensor) -> Tensor:
    """Of KL(new ‖ reference), by the token that was drawn: unbiased, never negative."""
    difference = reference - new
    return difference.exp() - difference - 1


@torch.no_grad()
def passes(run: Run, rolled: Rollouts, reference: bool = False) -> List[Tensor]:
    with run.autocast(), run.model.disable_adapter() if reference else nullcontext():
        return [log_probabilities(run, rolled, group) for group in groups(run, rolled)]


def groups(run: Run, rolled: Rollouts) -> List[slice]:
    size = run.config.rl.group
    return [slice(start, start + size) for start in range(0, len(rolled.answers), size)]


def log_probabilities(run: Run, rolled: Rollouts, group: slice) -> Tensor:
    """Of the answers to one prompt."""
    prompt, answers = rolled.prompts[group.start], rolled.answers[group]
    return group_log_probabilities(run.model, prompt, answers, run.tokenizer.pad_token_id, run.config.rl.temperature)


def learned_mask(rolled: Rollouts, group: slice, like: Tensor) -> Tensor:
    mask = torch.zeros_like(like, dtype=torch.bool)
    for index, row in enumerate(rolled.learned[group]):
        mask[index, : len(row)] = torch.tensor(row, device=like.device)
    return mask
