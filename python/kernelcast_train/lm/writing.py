"""Answers that a model writes."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import torch
from torch import Tensor

from .models import Read, inner, read_prompts

READ_AT_ONCE = 8
# Tokens between looks at whether all answers are over, for which the device must be waited for.
LOOK_EVERY = 8


@torch.no_grad()
def write_answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    temperature: float,
    max_new_tokens: int,
    batch: int,
    copies: int = 1,
) -> List[List[int]]:
    """
    So many answers to each prompt, one prompt's after the other's, without what follows their end; drawn by the current state of
    torch's random numbers, the likeliest at temperature 0. `batch` is of answers. Prompts of like length are read together.
    """
    size = max(1, batch // copies)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: List[List[List[int]]] = [[] for _ in prompts]
    for start in range(0, len(order), size):
        part = order[start : start + size]
        written = _write_together(model, tokenizer, [prompts[index] for index in part], temperature, max_new_tokens, copies)
        for index, group in zip(part, written):
            answers[index] = group
    return [answer for group in answers for answer in group]


def _write_together(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], temperature: float, most: int, copies: int
) -> List[List[List[int]]]:
    """
    A prompt's answers grow side by side behind it: each step adds one token of every answer, and an answer's tokens see the prompt
    and those of their own, so that what the model remembers of a prompt is kept, and read, once.
    """
    device = next(model.parameters()).device
    layers, head = inner(model)
    end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
    read = _read_by_parts(model, prompts, padding)
    logits = read.logits.unsqueeze(1).expand(-1, copies, -1)
    of_prompt = read.is_theirs.unsqueeze(1).expand(-1, copies, -1)
    own = torch.eye(copies, dtype=torch.bool, device=device).expand(len(prompts), -1, -1)
    written: List[Tensor] = []
    is_over = torch.zeros(len(prompts), copies, dtype=torch.bool, device=device)
    for step in range(most):
        tokens = _draw(logits, temperature).masked_fill(is_over, padding)
        written.append(tokens)
        is_over = is_over | (tokens == end)
        if step + 1 == most or (step % LOOK_EVERY == 0 and bool(is_over.all())):
            break
        states = layers(
            input_ids=tokens,
            attention_mask=torch.cat([of_prompt, own.repeat(1, 1, step + 1)], dim=2).unsqueeze(1),
            position_ids=(read.lengths + step).expand(-1, copies),
            past_key_values=read.memory,
            use_cache=True,
        ).last_hidden_state
        logits = head(states)
    rows = torch.stack(written, dim=2).tolist()
    return [[_until_end(row, end) for row in group] for group in rows]


def _read_by_parts(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Read:
    """A few prompts at a time, for the sake of memory."""
    from transformers import DynamicCache

    reads = [read_prompts(model, prompts[start : start + READ_AT_ONCE], pad_id) for start in range(0, len(prompts), READ_AT_ONCE)]
    if len(reads) == 1:
        return reads[0]
    width = max(one.is_theirs.shape[1] for one in reads)
    memory = DynamicCache()
    for number in range(len(reads[0].memory.layers)):
        layers = [one.memory.layers[number] for one in reads]
        memory.update(*(torch.cat([_widen(getattr(one, name), width) for one in layers]) for name in ("keys", "values")), number)
    return Read(
        torch.cat([one.logits for one in reads]),
        memory,
        torch.cat([one.lengths for one in reads]),
        torch.cat([torch.nn.functional.pad(one.is_theirs, (0, width - one.is_theirs.shape[1])) for one in reads]),
    )


def _widen(kept: Tensor, width: int) -> Tensor:
    """Of [prompts, heads, memory, size]."""
    return torch.nn.functional.pad(kept, (0, 0, 0, width - kept.shape[2]))


def _draw(logits: Tensor, temperature: float) -> Tensor:
    """One token for each row of logits [prompts, answers, vocabulary]."""
    if temperature <= 0:
        return logits.argmax(dim=2)
    # The largest of logits with Gumbel noise is a draw, without the sum over the vocabulary.
    noise = -torch.empty_like(logits, dtype=torch.float32).exponential_().log()
    return (logits.float() / temperature + noise).argmax(dim=2)


def _until_end(row: List[int], end: int) -> List[int]:
    return row[: row.index(end) + 1] if end in row else row
