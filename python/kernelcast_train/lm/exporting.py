"""What a run leaves for use: one adapter, merged weights, GGUFs of either, and a model card written from what happened."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List

from .config import Config
from .events import Events
from .gguf_file import write_adapter_gguf, write_gguf
from .joining import Joined, join, save_adapter
from .models import adapter_folder, load_base, pick_device


def export(config: Config, events: Events) -> None:
    out = Path(config.out)
    files: Dict[str, str] = {"adapter": str(adapter_folder(config.out))}
    told: Dict[str, Any] = {}
    if config.export.adapter or config.export.adapter_gguf:
        joined = join([adapter_folder(one) for one in [*config.model.adapters, config.out]], config.export.rank)
        told["rank"] = joined.rank
        files.update(_export_adapter(config, joined, out))
    if config.export.merged or config.export.gguf:
        files.update(_export_merged(config, out))
    card = out / "MODEL_CARD.md"
    card.write_text(model_card(config, read_events(out)))
    of_files = {name: Path(path) for name, path in files.items() if Path(path).is_file()}
    digests = {name: sha256(path) for name, path in of_files.items()}
    sizes = {name: path.stat().st_size for name, path in of_files.items()}
    events.emit("export", files={**files, "card": str(card)}, sha256=digests, bytes=sizes, **told)


def _export_adapter(config: Config, joined: Joined, out: Path) -> Dict[str, str]:
    """What was learned since the base, as one adapter."""
    files = {}
    if config.export.adapter:
        folder = out / f"{config.name}-adapter"
        save_adapter(joined, folder, Path(config.model.base).name)
        files["joined adapter"] = str(folder / "adapter_model.safetensors")
    if config.export.adapter_gguf:
        path = out / f"{config.name}-adapter.gguf"
        write_adapter_gguf(_source(config, "export.adapter_gguf", "export.adapter"), joined, path)
        files["adapter gguf"] = str(path)
    return files


def _export_merged(config: Config, out: Path) -> Dict[str, str]:
    from peft import PeftModel

    files = {}
    model, tokenizer = load_base(config.model, pick_device())
    merged = PeftModel.from_pretrained(model, str(adapter_folder(config.out))).merge_and_unload()
    if config.export.merged:
        merged.save_pretrained(str(out / "merged"))
        tokenizer.save_pretrained(str(out / "merged"))
        files["merged"] = str(out / "merged")
    if config.export.gguf:
        path = out / f"{config.name}-{config.export.gguf}.gguf"
        write_gguf(_source(config, "export.gguf", "export.merged"), merged.state_dict(), path, config.export.gguf)
        files["gguf"] = str(path)
    return files


def _source(config: Config, setting: str, instead: str) -> Path:
    source = Path(config.model.base)
    if source.suffix != ".gguf":
        raise ValueError(f"{setting} needs a model that came from a GGUF; set {instead}, and use llama.cpp's converter")
    return source


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def read_events(out: Path) -> List[Dict[str, Any]]:
    path = out / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def model_card(config: Config, happened: List[Dict[str, Any]]) -> str:
    """From the events alone: what was not run is not told."""
    starts = [one for one in happened if one["event"] == "start"]
    judged = [one for one in happened if one["event"] == "judge"]
    meta = json.loads((Path(config.data) / "meta.json").read_text())
    lines = [f"# {config.name}", ""]
    base = Path(config.model.base).name
    asked = f"form `{meta['form']}`, on {meta['recording']}, {meta['device']}"
    lines.append(f"Forecasts CUDA kernels. Trained from `{base}`, {asked}.\n")
    for one in starts:
        lines.append(
            f"- {one['kind']}: {one['trained']} of {one['parameters']} parameters, "
            f"from step {one['resumed_from']} of {one['steps']}, on {one['device']}, PyTorch {one['torch']}"
        )
    for one in (event for event in happened if event["event"] in ("stop", "done")):
        lines.append(f"- {one['event']}: {one['spent_seconds']:.0f} s of training so far")
    names = ("correctness", "correctness+crps", "crps", "pairwise", "log score", "coverage 80", "unread")
    if judged:
        lines += ["", f"| split | step | kernels | {' | '.join(names)} |", f"|---|---|---|{'---|' * len(names)}"]
    for one in judged:
        values = " | ".join("" if one.get(name) is None else f"{one[name]:.3f}" for name in names)
        lines.append(f"| {one['split']} | {one.get('step', 'end')} | {one['kernels']} | {values} |")
    lines += ["", "Settings:", "", "```json", json.dumps(_settings(config), indent=1), "```", ""]
    return "\n".join(lines)


def _settings(config: Config) -> Dict[str, Any]:
    """Without the machine's paths."""
    import dataclasses

    values = dataclasses.asdict(config)
    del values["data"], values["out"], values["model"]["base"], values["model"]["keep"]
    values["model"]["adapters"] = [Path(one).name for one in values["model"]["adapters"]]
    return values
