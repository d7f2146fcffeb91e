"""
`python3 -m kernelcast_train.export_compare --model model.pt --data FOLDER --out models/compare-v1.json`: writes the comparison
network, without its part that reads text, for `src/forecast/compare`. Weights are float16, little-endian, base64.
"""

from __future__ import annotations

import base64
import json

import numpy as np

from .exporting import export_arguments, load_model
from .model import Forecaster


def head_tensors(model: Forecaster) -> dict[str, np.ndarray]:
    """Weights by name, [out, in] for matrices, without the columns that only text feeds."""
    width = model.shape.described
    state = {name: value.numpy() for name, value in model.head.state_dict().items() if not name.startswith("text.")}
    pair = state["pair.0.weight"]
    state["pair.0.weight"] = np.concatenate([pair[:, : 4 * width], pair[:, 6 * width :]], axis=1)
    for name in ("summary.0.weight", "working.0.weight"):
        state[name] = np.concatenate([state[name][:, :width], state[name][:, 2 * width :]], axis=1)
    return state


def encode(tensor: np.ndarray) -> dict:
    data = base64.b64encode(tensor.astype("<f2").tobytes()).decode()
    return {"shape": list(tensor.shape), "data": data}


def main() -> None:
    arguments = export_arguments(__doc__)
    model, config = load_model(arguments.model)
    if model.shape.use_text:
        raise SystemExit(f"{arguments.model}: this network reads text; export one trained with use_text false")
    meta = json.loads((arguments.data / "meta.json").read_text())
    content = {
        "format": "kernelcast-compare-1",
        "featureNames": meta["featureNames"],
        "width": model.shape.described,
        "trainedOn": {"recording": "atlas", "device": meta["device"], "config": config},
        "tensors": {name: encode(value) for name, value in head_tensors(model).items()},
    }
    arguments.out.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
