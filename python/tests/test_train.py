"""Tests of training: the scores against the vectors of the TypeScript domain, batches, and a short run on made-up kernels."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; training is not tested")

import numpy as np  # noqa: E402

from kernelcast_train.batches import Augmentation, disguise, groups_by_length, padded_length  # noqa: E402
from kernelcast_train.data import likeness, load_dataset  # noqa: E402
from kernelcast_train.embedded import Config, Trainer  # noqa: E402
from kernelcast_train.judge import auroc, calibration, pairwise, spearman  # noqa: E402
from kernelcast_train.scores import below, crps, log_score  # noqa: E402

VECTORS = json.loads((Path(__file__).parent / "fixtures" / "scores.json").read_text())


def test_scores_are_those_of_the_domain():
    columns = [torch.tensor([case[name] for case in VECTORS], dtype=torch.float64) for name in ("m", "sigmaLow", "sigmaHigh", "y")]
    median, low, high, outcome = columns
    for got, name in ((crps(*columns), "crps"), (log_score(*columns), "logScore"), (below(outcome - median, low, high), "below")):
        assert got.tolist() == pytest.approx([case[name] for case in VECTORS], rel=1e-6, abs=1e-9)


def test_likeness_is_jaccard_with_what_only_one_has():
    alike = likeness([[1, 2, 3], [2, 3, 4, 5]])
    assert alike[0, 1].tolist() == pytest.approx([2 / 5, np.log1p(1), np.log1p(2)], rel=1e-6)
    assert alike[0, 0].tolist() == [1, 0, 0]


def test_groups_hold_every_row_once_and_one_length():
    lengths = [5, 700, 130, 128, 129, 1, 640]
    groups = groups_by_length(lengths, 512)
    assert sorted(int(row) for group in groups for row in group) == list(range(len(lengths)))
    assert all(len({padded_length(lengths[row]) for row in group}) == 1 for group in groups)


def test_names_are_renamed_one_to_one():
    ids = np.arange(20)
    out = disguise(ids, Augmentation(word_loss=0, shuffled_names=1, first_name=8, name_slots=6), np.random.default_rng(1))
    assert out[:8].tolist() == list(range(8)) and out[14:].tolist() == list(range(14, 20))
    assert sorted(out[8:14].tolist()) == list(range(8, 14))


def test_scores_of_rank():
    assert pairwise(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.05, 9.0])) == 1
    assert spearman(np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(-1)
    assert auroc(np.array([0.1, 0.9, 0.8]), np.array([False, True, True])) == 1
    assert calibration(np.full(30, 0.5), np.arange(30) % 2 == 0) == pytest.approx(0)


@pytest.fixture
def folder(tmp_path):
    """Three tasks whose kernels' runtimes follow from their first feature, and from a word of their text."""
    rng = np.random.default_rng(1)
    for number, split in enumerate(("train", "train", "validation")):
        head = {"taskId": f"t{number}", "family": f"f{number}", "split": split, "device": "d"}
        rows = [_kernel(number, index, rng) for index in range(60)]
        (tmp_path / f"t{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [head, *rows]))
    sizes = {"vocabularySize": 40, "magnitudeBins": 8, "firstName": 20, "nameSlots": 4, "limit": 64}
    meta = {"tasks": ["t0", "t1", "t2"], "featureNames": ["a", "b"], "device": "d", **sizes}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    return tmp_path


def _kernel(task, index, rng):
    speed = float(rng.normal())
    works = index == 0 or rng.random() > 0.1
    return {
        "kernelId": f"{task}-{index}",
        "parentId": None if index == 0 else f"{task}-{int(rng.integers(index))}",
        "templateId": str(index % 6),
        "status": "ok" if works else "incorrect",
        "log2Us": 7 + speed if works else None,
        "ids": [8, 9, 10 + int(speed > 0), *rng.integers(8, 16, 5).tolist()],
        "magnitudes": [0] * 8,
        "runs": rng.integers(0, 50, 10).tolist(),
        "bare": [speed, None],
        "compiled": [speed, 1.0],
    }


@pytest.mark.parametrize("use_text", [True, False])
def test_a_short_run_learns_to_rank(folder, use_text, capsys):
    config = Config(
        width=16, layers=1, heads=2, inner=16, described=16, use_text=use_text, pretrain_steps=5, steps=150,
        tasks_per_step=2, report_every=150, rate=3e-3, head_rate=3e-3, average=0.9, feature_noise=0.0, feature_loss=0.0,
    )  # fmt: skip
    trainer = Trainer(config, load_dataset(folder), torch.device("cpu"))
    trainer.pretrain()
    trainer.train()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["validation"]["start"]["pairwise"] > 0.8
