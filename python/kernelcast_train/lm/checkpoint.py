"""Checkpoints: folders that are renamed into place whole. With the run's folder, all that resuming needs, on any machine."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path
from typing import IO, Any, Dict, Optional

import torch

KEPT = 2


def hold(out: Path) -> IO[str]:
    """Keeps other trainers out of a run's folder for as long as what it gives is open. ValueError where one is in it."""
    out.mkdir(parents=True, exist_ok=True)
    held = (out / "trainer.lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise ValueError(f"{out}: another trainer is at it; wait for its end, or give another out") from None
    return held


def save(out: Path, model: Any, optimiser: torch.optim.Optimizer, state: Dict[str, Any]) -> Path:
    folder = out / "checkpoints" / f"step-{state['step']:06d}"
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    torch.save({"adapter": _weights(model), "optimiser": optimiser.state_dict()}, fresh / "state.pt")
    (fresh / "state.json").write_text(json.dumps(state))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    for old in sorted(folder.parent.glob("step-??????"))[:-KEPT]:
        shutil.rmtree(old)
    return folder


def resume(out: Path, model: Any, optimiser: torch.optim.Optimizer, digest: str) -> Optional[Dict[str, Any]]:
    """The state of the latest checkpoint, put into model and optimiser; None without one. ValueError for one of another run."""
    found = sorted((out / "checkpoints").glob("step-??????"))
    if not found:
        return None
    state = json.loads((found[-1] / "state.json").read_text())
    if state["digest"] != digest:
        raise ValueError(f"{found[-1]} is of a run with other settings or data; give another out, or remove it")
    kept = torch.load(found[-1] / "state.pt", map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(kept["adapter"][name])
    optimiser.load_state_dict(kept["optimiser"])
    return state


def _weights(model: Any) -> Dict[str, torch.Tensor]:
    return {name: one.detach().cpu().clone() for name, one in model.named_parameters() if one.requires_grad}
