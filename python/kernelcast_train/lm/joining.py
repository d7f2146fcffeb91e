"""Several low-rank adapters as one: what a run stands on and what it learned, as one file that is laid over the first base."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

PREFIX = "base_model.model."
SIDES = (".lora_A.weight", ".lora_B.weight")
PLAIN_SETTINGS = {
    "use_dora": False,
    "fan_in_fan_out": False,
    "lora_bias": False,
    "bias": "none",
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
}
"""What an adapter must have, so that all it does is to add B·A to the weights of its modules."""


@dataclass(frozen=True)
class Joined:
    rank: int
    factors: Dict[str, Tuple[Tensor, Tensor]]
    """By module, A [rank, in] and B [out, rank]; B·A is added to the module's weight as it is."""


def join(folders: Sequence[Path], rank: Optional[int] = None) -> Joined:
    """
    The sum of the adapters. Without a rank it is exact: the factors stand side by side. With one it is the nearest of that rank,
    by least squares, in each module.
    """
    found: Dict[str, List[Tuple[Tensor, Tensor]]] = {}
    for folder in folders:
        for module, pair in read_adapter(folder).items():
            found.setdefault(module, []).append(pair)
    joined = {
        module: (torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs], dim=1)) for module, pairs in found.items()
    }
    if rank is not None:
        joined = {module: truncate(a, b, rank) for module, (a, b) in joined.items()}
    widest = max(a.shape[0] for a, _ in joined.values())
    return Joined(widest, {module: _widen(*_balance(a, b), widest) for module, (a, b) in joined.items()})


def read_adapter(folder: Path) -> Dict[str, Tuple[Tensor, Tensor]]:
    """A and B by module, B times the adapter's scale. ValueError for one that does more than add their product."""
    from safetensors.torch import load_file

    settings = json.loads((folder / "adapter_config.json").read_text())
    for name, plain in PLAIN_SETTINGS.items():
        if settings.get(name, plain) not in (plain, None):
            raise ValueError(f"{folder}: an adapter with {name} cannot be joined; export.merged and export.gguf take it")
    rank = settings["r"]
    scale = settings["lora_alpha"] / (math.sqrt(rank) if settings.get("use_rslora") else rank)
    weights = load_file(str(folder / "adapter_model.safetensors"))
    modules = {name[len(PREFIX) : -len(SIDES[0])] for name in weights if name.startswith(PREFIX) and name.endswith(SIDES)}
    if {f"{PREFIX}{module}{side}" for module in modules for side in SIDES} != set(weights):
        raise ValueError(f"{folder}: holds tensors that are no lora_A or lora_B; export.merged and export.gguf take it")
    pairs = {module: [weights[f"{PREFIX}{module}{side}"].float() for side in SIDES] for module in sorted(modules)}
    return {module: (a, b * scale) for module, (a, b) in pairs.items()}


def truncate(a: Tensor, b: Tensor, rank: int) -> Tuple[Tensor, Tensor]:
    """The best B·A of a rank, its weight shared alike by both; from small matrices alone, never the whole product."""
    a, b = a.double(), b.double()
    left, left_factor = torch.linalg.qr(b)
    right, right_factor = torch.linalg.qr(a.T)
    u, values, v = torch.linalg.svd(left_factor @ right_factor.T, full_matrices=False)
    kept = min(rank, len(values))
    root = values[:kept].sqrt()
    return (root.unsqueeze(1) * (right @ v[:kept].T).T).float(), (left @ u[:, :kept] * root).float()


def _balance(a: Tensor, b: Tensor) -> Tuple[Tensor, Tensor]:
    """Both of about one size, by powers of two: what was learned in small steps would else be too small for 16 bits."""
    tiny = torch.finfo(a.dtype).tiny
    ratio = a.abs().amax(dim=1).clamp(min=tiny) / b.abs().amax(dim=0).clamp(min=tiny)
    factor = (ratio.log2() / 2).round().clamp(-20, 20).exp2()
    return a / factor.unsqueeze(1), b * factor


def _widen(a: Tensor, b: Tensor, rank: int) -> Tuple[Tensor, Tensor]:
    """With zeros, for files that know one rank for all."""
    more = rank - a.shape[0]
    return torch.nn.functional.pad(a, (0, 0, 0, more)), torch.nn.functional.pad(b, (0, more))


def save_adapter(joined: Joined, folder: Path, base: str) -> None:
    """As PEFT keeps an adapter, in 16 bits."""
    from peft import LoraConfig
    from safetensors.torch import save_file

    targets = sorted({module.rsplit(".", 1)[-1] for module in joined.factors})
    settings = LoraConfig(
        r=joined.rank,
        lora_alpha=joined.rank,
        lora_dropout=0.0,
        target_modules=targets,
        task_type="CAUSAL_LM",
        base_model_name_or_path=base,
        inference_mode=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    settings.save_pretrained(str(folder))
    weights: Dict[str, Any] = {
        f"{PREFIX}{module}{side}": one.half().contiguous()
        for module, pair in joined.factors.items()
        for side, one in zip(SIDES, pair)
    }
    save_file(weights, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
