"""
Forecasts of a model for the prompts of a split, and what they score. `kernelcast evaluate --forecaster recorded:FILE` judges them
beside others.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch

from .config import Config
from .data import Data, Example, open_data
from .events import Events
from .mixing import mix
from .models import adapter_folder, last_log_probabilities, letter_ids, load_base, pick_device, prompt_rows
from .read_answer import SIGMAS_TO_90, Belief, read_answers
from .rewards import UNREAD, belief_of_bins, reward, score
from .training import parts
from .writing import write_answers

DECIDED = math.log2(1.1)
# That of CRPS alone is told by the scores that it is made of.
REWARDS = tuple(name for name in UNREAD if name != "crps")
Readings = List[Dict[str, Belief]]


def evaluate(config: Config, events: Events) -> None:
    """Judges the run's adapter, where it has one, else the model as it is, on all of the split."""
    from peft import PeftModel

    data = open_data(config.data)
    model, tokenizer = load_base(config.model, pick_device())
    out = Path(config.out)
    is_trained = (out / "adapter" / "adapter_config.json").exists()
    if is_trained:
        model = PeftModel.from_pretrained(model, str(adapter_folder(config.out))).merge_and_unload()
    everything = data.split(config.judge.split)
    most = config.model.max_prompt_tokens
    asked = [(one, row) for one, row in zip(everything, prompt_rows(tokenizer, everything)) if len(row) <= most]
    examples = [one for one, _ in asked]
    events.emit("data", split=config.judge.split, examples=len(examples), too_long=len(everything) - len(examples))
    scores, readings = judge(model, tokenizer, data, examples, [row for _, row in asked], config)
    path = out / f"forecasts-{config.judge.split}.jsonl"
    rows = forecast_rows(config.name, data, examples, readings)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    about = {"split": config.judge.split, "adapter": is_trained, "forecasts": len(rows), "file": str(path)}
    events.emit("judge", **about, **scores)


@torch.no_grad()
def judge(
    model: Any, tokenizer: Any, data: Data, examples: Sequence[Example], ids: Sequence[Sequence[int]], config: Config
) -> Tuple[Dict[str, float], Readings]:
    """Scores and readings by the examples' prompts, as tokens; they depend on nothing drawn but by the run's seed."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=config.model.dtype == "bfloat16"):
        if data.form == "bins-logprobs":
            readings = read_letters(model, tokenizer, data, examples, ids, config.judge.batch)
        else:
            readings = read_texts(model, tokenizer, data.form, examples, ids, config)
    model.train(was_training)
    return score_readings(data, examples, readings), readings


def read_texts(
    model: Any, tokenizer: Any, form: str, examples: Sequence[Example], ids: Sequence[Sequence[int]], config: Config
) -> Readings:
    """Of the likeliest answer to each prompt, or of several that are drawn, as mixtures."""
    judging = config.judge
    copies = max(1, judging.samples)
    temperature = config.rl.temperature if judging.samples > 0 else 0.0
    torch.manual_seed(config.seed)
    limits = {"max_new_tokens": judging.max_new_tokens, "batch": judging.batch, "copies": copies}
    answers = write_answers(model, tokenizer, ids, temperature=temperature, **limits)
    readings: Readings = []
    for one, (start, end) in zip(examples, parts(len(answers), copies)):
        read = read_answers(tokenizer, form, answers[start:end], one.labels, one.scale_log2_us)
        found = {label: [each[label] for each in read if label in each] for label in one.labels}
        readings.append({label: mix(own) if judging.samples > 0 else own[0] for label, own in found.items() if own})
    return readings


def read_letters(
    model: Any, tokenizer: Any, data: Data, examples: Sequence[Example], ids: Sequence[Sequence[int]], batch: int
) -> Readings:
    letters = letter_ids(tokenizer, data.bins)
    readings: Readings = []
    for start, end in parts(len(ids), batch):
        rows = last_log_probabilities(model, ids[start:end], tokenizer.pad_token_id)[:, letters].exp().tolist()
        for row, one in zip(rows, examples[start:end]):
            works = sum(row[:-1])
            p_ok = min(0.999, max(0.001, works / (works + row[-1])))
            readings.append({one.kernels[0].label: belief_of_bins(row[:-1], p_ok, one.scale_log2_us, data.bins)})
    return readings


def score_readings(data: Data, examples: Sequence[Example], readings: Readings) -> Dict[str, float]:
    """Means over tasks of means over kernels. CRPS, log score and coverage are of working kernels with a forecast."""
    tasks: Dict[str, List[Dict[str, Optional[float]]]] = {}
    orders: Dict[str, List[Tuple[float, float]]] = {}
    for one, read in zip(examples, readings):
        for truth in one.kernels:
            belief = read.get(truth.label)
            known = score(belief, truth.log2_us) if belief and truth.log2_us is not None else None
            row: Dict[str, Optional[float]] = {
                name: reward(name, belief, truth.log2_us, one.scale_log2_us, data.bins, known) for name in REWARDS
            }
            row["unread"] = float(belief is None)
            if belief:
                row["p_ok brier"] = (belief.p_ok - float(truth.log2_us is not None)) ** 2
            if belief and known and truth.log2_us is not None:
                orders.setdefault(one.task_id, []).append((belief.m, truth.log2_us))
                row |= {"crps": known.crps, "log score": known.log}
                low, high = belief.m - SIGMAS_TO_90 * belief.sigma_low, belief.m + SIGMAS_TO_90 * belief.sigma_high
                row["coverage 80"] = float(low <= truth.log2_us <= high)
            tasks.setdefault(one.task_id, []).append(row)
    names = [*REWARDS, "unread", "p_ok brier", "crps", "log score", "coverage 80"]
    means = {name: [_mean([row[name] for row in rows if name in row]) for rows in tasks.values()] for name in names}
    means["pairwise"] = [pairwise(forecasts) for forecasts in orders.values()]
    scores = {name: _mean([one for one in values if not math.isnan(one)]) for name, values in means.items()}
    return {**scores, "tasks": len(tasks), "kernels": sum(len(rows) for rows in tasks.values())}


def pairwise(forecasts: Sequence[Tuple[float, float]]) -> float:
    """Share of the pairs whose log2 times are in the forecast order, of those that are 10 % apart or more; ties count one half."""
    right, pairs = 0.0, 0
    for index, (said, true) in enumerate(forecasts):
        for other_said, other_true in forecasts[:index]:
            if abs(true - other_true) >= DECIDED:
                pairs += 1
                right += 0.5 if said == other_said else float((said > other_said) == (true > other_true))
    return right / pairs if pairs else math.nan


def _mean(values: Sequence[Any]) -> float:
    return sum(values) / len(values) if values else math.nan


def forecast_rows(name: str, data: Data, examples: Sequence[Example], readings: Readings) -> List[Dict[str, Any]]:
    """Rows of the recording format's table `forecasts`."""
    rows = []
    for one, read in zip(examples, readings):
        for truth in one.kernels:
            belief = read.get(truth.label)
            if belief is None:
                continue
            ends = (-SIGMAS_TO_90 * belief.sigma_low, 0.0, SIGMAS_TO_90 * belief.sigma_high)
            times = {part: float(f"{2 ** (belief.m + end):.7g}") for part, end in zip(("p10", "p50", "p90"), ends)}
            about = {"anchor_ids": list(one.anchor_ids), "device": data.meta["device"], "prompt_sha256": one.prompt_sha256}
            rows.append({"forecaster": name, "kernel_id": truth.kernel_id, "p_ok": belief.p_ok, "runtime_us": times, **about})
    return rows
