"""A second copy of a model, with the adapter merged: what it writes is written faster than through the adapter."""

from __future__ import annotations

import copy
from typing import Any, List, Tuple

import torch
from torch import Tensor

ADAPTER = "default"


class Sampler:
    """`base` is copied before it gets its adapter."""

    def __init__(self, base: Any) -> None:
        self.model = copy.deepcopy(base).requires_grad_(False).eval()
        self.pairs: List[Tuple[Any, Tensor]] = []

    @torch.no_grad()
    def follow(self, model: Any) -> Any:
        """The copy, once it is as the model with its adapter is now."""
        if not self.pairs:
            weights = dict(self.model.named_parameters())
            layers = [(name, one) for name, one in model.named_modules() if hasattr(one, "lora_A") and ADAPTER in one.lora_A]
            self.pairs = [(layer, weights[f"{_plain(name)}.weight"]) for name, layer in layers]
        for layer, weight in self.pairs:
            change = layer.lora_B[ADAPTER].weight @ layer.lora_A[ADAPTER].weight * layer.scaling[ADAPTER]
            weight.copy_(layer.base_layer.weight.float() + change)
        return self.model


def _plain(name: str) -> str:
    """A layer's name in the model that has no adapter."""
    return name.removeprefix("base_model.model.")
