"""Which tokens of an answer are praised or blamed, and for what."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any, List, Sequence

import torch
from torch import Tensor

SMALLEST_DEVIATION = 1e-4
REASONS = re.compile(r'(?P<thoughts>^[\s\S]*?</think(?:ing)?>)|"because": ?(?P<said>"(?:[^"\\]|\\.)*")')
ENTRY = re.compile(r'\{"kernel": ?"([^"]*)"')


def advantages(rewards: Sequence[Tensor], kind: str, credit: str) -> List[Tensor]:
    """
    Of each prompt's rewards [group, kernels]: less their group's mean, over its deviation (`group`), that of the whole step
    (`batch`), or as they are (`mean`). With credit `answer` every kernel gets the answer's.
    """
    taken = [one if credit == "forecast" else one.mean(dim=1, keepdim=True).expand_as(one) for one in rewards]
    centred = [one - one.mean(dim=0, keepdim=True) for one in taken]
    if kind == "mean":
        return centred
    if kind == "group":
        return [one / (one.pow(2).mean(dim=0, keepdim=True).sqrt() + SMALLEST_DEVIATION) for one in centred]
    deviation = torch.cat([one.flatten() for one in centred]).pow(2).mean().sqrt()
    return [one / (deviation + SMALLEST_DEVIATION) for one in centred]


def token_texts(tokenizer: Any, answers: Sequence[Sequence[Sequence[int]]]) -> List[List[List[str]]]:
    """The text of every token of every answer. Thousands of answers are made of a few dozen tokens."""
    text_of = {token: tokenizer.decode([token]) for token in {token for group in answers for answer in group for token in answer}}
    return [[[text_of[token] for token in answer] for answer in group] for group in answers]


def credited(
    texts: Sequence[Sequence[Sequence[str]]], labels: Sequence[Sequence[str]], gains: Sequence[Tensor]
) -> List[List[List[float]]]:
    """
    The advantage of every token, by the tokens' texts: that of the kernel whose forecast it stands in, the first's for what comes
    before. An answer that has not one forecast for each kernel, in the order asked for, gets their mean.
    """
    return [
        [_of_tokens(answer, asked, gain.tolist()) for answer, gain in zip(group, own)]
        for group, asked, own in zip(texts, labels, gains)
    ]


def _of_tokens(texts: Sequence[str], labels: Sequence[str], gains: Sequence[float]) -> List[float]:
    entries = list(ENTRY.finditer("".join(texts)))
    if [one[1] for one in entries] != list(labels):
        return [sum(gains) / len(gains)] * len(texts)
    found, place = [], 0
    for text in texts:
        place += len(text)
        # A token belongs where it ends: the one with an entry's bracket may begin before it.
        index = max(0, sum(one.start() < place for one in entries) - 1)
        found.append(gains[index])
    return found


def learned_tokens(texts: Sequence[str], mask_reasoning: bool) -> List[bool]:
    """All of an answer's tokens, or those that are not of a reason: neither thoughts nor what comes after `because`."""
    if not mask_reasoning:
        return [True] * len(texts)
    spans = [one.span(one.lastgroup) for one in REASONS.finditer("".join(texts))]
    ends = accumulate(map(len, texts))
    return [not any(start < end <= last for start, last in spans) for end in ends]
