"""
`python3 -m kernelcast_train.embedded --data FOLDER --out FOLDER [--config FILE]`: pretrains the embedded forecaster's encoder
on kernel sources, then trains it to forecast; writes the weights with their configuration, and a line of JSON per report.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .batches import OTHER_ANCHORS, Augmentation, Corpus, Draw, disguise, draw, groups_by_length
from .data import Dataset, TaskData, load_dataset, part_of_task
from .judge import judge
from .model import Forecaster, Shape, Sizes, widths
from .scores import below, crps, log_score

MASK = 1


@dataclass(frozen=True)
class Config(Sizes):
    """All that a training run depends on, besides the data."""

    seed: int = 1
    pretrain_steps: int = 2000
    pretrain_kernels: int = 256
    profile_weight: float = 2.0
    steps: int = 3000
    tasks_per_step: int = 8
    candidates: int = 20
    kernels_per_group: int = 128
    rate: float = 1e-3
    encoder_rate: float = 5e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.05
    crps_weight: float = 1.0
    log_weight: float = 0.3
    likelihood_until: float = 0.0
    rank_weight: float = 0.3
    ok_weight: float = 0.5
    win_weight: float = 0.5
    limit_seconds: float = 0.0
    pretrain_share: float = 0.25
    average: float = 0.998
    word_loss: float = 0.1
    shuffled_names: float = 0.5
    feature_noise: float = 0.1
    feature_loss: float = 0.1
    facts_loss: float = 0.0
    text_loss: float = 0.1
    train_families: int = 0
    train_kernels: float = 1.0
    report_every: int = 500
    train_splits: list[str] = field(default_factory=lambda: ["train"])
    judge_splits: list[str] = field(default_factory=lambda: ["validation"])
    """Judged at each report."""
    curve_splits: list[str] = field(default_factory=lambda: ["validation", "test"])
    """Judged at the end, for the learning curve; nothing is chosen by them."""


def scores(out: torch.Tensor, truth: torch.Tensor, bound: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    CRPS and log score, [..., C], of outputs [..., C, 4], and the cross-entropy of "faster than the bound", [..., C, K], for
    bounds [..., 1, K].
    """
    median, low, high, _ = widths(out)
    median_, low_, high_ = (part.unsqueeze(-1) for part in (median, low, high))
    p = below(bound - median_, low_, high_).clamp(1e-4, 1 - 1e-4)
    won = truth.unsqueeze(-1) < bound
    by_win = -torch.log(torch.where(won, p, 1 - p))
    return crps(median, low, high, truth), log_score(median, low, high, truth), by_win


