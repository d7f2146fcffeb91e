"""
`python3 python/tools/compare_vectors.py src/forecast/compare/__fixtures__/network.json`: a small comparison network with random
weights, and what PyTorch makes of random kernels; the TypeScript network must make the same of them.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kernelcast_train.export_compare import encode, head_tensors
from kernelcast_train.model import Forecaster, Shape, widths

FEATURES, WIDTH = 5, 4


def main() -> None:
    torch.manual_seed(1)
    shape = Shape(
        vocabulary=8,
        magnitudes=4,
        features=FEATURES,
        narrow=4,
        width=8,
        layers=1,
        heads=2,
        inner=8,
        described=WIDTH,
        use_text=False,
    )
    model = Forecaster(shape).eval()
    for tensor in model.head.state_dict().values():
        tensor.copy_((tensor + 0.3 * torch.randn_like(tensor)).half().float())
    model.head.scale.abs_()
    cases = [case(model, anchors) for anchors in (1, 2, 5)]
    tensors = {name: encode(value) for name, value in head_tensors(model).items()}
    Path(sys.argv[1]).write_text(json.dumps({"width": WIDTH, "tensors": tensors, "cases": cases}, indent=1) + "\n")


def case(model: Forecaster, count: int) -> dict:
    candidate, anchors = torch.randn(1, FEATURES), torch.randn(count, FEATURES)
    candidate[0, 1] = float("nan")
    times, alike = torch.randn(count), torch.rand(count, 3)
    text = torch.zeros(count, model.shape.width)
    with torch.no_grad():
        out = model.head(text[:1], candidate, text, anchors, times, torch.tensor(count), alike[None])[0]
    median, low, high, odds = (float(part) for part in widths(out))
    rows = zip(anchors.tolist(), times.tolist(), alike.tolist())
    return {
        "candidate": [None if value != value else value for value in candidate[0].tolist()],
        "anchors": [{"features": features, "log2Ratio": time, "alike": same} for features, time, same in rows],
        "expected": {"m": median, "sigmaLow": low, "sigmaHigh": high, "logOdds": odds},
    }


if __name__ == "__main__":
    main()
