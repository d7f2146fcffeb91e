"""Tests of training: the scores against the vectors of the TypeScript domain, batches, and a short run on made-up kernels."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; training is not tested")

import numpy as np  # noqa: E402

from kernelcast_train.batches import Augmentation, disguise, groups_by_length  # noqa: E402
from kernelcast_train.data import likeness, load_dataset, part_of_task  # noqa: E402
from kernelcast_train.embedded import Config, Trainer, curve, read_config  # noqa: E402
from kernelcast_train.judge import auroc, calibration, pairwise, spearman  # noqa: E402
from kernelcast_train.model import Encoder, Shape  # noqa: E402
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


def test_groups_hold_every_row_once_by_length():
    lengths = np.array([5, 700, 130, 128, 129, 1, 640])
    groups = groups_by_length(lengths, 3)
    assert np.concatenate(groups).tolist() == [5, 0, 3, 4, 2, 6, 1]
    assert max(len(group) for group in groups) == 3


def test_names_are_renamed_one_to_one():
    ids = torch.arange(20).repeat(3, 1)
    out = disguise(ids, Augmentation(word_loss=0, shuffled_names=1, first_name=8, name_slots=6), torch.Generator().manual_seed(1))
    assert torch.equal(out[:, :8], ids[:, :8]) and torch.equal(out[:, 14:], ids[:, 14:])
    assert torch.equal(out[:, 8:14].sort(dim=1).values, ids[:, 8:14])
    assert not torch.equal(out[0], out[1])


def test_padding_is_never_lost_nor_seen():
    rule = Augmentation(word_loss=1, shuffled_names=0)
    ids = torch.tensor([[5, 6, 7, 0, 0, 0, 0, 0]])
    assert disguise(ids, rule)[0, 3:].tolist() == [0, 0, 0, 0, 0]
    torch.manual_seed(1)
    shape = Shape(vocabulary=20, magnitudes=4, features=2, narrow=8, width=16, layers=2, heads=2, inner=16, dropout=0.0)
    encoder = Encoder(shape).eval()
    short, long = ids[:, :4], torch.nn.functional.pad(ids, (0, 24))
    vectors = [encoder(part, torch.zeros_like(part)) for part in (short, long)]
    assert torch.allclose(vectors[0], vectors[1], atol=1e-5)


def test_part_of_a_task_keeps_its_seed_and_its_order(folder):
    task = load_dataset(folder).tasks[0]
    part = part_of_task(task, 0.5, np.random.default_rng(1))
    assert part.kernel_ids[0] == task.kernel_ids[0] and len(part.ok) == 31
    whole = {kernel: task.target[index] for index, kernel in enumerate(task.kernel_ids)}
    assert [whole[kernel] for kernel in part.kernel_ids] == pytest.approx(part.target.tolist(), nan_ok=True)
    for index, parent in enumerate(part.parents):
        own = task.parents[task.kernel_ids.index(part.kernel_ids[index])]
        assert parent == -1 or part.kernel_ids[parent] == task.kernel_ids[own]


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
        narrow=8, width=16, layers=1, heads=2, inner=16, described=16, use_text=use_text, pretrain_steps=5, steps=150,
        tasks_per_step=2, report_every=150, rate=3e-3, head_rate=3e-3, average=0.9, feature_noise=0.0, feature_loss=0.0,
    )  # fmt: skip
    trainer = Trainer(config, load_dataset(folder), torch.device("cpu"))
    trainer.pretrain()
    trainer.train()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["validation"]["start"]["pairwise"] > 0.8


def test_the_curve_says_what_was_learned_from(folder):
    small = {"narrow": 8, "width": 16, "layers": 1, "heads": 2, "inner": 16, "described": 8, "steps": 2, "pretrain_steps": 1}
    config = read_config([json.dumps(small), '{"train_families": 1, "train_kernels": 0.5, "curve_splits": ["validation"]}'])
    trainer = Trainer(config, load_dataset(folder), torch.device("cpu"))
    trainer.pretrain()
    points = curve(trainer, trainer.train(), "x")
    assert [(point["split"], point["view"]) for point in points] == [("validation", "start"), ("validation", "search")]
    assert points[0] | {"tasks": 1, "families": 1, "kernels": 31, "share": 0.5, "seed": 1, "forecaster": "x"} == points[0]


def test_an_unknown_setting_is_refused():
    with pytest.raises(SystemExit, match="unknown setting stepps"):
        read_config(['{"stepps": 3}'])