class Trainer:
    """One training run."""

    def __init__(self, config: Config, data: Dataset, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.data, self.device = config, data, device
        self.rng = np.random.default_rng(config.seed)
        tasks = [task for split in config.train_splits for task in data.of_split(split)]
        self.tasks = self.fewer(tasks)
        self.corpus = Corpus(self.tasks, device)
        self.judged = {split: Corpus(data.of_split(split), device) for split in config.judge_splits}
        meta = data.meta
        names = {field.name for field in fields(Sizes)}
        chosen = {name: value for name, value in asdict(config).items() if name in names}
        self.shape = Shape(
            vocabulary=meta["vocabularySize"], magnitudes=meta["magnitudeBins"], features=len(meta["featureNames"]), **chosen
        )
        self.model = Forecaster(self.shape).to(device)
        self.augmentation = Augmentation(config.word_loss, config.shuffled_names, meta["firstName"], meta["nameSlots"])
        self.fit_features()
        self.scores = torch.compile(scores) if device.type == "cuda" else scores

    def fewer(self, tasks: list[TaskData]) -> list[TaskData]:
        """The tasks of `train_families` families drawn by the seed, and a share `train_kernels` of each one's kernels."""
        config, rng = self.config, np.random.default_rng([self.config.seed, 1])
        families = sorted({task.family for task in tasks})
        if config.train_families > 0:
            kept = set(rng.permutation(families)[: config.train_families])
            tasks = [task for task in tasks if task.family in kept]
        if config.train_kernels < 1:
            tasks = [part_of_task(task, config.train_kernels, rng) for task in tasks]
        return tasks

    def fit_features(self) -> None:
        rows = np.concatenate([task.compiled for task in self.tasks])
        self.model.head.centre.copy_(torch.from_numpy(np.nan_to_num(np.nanmean(rows, axis=0))))
        spread = np.nan_to_num(np.nanstd(rows, axis=0), nan=1.0)
        self.model.head.scale.copy_(torch.from_numpy(np.maximum(spread, 1e-2)))

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    def pretrain(self) -> None:
        """Masked words: a fifth of them are hidden, the encoder guesses which."""
        config, model = self.config, self.model
        if config.pretrain_steps == 0 or not config.use_text:
            return
        guess = torch.nn.Linear(config.width, config.merged * config.narrow).to(self.device)
        profile = torch.nn.Linear(config.width, self.shape.features).to(self.device)
        parameters = [*model.encoder.parameters(), *guess.parameters(), *profile.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=config.rate, weight_decay=config.weight_decay, betas=(0.9, 0.98))
        started = time.monotonic()
        for step in range(config.pretrain_steps):
            done = self.progress(step / config.pretrain_steps, started, config.pretrain_share)
            if done >= 1:
                break
            _set_rate(optimiser, [config.rate], done)
            loss = self.guess_words(guess, profile)
            _step(optimiser, loss, parameters)
            if (step + 1) % config.report_every == 0:
                _report("pretrain", step + 1, started, {"loss": loss.item()})

    def guess_words(self, guess: torch.nn.Linear, profile: torch.nn.Linear) -> torch.Tensor:
        """Loss of guessing hidden words, and of guessing what the analysis and the compiler say of the kernel."""
        config = self.config
        rows = self.rng.choice(len(self.corpus.lengths), min(len(self.corpus.lengths), config.pretrain_kernels), replace=False)
        losses = [
            self.guess_group(rows[group], guess, profile) * len(group)
            for group in groups_by_length(self.corpus.lengths[rows], config.kernels_per_group)
        ]
        return torch.stack(losses).sum() / len(rows)

    def guess_group(self, rows: np.ndarray, guess: torch.nn.Linear, profile: torch.nn.Linear) -> torch.Tensor:
        config, encoder = self.config, self.model.encoder
        rule = Augmentation(0, config.shuffled_names, self.augmentation.first_name, self.augmentation.name_slots)
        ids, bins = self.corpus.words(rows)
        ids = disguise(ids, rule)
        hidden = (torch.rand(ids.shape, device=self.device) < 0.2) & (ids != 0)
        features = self.corpus.compiled[torch.from_numpy(rows).to(self.device)]
        known = ~torch.isnan(features)
        wanted = ((features - self.model.head.centre) / self.model.head.scale).clamp(-4, 4)
        with self.autocast():
            states = encoder.hidden(ids.masked_fill(hidden, MASK), bins.masked_fill(hidden, 0))
            guessed = guess(states).view(*ids.shape, config.narrow)[hidden]
            words = F.cross_entropy((guessed @ encoder.words.weight.T.to(guessed.dtype)).float(), ids[hidden])
            facts = profile(encoder.pool(states, encoder.present(ids))).float()
        return words + config.profile_weight * F.smooth_l1_loss(facts[known], wanted[known])

    def train(self) -> Forecaster:
        config, model = self.config, self.model
        encoder, head = list(model.encoder.parameters()), list(model.head.parameters())
        optimiser = torch.optim.AdamW(
            [{"params": encoder}, {"params": head}],
            lr=config.rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.98),
            fused=self.device.type == "cuda",
        )
        average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average)
        )
        started = time.monotonic()
        losses: list[float] = []
        for step in range(config.steps):
            model.train()
            done = self.progress(step / config.steps, started, 1 - config.pretrain_share)
            if done >= 1:
                break
            _set_rate(optimiser, [config.encoder_rate, config.head_rate], done)
            loss = self.loss(self.draws(), likelihood=done < config.likelihood_until)
            _step(optimiser, loss, [*encoder, *head])
            average.update_parameters(model)
            losses.append(loss.item() if step % 20 == 0 else losses[-1])
            if (step + 1) % config.report_every == 0:
                self.report(step + 1, started, losses, average.module)
        self.report(step + 1, started, losses, average.module)
        return average.module

    def progress(self, share: float, started: float, share_of_time: float) -> float:
        """How much of a stage is done, by steps or, where time is limited, by the clock."""
        limit = self.config.limit_seconds * share_of_time
        return share if limit <= 0 else max(share, (time.monotonic() - started) / limit)

    def report(self, step: int, started: float, losses: list[float], model: Forecaster) -> None:
        scores = {split: judge(model, corpus) for split, corpus in self.judged.items()}
        _report("train", step, started, {"loss": float(np.mean(losses[-self.config.report_every :])), **scores})

    def draws(self) -> list[Draw]:
        chosen = self.rng.choice(len(self.tasks), min(len(self.tasks), self.config.tasks_per_step), replace=False)
        return [draw(int(i), self.tasks[i], self.config.candidates, self.rng) for i in chosen]

    def loss(self, draws: list[Draw], likelihood: bool = False) -> torch.Tensor:
        """Loss of a step's forecasts; with `likelihood` the log score alone judges the runtimes."""
        config = self.config
        # One shape for all steps, so that the fused loss is compiled once.
        most, wide = 1 + config.candidates + max(OTHER_ANCHORS), config.candidates
        anchors = np.stack([np.pad(d.anchors, (0, most - len(d.anchors))) for d in draws])
        candidates = np.stack([np.pad(d.candidates, (0, wide - len(d.candidates)), mode="edge") for d in draws])
        picked = np.concatenate([anchors, candidates], axis=1)
        vectors = self.encode(draws, picked)
        features, target, ok = self.describe(draws, picked)
        count = torch.tensor([len(d.anchors) for d in draws], device=self.device)
        alike = [self.alike(d.task, c, a) for d, c, a in zip(draws, candidates, anchors, strict=True)]
        with self.autocast():
            out = self.model.head(
                vectors[:, most:],
                features[:, most:],
                vectors[:, :most],
                features[:, :most],
                torch.nan_to_num(target[:, :most]),
                count,
                torch.stack(alike),
            ).float()
        real = (
            torch.arange(wide, device=self.device)[None, :]
            < torch.tensor([len(d.candidates) for d in draws], device=self.device)[:, None]
        )
        truth, works = torch.nan_to_num(target[:, most:]), ok[:, most:] & real
        bound = torch.nan_to_num(target[:, :most]).unsqueeze(1) - float(np.log2(1.02))
        by_crps, by_log, by_win = self.scores(out, truth, bound)
        median, odds = out[..., 0], out[..., 3]
        total = config.ok_weight * F.binary_cross_entropy_with_logits(odds[real], ok[:, most:][real].float())
        score = by_log if likelihood else config.crps_weight * by_crps + config.log_weight * by_log
        total = total + score[works].mean()
        if config.win_weight > 0:
            total = total + config.win_weight * self.win_loss(draws, by_win, works)
        if config.rank_weight > 0:
            gap = truth[:, :, None] - truth[:, None, :]
            counted = (gap > 0.1375) & works[:, :, None] & works[:, None, :]
            total = total + config.rank_weight * F.softplus(-4 * (median[:, :, None] - median[:, None, :])[counted]).mean()
        return total

    def win_loss(self, draws: list[Draw], loss: torch.Tensor, works: torch.Tensor) -> torch.Tensor:
        """Mean of the loss of "faster than this anchor by 2 %": of parents among the anchors, and of all anchors."""
        there = torch.zeros(loss.shape, dtype=torch.bool)
        parent = torch.zeros(loss.shape, dtype=torch.bool)
        for row, d in enumerate(draws):
            there[row, : len(d.candidates), : len(d.anchors)] = True
            same = self.tasks[d.task].parents[d.candidates][:, None] == d.anchors[None, :]
            parent[row, : len(d.candidates), : len(d.anchors)] = torch.from_numpy(same)
        there, parent = (part.to(loss.device) & works.unsqueeze(-1) for part in (there, parent))
        return 0.3 * loss[there].mean() + loss[parent].sum() / parent.sum().clamp(min=1)

    def alike(self, task: int, candidates: np.ndarray, anchors: np.ndarray) -> torch.Tensor:
        rows, columns = (torch.from_numpy(part).to(self.device) for part in (candidates, anchors))
        return self.corpus.alike[task][rows[:, None], columns[None, :]]

    def rows(self, draws: list[Draw], picked: np.ndarray) -> np.ndarray:
        return picked + self.corpus.first[[d.task for d in draws]][:, None]

    def encode(self, draws: list[Draw], picked: np.ndarray) -> torch.Tensor:
        shape = (*picked.shape, self.config.width)
        if not self.config.use_text:
            return torch.zeros(shape, device=self.device)
        rows, places = np.unique(self.rows(draws, picked), return_inverse=True)
        groups = groups_by_length(self.corpus.lengths[rows], self.config.kernels_per_group)
        vectors = []
        for group in groups:
            ids, bins = self.corpus.words(rows[group])
            with self.autocast():
                vectors.append(self.model.encoder(disguise(ids, self.augmentation), bins).float())
        order = np.argsort(np.concatenate(groups))[places.reshape(-1)]
        encoded = torch.cat(vectors)[torch.from_numpy(order).to(self.device)].view(shape)
        kept = torch.rand(len(draws), 1, 1, device=self.device) >= (self.config.text_loss if self.config.use_features else 0.0)
        return encoded * kept

    def describe(self, draws: list[Draw], picked: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        config, corpus = self.config, self.corpus
        rows = torch.from_numpy(self.rows(draws, picked)).to(self.device)
        has_evidence = torch.rand(len(draws), 1, 1, device=self.device) < 0.5
        features = torch.where(has_evidence, corpus.compiled[rows], corpus.bare[rows])
        noise = torch.randn_like(features) * config.feature_noise * self.model.head.scale
        lost = torch.rand(len(draws), 1, features.shape[-1], device=self.device) < config.feature_loss
        if config.use_text:
            lost = lost | (torch.rand(len(draws), 1, 1, device=self.device) < config.facts_loss)
        features = (features + noise).masked_fill(lost, float("nan"))
        return features, corpus.target[rows], corpus.ok[rows]


def _set_rate(optimiser: torch.optim.Optimizer, rates: list[float], done: float) -> None:
    """Linear rise over 5 %, then a cosine to nothing."""
    factor = done / 0.05 if done < 0.05 else 0.5 * (1 + np.cos(np.pi * (done - 0.05) / 0.95))
    for group, rate in zip(optimiser.param_groups, rates * len(optimiser.param_groups), strict=False):
        group["lr"] = rate * factor


def _step(optimiser: torch.optim.Optimizer, loss: torch.Tensor, parameters: list[torch.nn.Parameter]) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()


def _report(stage: str, step: int, started: float, values: dict) -> None:
    line = {"stage": stage, "step": step, "seconds": round(time.monotonic() - started, 1), **values}
    print(json.dumps(line, default=float), flush=True)


def read_config(given: list[str]) -> Config:
    """Settings of files and JSON objects; later ones win."""
    values: dict = {}
    for text in given:
        values |= json.loads(text if text.lstrip().startswith("{") else Path(text).read_text())
    unknown = set(values) - {field.name for field in fields(Config)}
    if unknown:
        raise SystemExit(f"--config: unknown setting {', '.join(sorted(unknown))}")
    return Config(**values)


def curve(trainer: Trainer, model: Forecaster, name: str) -> list[dict]:
    """A point of the learning curve for each split and view: how much was learned from, and the scores."""
    config = trainer.config
    learned = {
        "tasks": len(trainer.tasks),
        "families": len({task.family for task in trainer.tasks}),
        "kernels": sum(len(task.ok) for task in trainer.tasks),
        "share": config.train_kernels,
        "seed": config.seed,
    }
    return [
        {"forecaster": name, **learned, "split": split, "view": view, "scores": scores | {"auroc of p_ok": scores["auroc_ok"]}}
        for split in config.curve_splits
        for view, scores in judge(model, Corpus(trainer.data.of_split(split), trainer.device)).items()
    ]


def speed_up() -> None:
    """cuDNN would plan attention anew for every shape."""
    torch.backends.cuda.enable_cudnn_sdp(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="embedded", help="what the learning curve's points are called")
    parser.add_argument("--config", nargs="*", default=[], help="settings: files, or JSON objects; later ones win")
    arguments = parser.parse_args()
    config = read_config(arguments.config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    if device.type == "cuda":
        speed_up()
    trainer = Trainer(config, load_dataset(arguments.data), device)
    size = sum(p.numel() for p in trainer.model.parameters())
    _report("start", 0, time.monotonic(), {"parameters": size, "tasks": len(trainer.tasks), "config": asdict(config)})
    trainer.pretrain()
    model = trainer.train()
    arguments.out.mkdir(parents=True, exist_ok=True)
    points = curve(trainer, model, arguments.name)
    (arguments.out / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    weights = {name: value.half() if value.dtype == torch.float32 else value for name, value in model.state_dict().items()}
    torch.save({"shape": model.shape.to_dict(), "config": asdict(config), "weights": weights}, arguments.out / "model.pt")


if __name__ == "__main__":
    main()
