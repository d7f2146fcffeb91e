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

from .batches import Augmentation, Draw, disguise, draw, groups_by_length, pad, padded_length
from .data import Dataset, load_dataset
from .judge import judge
from .model import Forecaster, Shape, widths
from .scores import below, crps, log_score

MASK = 1


@dataclass
class Config:
    """All that a training run depends on, besides the data."""

    seed: int = 1
    width: int = 192
    layers: int = 6
    heads: int = 6
    inner: int = 512
    described: int = 128
    dropout: float = 0.1
    use_text: bool = True
    use_features: bool = True
    pretrain_steps: int = 2000
    pretrain_tokens: int = 131072
    profile_weight: float = 2.0
    steps: int = 3000
    tasks_per_step: int = 8
    candidates: int = 20
    tokens_per_group: int = 65536
    rate: float = 1e-3
    head_rate: float = 1e-3
    weight_decay: float = 0.05
    crps_weight: float = 1.0
    log_weight: float = 0.3
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
    text_loss: float = 0.1
    report_every: int = 500
    train_splits: list[str] = field(default_factory=lambda: ["train"])
    judge_splits: list[str] = field(default_factory=lambda: ["validation"])


class Trainer:
    """One training run."""

    def __init__(self, config: Config, data: Dataset, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.data, self.device = config, data, device
        self.rng = np.random.default_rng(config.seed)
        self.tasks = [task for split in config.train_splits for task in data.of_split(split)]
        self.judged = {split: data.of_split(split) for split in config.judge_splits}
        meta = data.meta
        names = {field.name for field in fields(Shape)}
        chosen = {name: value for name, value in asdict(config).items() if name in names}
        self.shape = Shape(
            vocabulary=meta["vocabularySize"], magnitudes=meta["magnitudeBins"], features=len(meta["featureNames"]), **chosen
        )
        self.model = Forecaster(self.shape).to(device)
        self.augmentation = Augmentation(config.word_loss, config.shuffled_names, meta["firstName"], meta["nameSlots"])
        self.fit_features()

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
        guess = torch.nn.Linear(config.width, self.shape.vocabulary).to(self.device)
        profile = torch.nn.Linear(config.width, self.shape.features).to(self.device)
        parameters = [*model.encoder.parameters(), *guess.parameters(), *profile.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=config.rate, weight_decay=config.weight_decay, betas=(0.9, 0.98))
        kernels = [(task, index) for task in self.tasks for index in range(len(task.ids))]
        by_length: dict[int, list[int]] = {}
        for place, (task, index) in enumerate(kernels):
            by_length.setdefault(padded_length(len(task.ids[index])), []).append(place)
        started = time.monotonic()
        for step in range(config.pretrain_steps):
            done = self.progress(step / config.pretrain_steps, started, config.pretrain_share)
            if done >= 1:
                break
            _set_rate(optimiser, [config.rate], done)
            loss = self.guess_words([kernels[i] for i in self.pick_group(by_length)], guess, profile)
            _step(optimiser, loss, parameters)
            if (step + 1) % config.report_every == 0:
                _report("pretrain", step + 1, started, {"loss": loss.item()})

    def pick_group(self, by_length: dict[int, list[int]]) -> np.ndarray:
        """Kernels of one padded length, lengths drawn by their share of all words."""
        weights = np.array([length * len(rows) for length, rows in by_length.items()])
        length, rows = list(by_length.items())[self.rng.choice(len(by_length), p=weights / weights.sum())]
        size = min(len(rows), max(1, self.config.pretrain_tokens // length))
        return self.rng.choice(rows, size, replace=False)

    def guess_words(self, chosen: list, guess: torch.nn.Linear, profile: torch.nn.Linear) -> torch.Tensor:
        """Loss of guessing hidden words, and of guessing what the analysis and the compiler say of the kernel."""
        rule = Augmentation(0, self.config.shuffled_names, self.augmentation.first_name, self.augmentation.name_slots)
        plain = [disguise(task.ids[index], rule, self.rng) for task, index in chosen]
        batch = pad(plain, [task.magnitudes[index] for task, index in chosen], self.device)
        hidden = (torch.rand(batch.ids.shape, device=self.device) < 0.2) & batch.present
        features = torch.from_numpy(np.stack([task.compiled[index] for task, index in chosen])).to(self.device)
        known = ~torch.isnan(features)
        wanted = ((features - self.model.head.centre) / self.model.head.scale).clamp(-4, 4)
        with self.autocast():
            ids, bins = batch.ids.masked_fill(hidden, MASK), batch.magnitudes.masked_fill(hidden, 0)
            states = self.model.encoder.hidden(ids, bins)
            words = F.cross_entropy(guess(states[hidden]).float(), batch.ids[hidden])
            facts = profile(self.model.encoder.pool(states, batch.present)).float()
        return words + self.config.profile_weight * F.smooth_l1_loss(facts[known], wanted[known])

    def train(self) -> Forecaster:
        config, model = self.config, self.model
        encoder, head = list(model.encoder.parameters()), list(model.head.parameters())
        optimiser = torch.optim.AdamW(
            [{"params": encoder}, {"params": head}], lr=config.rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
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
            _set_rate(optimiser, [0.5 * config.rate, config.head_rate], done)
            loss = self.loss(self.draws())
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
        scores = {split: judge(model, tasks, self.device) for split, tasks in self.judged.items()}
        _report("train", step, started, {"loss": float(np.mean(losses[-self.config.report_every :])), **scores})

    def draws(self) -> list[Draw]:
        chosen = self.rng.choice(len(self.tasks), min(len(self.tasks), self.config.tasks_per_step), replace=False)
        return [draw(self.tasks[i], self.config.candidates, self.rng) for i in chosen]

    def loss(self, draws: list[Draw]) -> torch.Tensor:
        config = self.config
        most = max(len(d.anchors) for d in draws)
        wide = max(len(d.candidates) for d in draws)
        anchors = np.stack([np.pad(d.anchors, (0, most - len(d.anchors))) for d in draws])
        candidates = np.stack([np.pad(d.candidates, (0, wide - len(d.candidates)), mode="edge") for d in draws])
        picked = np.concatenate([anchors, candidates], axis=1)
        vectors = self.encode(draws, picked)
        features, target, ok = self.describe(draws, picked)
        count = torch.tensor([len(d.anchors) for d in draws], device=self.device)
        alike = [d.task.alike[c[:, None], a[None, :]] for d, c, a in zip(draws, candidates, anchors, strict=True)]
        with self.autocast():
            out = self.model.head(
                vectors[:, most:],
                features[:, most:],
                vectors[:, :most],
                features[:, :most],
                torch.nan_to_num(target[:, :most]),
                count,
                torch.from_numpy(np.stack(alike)).to(self.device),
            ).float()
        real = (
            torch.arange(wide, device=self.device)[None, :]
            < torch.tensor([len(d.candidates) for d in draws], device=self.device)[:, None]
        )
        truth, works = torch.nan_to_num(target[:, most:]), ok[:, most:] & real
        median, low, high, odds = widths(out)
        total = config.ok_weight * F.binary_cross_entropy_with_logits(odds[real], ok[:, most:][real].float())
        score = config.crps_weight * crps(median, low, high, truth) + config.log_weight * log_score(median, low, high, truth)
        total = total + score[works].mean()
        if config.win_weight > 0:
            total = total + config.win_weight * self.win_loss(draws, target[:, :most], truth, works, out)
        if config.rank_weight > 0:
            gap = truth[:, :, None] - truth[:, None, :]
            counted = (gap > 0.1375) & works[:, :, None] & works[:, None, :]
            total = total + config.rank_weight * F.softplus(-4 * (median[:, :, None] - median[:, None, :])[counted]).mean()
        return total

    def win_loss(
        self, draws: list[Draw], times: torch.Tensor, truth: torch.Tensor, works: torch.Tensor, out: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of "faster than this anchor by 2 %": of parents among the anchors, and of all anchors."""
        median, low, high, _ = (part.unsqueeze(-1) for part in widths(out))
        bound = torch.nan_to_num(times).unsqueeze(1) - float(np.log2(1.02))
        distance = bound - median
        p = below(distance, low, high).clamp(1e-4, 1 - 1e-4)
        loss = F.binary_cross_entropy(p, (truth.unsqueeze(-1) < bound).float(), reduction="none")
        there = torch.zeros(p.shape, dtype=torch.bool)
        parent = torch.zeros(p.shape, dtype=torch.bool)
        for row, d in enumerate(draws):
            there[row, : len(d.candidates), : len(d.anchors)] = True
            same = d.task.parents[d.candidates][:, None] == d.anchors[None, :]
            parent[row, : len(d.candidates), : len(d.anchors)] = torch.from_numpy(same)
        there, parent = there.to(p.device) & works.unsqueeze(-1), parent.to(p.device) & works.unsqueeze(-1)
        return 0.3 * loss[there].mean() + loss[parent].sum() / parent.sum().clamp(min=1)

    def encode(self, draws: list[Draw], picked: np.ndarray) -> torch.Tensor:
        shape = (*picked.shape, self.config.width)
        if not self.config.use_text:
            return torch.zeros(shape, device=self.device)
        ids = [disguise(d.task.ids[i], self.augmentation, self.rng) for d, row in zip(draws, picked, strict=True) for i in row]
        bins = [d.task.magnitudes[i] for d, row in zip(draws, picked, strict=True) for i in row]
        vectors, places = [], []
        for rows in groups_by_length([len(row) for row in ids], self.config.tokens_per_group):
            batch = pad([ids[r] for r in rows], [bins[r] for r in rows], self.device)
            with self.autocast():
                vectors.append(self.model.encoder(batch.ids, batch.magnitudes).float())
            places.append(rows)
        order = torch.from_numpy(np.argsort(np.concatenate(places))).to(self.device)
        encoded = torch.cat(vectors)[order].view(shape)
        kept = torch.rand(len(draws), 1, 1, device=self.device) >= (self.config.text_loss if self.config.use_features else 0.0)
        return encoded * kept

    def describe(self, draws: list[Draw], picked: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        config = self.config
        views = [d.task.compiled if self.rng.random() < 0.5 else d.task.bare for d in draws]
        features = torch.from_numpy(np.stack([v[row] for v, row in zip(views, picked, strict=True)])).to(self.device)
        noise = torch.randn_like(features) * config.feature_noise * self.model.head.scale
        lost = torch.rand(len(draws), 1, features.shape[-1], device=self.device) < config.feature_loss
        features = (features + noise).masked_fill(lost, float("nan"))
        target = torch.from_numpy(np.stack([d.task.target[row] for d, row in zip(draws, picked, strict=True)])).to(self.device)
        ok = torch.from_numpy(np.stack([d.task.ok[row] for d, row in zip(draws, picked, strict=True)])).to(self.device)
        return features, target, ok


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=json.loads, default={}, help="JSON object of settings")
    arguments = parser.parse_args()
    config = Config(**arguments.config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    trainer = Trainer(config, load_dataset(arguments.data), device)
    size = sum(p.numel() for p in trainer.model.parameters())
    _report("start", 0, time.monotonic(), {"parameters": size, "tasks": len(trainer.tasks), "config": asdict(config)})
    trainer.pretrain()
    model = trainer.train()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save(
        {"shape": model.shape.to_dict(), "config": asdict(config), "weights": model.state_dict()}, arguments.out / "model.pt"
    )


if __name__ == "__main__":
    main()
