"""
`python3 -m kernelcast_train.export_embedded --model model.pt --data FOLDER --out models/embedded-v1`: writes the forecaster
`embedded` for `src/forecast/embedded`: the encoder as ONNX with 8-bit weights, and the head with its vocabulary as JSON; prints
how much this changes vectors and forecasts of some kernels. Needs onnx and onnxruntime.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .batches import LENGTH_STEP, padded_length
from .data import Dataset, TaskData, load_dataset
from .export_compare import encode
from .exporting import export_arguments, load_model
from .model import Forecaster, widths

FEATURE_WEIGHTS = ("centre", "scale", "facts.", "change.")
OPSET = 17


def export_encoder(model: Forecaster, path: Path) -> None:
    """
    Writes the encoder with the weights of its matrix products as 7-bit integers in 8 bits: with the eighth bit, processors without
    VNNI would saturate sums, and the same kernel would have other vectors on another machine.
    """
    # Both are needed here alone; training does without them.
    from onnxruntime.quantization import QuantType, quantize_dynamic

    length = 4 * LENGTH_STEP
    tokens = torch.ones((2, 2, length), dtype=torch.int64)
    axes = {"ids": {0: "batch", 1: "length"}, "magnitudes": {0: "batch", 1: "length"}, "vectors": {0: "batch"}}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            model.encoder,
            (tokens[0], tokens[1]),
            str(plain),
            input_names=["ids", "magnitudes"],
            output_names=["vectors"],
            dynamic_axes=axes,
            dynamo=False,
            opset_version=OPSET,
        )
        quantize_dynamic(
            plain, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True, op_types_to_quantize=["MatMul"]
        )


def head_content(model: Forecaster, meta: dict, words: list[str]) -> dict:
    """What `head.json` says, but for where it comes from; weights that the network does not use are left out."""
    shape = model.shape
    state = model.head.state_dict()
    kept = {name: value for name, value in state.items() if shape.use_features or not name.startswith(FEATURE_WEIGHTS)}
    return {
        "format": "kernelcast-embedded-1",
        "featureNames": meta["featureNames"],
        "vocabulary": {"words": words},
        "tokens": shape.vocabulary,
        "magnitudeBins": shape.magnitudes,
        "limit": meta["limit"],
        "lengthStep": LENGTH_STEP,
        "width": shape.described,
        "textWidth": shape.width,
        "usesFeatures": shape.use_features,
        "tensors": {name: encode(value.numpy()) for name, value in kept.items()},
    }


def write_artefact(model: Forecaster, content: dict, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    encoder = out / "encoder.onnx"
    export_encoder(model, encoder)
    digest = hashlib.sha256(encoder.read_bytes()).hexdigest()
    tensors = content.pop("tensors")
    whole = {**content, "encoderSha256": digest, "tensors": tensors}
    (out / "head.json").write_text(json.dumps(whole, ensure_ascii=False) + "\n")


class ExportedEncoder:
    """The encoder of an artefact, run by onnxruntime."""

    def __init__(self, folder: Path) -> None:
        from onnxruntime import InferenceSession

        self.session = InferenceSession(folder / "encoder.onnx", providers=["CPUExecutionProvider"])

    def __call__(self, ids: Tensor, magnitudes: Tensor) -> Tensor:
        given = {"ids": ids.numpy(), "magnitudes": magnitudes.numpy()}
        return torch.from_numpy(self.session.run(["vectors"], given)[0])


def padded(ids: np.ndarray, magnitudes: np.ndarray) -> tuple[Tensor, Tensor]:
    """One kernel's tokens as a batch of one, padded."""
    rows = torch.zeros((2, 1, padded_length(len(ids))), dtype=torch.int64)
    rows[0, 0, : len(ids)], rows[1, 0, : len(ids)] = torch.from_numpy(ids), torch.from_numpy(magnitudes)
    return rows[0], rows[1]


@torch.no_grad()
def forecasts(model: Forecaster, encoder, task: TaskData, candidates: np.ndarray, anchors: np.ndarray) -> tuple[Tensor, Tensor]:
    """Vectors of a task's kernels (anchors last), and forecasts of the candidates: median, widths, log odds."""
    vectors = torch.cat([encoder(*padded(task.ids[row], task.magnitudes[row])) for row in [*candidates, *anchors]])
    features, times = torch.from_numpy(task.bare), torch.from_numpy(task.target[anchors])
    alike = torch.from_numpy(task.alike[candidates[:, None], anchors[None, :]])
    own, other = vectors[: len(candidates)], vectors[len(candidates) :]
    out = model.head(own, features[candidates], other, features[anchors], times, torch.tensor(len(anchors)), alike)
    return vectors, torch.stack(widths(out), dim=-1)


def report_change(model: Forecaster, folder: Path, data: Dataset, kernels: int = 12) -> dict:
    """How far the artefact's vectors and medians are from the network's, on some kernels of validation (or of what there is)."""
    exported = ExportedEncoder(folder)
    angles, shifts = [], []
    for task in (data.of_split("validation") or data.tasks)[:8]:
        rng = np.random.default_rng(1)
        working = np.flatnonzero(task.ok[1:]) + 1
        chosen = rng.permutation(working)[: kernels + 4]
        anchors, candidates = np.array([0, *chosen[:4]]), chosen[4:]
        whole, exact = forecasts(model, model.encoder, task, candidates, anchors)
        small, near = forecasts(model, exported, task, candidates, anchors)
        angles += (1 - torch.cosine_similarity(whole, small)).tolist()
        shifts += (exact[:, 0] - near[:, 0]).abs().tolist()
    return {
        "kernels": len(shifts),
        "vectors": {"median1MinusCosine": float(np.median(angles)), "most": float(np.max(angles))},
        "log2Medians": {"median": float(np.median(shifts)), "most": float(np.max(shifts))},
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }


def main() -> None:
    arguments = export_arguments(__doc__)
    model, config = load_model(arguments.model)
    if not model.shape.use_text:
        raise SystemExit(f"{arguments.model}: this network reads no text; use kernelcast_train.export_compare")
    data = load_dataset(arguments.data)
    words = json.loads((arguments.data / "vocabulary.json").read_text())["words"]
    content = head_content(model, data.meta, words)
    content["trainedOn"] = {"recording": "atlas", "device": data.meta["device"], "config": config}
    write_artefact(model, content, arguments.out)
    print(json.dumps(report_change(model, arguments.out, data)))


if __name__ == "__main__":
    main()
