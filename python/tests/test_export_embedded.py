"""Tests of the exported `embedded`: its encoder against the network, whatever the padding and the batch."""

import hashlib
import json

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; training is not tested")
pytest.importorskip("onnx", reason="onnx is not installed; exporting is not tested")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; exporting is not tested")

from kernelcast_train.batches import LENGTH_STEP  # noqa: E402
from kernelcast_train.export_embedded import ExportedEncoder, head_content, write_artefact  # noqa: E402
from kernelcast_train.model import Forecaster, Shape  # noqa: E402

META = {"featureNames": ["a", "b"], "limit": 256}


def network(use_features):
    torch.manual_seed(3)
    shape = Shape(
        vocabulary=50, magnitudes=8, features=2, narrow=8, width=16, layers=2, heads=2, inner=16, described=4,
        use_features=use_features,
    )  # fmt: skip
    return Forecaster(shape).eval()


def test_the_exported_encoder_gives_the_networks_vectors(tmp_path):
    model = network(True)
    write_artefact(model, head_content(model, META, ["x"]), tmp_path)
    encoder = ExportedEncoder(tmp_path)
    ids = torch.randint(1, 50, (3, 3 * LENGTH_STEP))
    ids[1, LENGTH_STEP + 5 :] = 0
    with torch.no_grad():
        whole = model.encoder(ids, ids % 8)
    small = encoder(ids, ids % 8)
    assert torch.linalg.norm(whole - small, dim=1).max() < 0.03 * torch.linalg.norm(whole, dim=1).min()
    short = ids[1:2, : 2 * LENGTH_STEP]
    assert torch.allclose(encoder(short, short % 8), small[1:2], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("use_features", [True, False])
def test_the_head_names_its_encoder_and_holds_the_weights_in_use(tmp_path, use_features):
    model = network(use_features)
    write_artefact(model, head_content(model, META, ["x"]), tmp_path)
    head = json.loads((tmp_path / "head.json").read_text())
    assert head["encoderSha256"] == hashlib.sha256((tmp_path / "encoder.onnx").read_bytes()).hexdigest()
    assert ("facts.0.weight" in head["tensors"]) is use_features
    assert head["tensors"]["text.1.weight"]["shape"] == [4, 16]
