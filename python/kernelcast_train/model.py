"""The embedded forecaster: a transformer that reads one kernel, and a head that compares kernels with measured ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .scores import SMALLEST_SIGMA


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network that are a choice."""

    narrow: int = 128
    merged: int = 4
    width: int = 256
    layers: int = 6
    heads: int = 8
    inner: int = 704
    described: int = 128
    dropout: float = 0.1
    use_text: bool = True
    use_features: bool = True


@dataclass(frozen=True, kw_only=True)
class Shape(Sizes):
    """Sizes of the network, with those that the data decide."""

    vocabulary: int
    magnitudes: int
    features: int

    def to_dict(self) -> dict:
        return asdict(self)


def rotary(length: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, each [length, width / 2]."""
    rates = 10000.0 ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * rates[None, :]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Block(nn.Module):
    """Attention and a gated layer, normalised before."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.dropout = shape.dropout
        self.before_attention = nn.LayerNorm(shape.width)
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)
        self.before_inner = nn.LayerNorm(shape.width)
        self.gate = nn.Linear(shape.width, 2 * shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.width, bias=False)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, positions: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """[batch, length, width] to the same; `mask` is added to the scores of attention, [batch, 1, 1, length]."""
        batch, length, width = x.shape
        parts = self.query_key_value(self.before_attention(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        query, key = (rotate(part, *positions) for part in (query, key))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        x = x + self.drop(self.output(mixed.transpose(1, 2).reshape(batch, length, width)))
        gate, up = self.gate(self.before_inner(x)).chunk(2, dim=-1)
        return x + self.drop(self.down(F.silu(gate) * up))


class Encoder(nn.Module):
    """
    Reads a kernel's tokens into one vector of `width` numbers. A strided convolution makes one position of every `merged`
    tokens, which attention then reads. Lengths are multiples of `merged`; id 0 is padding.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.narrow)
        self.magnitudes = nn.Embedding(shape.magnitudes, shape.narrow)
        nn.init.normal_(self.words.weight, std=0.5)
        nn.init.normal_(self.magnitudes.weight, std=0.5)
        reach = shape.merged // 2 if shape.merged > 1 else 1
        self.merge = nn.Conv1d(shape.narrow, shape.width, shape.merged + 2 * reach, stride=shape.merged, padding=reach)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.queries = nn.Linear(shape.width, 4, bias=False)
        self.pooled = nn.Linear(5 * shape.width, shape.width)
        self.drop = nn.Dropout(shape.dropout)

    def present(self, ids: Tensor) -> Tensor:
        """[batch, length] ids to [batch, positions]: is a position more than padding?"""
        return (ids.view(ids.shape[0], -1, self.shape.merged) != 0).any(dim=-1)

    def hidden(self, ids: Tensor, magnitudes: Tensor) -> Tensor:
        """[batch, length] ids to [batch, positions, width]."""
        present = self.present(ids)
        x = (self.words(ids) + self.magnitudes(magnitudes)) * (ids != 0).unsqueeze(-1)
        x = self.drop(self.merge(x.transpose(1, 2)).transpose(1, 2))
        cos, sin = rotary(x.shape[1], self.shape.width // self.shape.heads, ids.device)
        mask = torch.where(present, 0.0, -1e4).to(x.dtype)[:, None, None, :]
        for block in self.blocks:
            x = block(x, (cos.to(x.dtype), sin.to(x.dtype)), mask)
        return self.norm(x)

    def pool(self, x: Tensor, present: Tensor) -> Tensor:
        """Four weighted means and the plain one of the positions that are no padding."""
        scores = self.queries(x).float().masked_fill(~present[:, :, None], -1e4)
        chosen = torch.einsum("blq,blw->bqw", scores.softmax(dim=1).to(x.dtype), x).flatten(1)
        mean = (x * present[:, :, None]).sum(dim=1) / present.sum(dim=1, keepdim=True)
        return self.pooled(torch.cat([chosen, mean], dim=-1))

    def forward(self, ids: Tensor, magnitudes: Tensor) -> Tensor:
        return self.pool(self.hidden(ids, magnitudes), self.present(ids))


class Head(nn.Module):
    """
    Forecasts candidates from their vectors and features and those of anchors, whose log2 ratio to the seed's time is
    known. Each anchor proposes its own time and a difference; the more alike, the more it counts.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.described
        self.register_buffer("centre", torch.zeros(shape.features))
        self.register_buffer("scale", torch.ones(shape.features))
        drop = nn.Dropout(shape.dropout)
        self.facts = nn.Sequential(
            nn.Linear(2 * shape.features, 2 * width), nn.GELU(), drop, nn.Linear(2 * width, width), nn.LayerNorm(width)
        )
        self.text = nn.Sequential(
            nn.LayerNorm(shape.width), nn.Linear(shape.width, width), nn.GELU(), drop, nn.Linear(width, width)
        )
        self.pair = nn.Sequential(nn.Linear(6 * width + 3, 2 * width), nn.GELU(), drop, nn.Linear(2 * width, width), nn.GELU())
        self.change = nn.Linear(2 * shape.features, width)
        self.difference = nn.Linear(width, 1)
        self.likeness = nn.Linear(width, 1)
        self.summary = nn.Sequential(nn.Linear(3 * width + 3, width), nn.GELU(), nn.Linear(width, 3))
        self.working = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), drop, nn.Linear(width, 1))

    def standardised(self, features: Tensor) -> Tensor:
        known = ~torch.isnan(features)
        values = torch.where(known, (torch.nan_to_num(features) - self.centre) / self.scale, torch.zeros_like(features))
        return torch.cat([values.clamp(-5, 5), known.to(values.dtype)], dim=-1)

    def described(self, vectors: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the features and what the text say of kernels; zeros where the network is not to use them."""
        facts = self.facts(self.standardised(features))
        text = self.text(vectors)
        return facts * float(self.shape.use_features), text * float(self.shape.use_text)

    def forward(
        self,
        candidates: Tensor,
        features: Tensor,
        anchors: Tensor,
        anchor_features: Tensor,
        times: Tensor,
        count: Tensor,
        alike: Tensor,
    ) -> Tensor:
        """
        [..., C, W] candidates, [..., K, W] anchors with their [..., K] times (log2 over the seed's; the seed is first), `count`
        [...] of anchors that are there, and [..., C, K, 3] how alike they are, to [..., C, 4]: median, log widths below and
        above, log odds of working.
        """
        own, own_text = self.described(candidates, features)
        other, other_text = self.described(anchors, anchor_features)
        own_pairs = own.unsqueeze(-2).expand(*own.shape[:-1], other.shape[-2], own.shape[-1])
        other_pairs = other.unsqueeze(-3).expand_as(own_pairs)
        text_pairs = own_text.unsqueeze(-2).expand_as(own_pairs)
        text_change = text_pairs - other_text.unsqueeze(-3)
        change = self.change(self.standardised(features).unsqueeze(-2) - self.standardised(anchor_features).unsqueeze(-3))
        change = change * float(self.shape.use_features)
        given = [own_pairs, other_pairs, own_pairs - other_pairs, change, text_pairs, text_change, alike]
        pair = self.pair(torch.cat(given, dim=-1))
        proposed = times.unsqueeze(-2) + self.difference(pair).squeeze(-1)
        likeness = self.likeness(pair).squeeze(-1) + 8 * alike[..., 0]
        absent = torch.arange(times.shape[-1], device=times.device) >= count[..., None]
        weights = likeness.masked_fill(absent.unsqueeze(-2), -1e4).softmax(dim=-1)
        median = (weights * proposed).sum(dim=-1)
        pooled = (weights.unsqueeze(-1) * pair).sum(dim=-2)
        variance = (weights * (proposed - median.unsqueeze(-1)) ** 2).sum(dim=-1)
        spread = torch.sqrt(variance + 1e-6)
        best = (likeness.masked_fill(absent.unsqueeze(-2), -1e4)).amax(dim=-1)
        extra = torch.stack(
            [spread, best.clamp(-20, 20) / 5, torch.log2(count.to(median.dtype))[..., None].expand_as(median) / 4], dim=-1
        )
        out = self.summary(torch.cat([own, own_text, pooled, extra], dim=-1))
        odds = self.working(torch.cat([own, own_text, pooled], dim=-1)).squeeze(-1)
        return torch.stack([median + out[..., 0], out[..., 1] - 0.7, out[..., 2] - 0.7, odds + 2.5], dim=-1)


def widths(output: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Median, widths and log odds of the head's output."""
    low, high = (torch.exp(output[..., part].clamp(-5, 3)) + SMALLEST_SIGMA for part in (1, 2))
    return output[..., 0], low, high, output[..., 3]


class Forecaster(nn.Module):
    """Encoder and head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.head = Head(shape)
