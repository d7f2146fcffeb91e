"""
`python3 python/tools/embedded_vectors.py src/forecast/embedded/__fixtures__`: a small artefact of the forecaster `embedded` with
random weights (`small/`), and what PyTorch makes of random kernels (`cases.json`); the TypeScript forecaster must make the same
of them. The artefact reads text alone, so that it stays good when features change; a head with features is in the cases.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kernelcast_train.batches import LENGTH_STEP
from kernelcast_train.export_compare import encode
from kernelcast_train.export_embedded import head_content, write_artefact
from kernelcast_train.model import Forecaster, Shape, widths

RESERVED = 263
"""Words that every vocabulary of src/forecast/embedded/tokenizer.ts begins with."""
WORDS = [
    "__global__",
    "void",
    "float",
    "const",
    "int",
    "if",
    "for",
    "blockIdx",
    "threadIdx",
    "x",
    "(",
    ")",
    "{",
    "}",
    ";",
    "=",
    "+",
    "*",
]
TOKENS, BINS, FEATURES, WIDTH, TEXT_WIDTH = RESERVED + len(WORDS), 64, 5, 4, 16


def network(use_features: bool) -> Forecaster:
    shape = Shape(
        vocabulary=TOKENS,
        magnitudes=BINS,
        features=FEATURES,
        narrow=8,
        width=TEXT_WIDTH,
        layers=1,
        heads=2,
        inner=16,
        described=WIDTH,
        use_features=use_features,
    )
    model = Forecaster(shape).eval()
    for tensor in model.head.state_dict().values():
        tensor.copy_((tensor + 0.3 * torch.randn_like(tensor)).half().float())
    model.head.scale.abs_()
    return model


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(1)
    reader = network(use_features=False)
    meta = {"featureNames": [], "limit": 4 * LENGTH_STEP}
    write_artefact(reader, head_content(reader, meta, WORDS), folder / "small")
    both = network(use_features=True)
    cases = {
        "encoded": [encoded(reader, length) for length in (1, 63, 64, 130)],
        "withoutFeatures": [compared(reader, anchors) for anchors in (1, 3)],
        "both": {
            "width": WIDTH,
            "textWidth": TEXT_WIDTH,
            "tensors": {name: encode(value.numpy()) for name, value in both.head.state_dict().items()},
            "cases": [compared(both, anchors) for anchors in (1, 2, 5)],
        },
    }
    (folder / "cases.json").write_text(json.dumps(cases) + "\n")


def encoded(model: Forecaster, length: int) -> dict:
    """A kernel's tokens without padding, and its vector."""
    ids, bins = torch.randint(1, TOKENS, (length,)), torch.randint(0, BINS, (length,))
    padding = (0, -length % LENGTH_STEP)
    with torch.no_grad():
        vector = model.encoder(*(torch.nn.functional.pad(part, padding)[None] for part in (ids, bins)))[0]
    return {"ids": ids.tolist(), "magnitudes": bins.tolist(), "vector": vector.tolist()}


def compared(model: Forecaster, count: int) -> dict:
    features, vectors = torch.randn(1 + count, FEATURES), torch.randn(1 + count, TEXT_WIDTH)
    features[0, 1] = float("nan")
    times, alike = torch.randn(count), torch.rand(count, 3)
    with torch.no_grad():
        out = model.head(vectors[:1], features[:1], vectors[1:], features[1:], times, torch.tensor(count), alike[None])[0]
    kernels = [
        {"features": [None if value != value else value for value in row], "vector": vector}
        for row, vector in zip(features.tolist(), vectors.tolist(), strict=True)
    ]
    places = zip(kernels[1:], times.tolist(), alike.tolist(), strict=True)
    return {
        "candidate": kernels[0],
        "anchors": [{**kernel, "log2Ratio": time, "alike": same} for kernel, time, same in places],
        "expected": dict(zip(("m", "sigmaLow", "sigmaHigh", "logOdds"), (float(part) for part in widths(out)), strict=True)),
    }


if __name__ == "__main__":
    main()
