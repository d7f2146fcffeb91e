"""
Supervised fine-tuning: on the likelihood of answers, or on a proper score of the one-token distribution, which samples nothing.
"""

from __future__ import annotations

from typing import Any, Dict, List

import torch
from torch import Tensor

from .config import Config
from .data import Example
from .events import Events
from .models import answer_ids, answer_log_probabilities, last_log_probabilities, letter_ids
from .rewards import outcome_of, proper_loss
from .training import Run, parts


def train(config: Config, events: Events) -> None:
    kind = "sft" if config.sft.loss == "likelihood" else "proper"
    run = Run(kind, config, events)
    if kind == "proper" and run.data.form != "bins-logprobs":
        raise ValueError("a proper score is of the one-token form; make the data with form=bins-logprobs")
    loss_of = likelihood_loss if kind == "sft" else ProperLoss(run)

    def learn(examples: List[Example], _step: int) -> Dict[str, float]:
        total = 0.0
        # Of like length together, so that little is padded.
        examples = sorted(examples, key=lambda one: len(run.ids(one)))
        for start, end in parts(len(examples), config.rows_per_pass):
            with run.autocast():
                loss = loss_of(run, examples[start:end]) / config.prompts_per_step
            loss.backward()
            total += loss.item()
        return {**run.team.total({"loss": total}, run.device), "norm": run.step_optimiser()}

    run.train(learn)


def likelihood_loss(run: Run, examples: List[Example]) -> Tensor:
    """Sum over the examples of the mean over an answer's tokens."""
    prompts = [run.ids(one) for one in examples]
    answers = [answer_ids(run.tokenizer, one.answer) for one in examples]
    chosen, own = answer_log_probabilities(run.model, prompts, answers, run.tokenizer.pad_token_id)
    return -((chosen * own).sum(dim=1) / own.sum(dim=1)).sum()


class ProperLoss:
    """Sum over the examples of a proper score of the letters, and of how little is given to what is none."""

    def __init__(self, run: Run) -> None:
        self.letters = torch.tensor(letter_ids(run.tokenizer, run.data.bins), device=run.device)

    def __call__(self, run: Run, examples: List[Example]) -> Tensor:
        everything = last_log_probabilities(run.model, [run.ids(one) for one in examples], run.tokenizer.pad_token_id)
        own = everything[:, self.letters]
        mass = own.logsumexp(dim=1)
        outcomes = torch.tensor([self.outcome(run, one) for one in examples], device=run.device)
        settings, letters = run.config.sft, own - mass.unsqueeze(1)
        scores = proper_loss(settings.loss, letters, outcomes) - settings.letter_weight * mass
        if settings.loss == "crps":
            scores = scores + settings.log_weight * proper_loss("log", letters, outcomes)
        return scores.sum()

    def outcome(self, run: Run, example: Example) -> Any:
        return outcome_of(example.kernels[0].log2_us, example.scale_log2_us, run.data.bins)
