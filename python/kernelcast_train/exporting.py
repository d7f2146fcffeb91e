"""What the exports share: their arguments, and reading a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .model import Forecaster, Shape


def export_arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    for name in ("--model", "--data", "--out"):
        parser.add_argument(name, type=Path, required=True)
    return parser.parse_args()


def load_model(path: Path) -> tuple[Forecaster, dict]:
    """A trained network, and the configuration it was trained with."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    model = Forecaster(Shape(**saved["shape"])).eval()
    model.load_state_dict(saved["weights"])
    return model, saved["config"]
