"""Answers that a model writes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Callable, List, Sequence, Tuple

import torch
from torch import Tensor

from .models import inner, read_prompts

READ_AT_ONCE = 8
# Tokens between looks at whether all answers are over, for which the device must be waited for.
LOOK_EVERY = 8
# Steps before one is recorded, which set up what is set up at first use.
EAGER_STEPS = 3


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
        # A recorded step must not hold what autocast made of weights and drops again.
        with torch.autocast(next(model.parameters()).device.type, enabled=False):
            written = _write_together(model, tokenizer, [prompts[index] for index in part], temperature, max_new_tokens, copies)
        for index, group in zip(part, written):
            answers[index] = group
    return [answer for group in answers for answer in group]


@dataclass
class Memory:
    """What a model remembers of some prompts, and behind them room for their answers: token 0 of each, token 1 of each, …"""

    layers: List[Tuple[Tensor, Tensor]]
    """Keys and values [prompts, heads, prompt and room, size]."""
    places: Tensor
    """Where the next token of each answer goes [answers]."""

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> Tuple[Tensor, Tensor]:
        """As transformers calls a cache."""
        kept = self.layers[layer]
        for mine, new in zip(kept, (keys, values)):
            mine.index_copy_(2, self.places, new)
        return kept

    def get_seq_length(self, *_: Any) -> int:
        return 0


class Answers:
    """
    Answers to some prompts, so many to each, which grow side by side: each step adds one token of every answer, and an answer's
    tokens see the prompt and those of their own, so that what the model remembers of a prompt is kept, and read, once. All tensors
    stay where they are, so that a step can be replayed as a CUDA graph.
    """

    def __init__(self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], temperature: float, most: int, copies: int):
        self.layers, self.head = inner(model)
        self.end, self.padding, self.temperature = tokenizer.eos_token_id, tokenizer.pad_token_id, temperature
        device = next(model.parameters()).device
        width = max(len(row) for row in prompts)
        self.memory, logits, theirs = _read(model, prompts, self.padding, width, width + most * copies)
        self.memory.places = torch.arange(width, width + copies, device=device)
        self.own = torch.eye(copies, dtype=torch.bool, device=device).expand(len(prompts), 1, -1, -1)
        self.seen = theirs[:, None, None].repeat(1, 1, copies, 1)
        self.positions = torch.tensor([[len(row)] for row in prompts], device=device).repeat(1, copies)
        self.tokens = _draw(logits.unsqueeze(1).expand(-1, copies, -1), temperature)
        self.is_over = self.tokens == self.end
        self.step = torch.zeros(1, dtype=torch.long, device=device)
        self.written = torch.full((len(prompts), copies, most), self.padding, device=device)
        self.written[:, :, 0] = self.tokens

    def advance(self) -> None:
        """One more token of each, in place."""
        self.seen.index_copy_(3, self.memory.places, self.own)
        states = self.layers(
            input_ids=self.tokens,
            attention_mask=self.seen,
            position_ids=self.positions,
            past_key_values=self.memory,
            use_cache=True,
        ).last_hidden_state
        self.tokens.copy_(_draw(self.head(states), self.temperature).masked_fill(self.is_over, self.padding))
        self.is_over.logical_or_(self.tokens == self.end)
        self.step.add_(1)
        self.written.index_copy_(2, self.step, self.tokens.unsqueeze(2))
        self.memory.places.add_(self.tokens.shape[1])
        self.positions.add_(1)

    def rows(self) -> List[List[List[int]]]:
        return [[_until_end(row, self.end) for row in group] for group in self.written.tolist()]


def _write_together(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], temperature: float, most: int, copies: int
) -> List[List[List[int]]]:
    answers = Answers(model, tokenizer, prompts, temperature, most, copies)
    advance = answers.advance
    for step in range(most - 1):
        if step % LOOK_EVERY == 0 and bool(answers.is_over.all()):
            break
        if step == EAGER_STEPS and answers.tokens.is_cuda:
            advance = _recorded(answers.advance)
        advance()
    return answers.rows()


def _recorded(advance: Callable[[], None]) -> Callable[[], None]:
    """The step as a CUDA graph: hundreds of small kernels, which take longer to launch than to run. As it was where that fails."""
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            advance()
    except RuntimeError as cause:
        if "out of memory" in str(cause):
            raise
        sys.stderr.write(f"no CUDA graph of a step: {str(cause).splitlines()[0]}\n")
        return advance
    return graph.replay


def _read(model: Any, prompts: Sequence[Sequence[int]], pad_id: int, width: int, room: int) -> Tuple[Memory, Tensor, Tensor]:
    """Memory with room, logits after each prompt, and what of the memory is theirs; a few prompts at a time, to save memory."""
    layers: List[Tuple[Tensor, Tensor]] = []
    logits, lengths = [], []
    for start in range(0, len(prompts), READ_AT_ONCE):
        read = read_prompts(model, prompts[start : start + READ_AT_ONCE], pad_id)
        kept = [(layer.keys, layer.values) for layer in read.memory.layers]
        if not layers:
            layers = [tuple(_room_for(one, len(prompts), room) for one in pair) for pair in kept]
        for mine, pair in zip(layers, kept):
            for whole, part in zip(mine, pair):
                whole[start : start + len(part), :, : part.shape[2]] = part
        logits.append(read.logits)
        lengths.append(read.lengths)
    theirs = torch.arange(room, device=logits[0].device) < torch.cat(lengths)
    return Memory(layers, torch.empty(0)), torch.cat(logits), theirs


def _room_for(like: Tensor, prompts: int, room: int) -> Tensor:
    _, heads, _, size = like.shape
    return torch.zeros(prompts, heads, room, size, dtype=like.dtype, device=like.device)


def _draw(logits: Tensor, temperature: float) -> Tensor:
    """One token for each row of logits [prompts, answers, vocabulary]."""
    if temperature <= 0:
        return logits.argmax(dim=2)
    # The largest of logits with Gumbel noise is a draw, without the sum over the vocabulary.
    noise = -torch.empty_like(logits, dtype=torch.float32).exponential_().log()
    return (logits.float() / temperature + noise).argmax(dim=2)


def _until_end(row: List[int], end: int) -> List[int]:
    return row[: row.index(end) + 1] if end in row else row
