"""What a run leaves for use: merged weights, a GGUF, and a model card written from what happened."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List

from .config import Config
from .events import Events
from .gguf_file import write_gguf
from .models import adapter_folder, load_base, pick_device


def export(config: Config, events: Events) -> None:
    from peft import PeftModel

    out = Path(config.out)
    adapter = adapter_folder(config.out)
    files: Dict[str, str] = {"adapter": str(adapter)}
    if config.export.merged or config.export.gguf:
        model, tokenizer = load_base(config.model, pick_device())
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        if config.export.merged:
            merged.save_pretrained(str(out / "merged"))
            tokenizer.save_pretrained(str(out / "merged"))
            files["merged"] = str(out / "merged")
        if config.export.gguf:
            source = Path(config.model.base)
            if source.suffix != ".gguf":
                raise ValueError(
                    "export.gguf needs a model that came from a GGUF; set export.merged, and use llama.cpp's converter"
                )
            path = out / f"{config.name}-{config.export.gguf}.gguf"
            write_gguf(source, merged.state_dict(), path, config.export.gguf)
            files["gguf"] = str(path)
    card = out / "MODEL_CARD.md"
    card.write_text(model_card(config, read_events(out)))
    digests = {name: sha256(Path(path)) for name, path in files.items() if Path(path).is_file()}
    events.emit("export", files={**files, "card": str(card)}, sha256=digests)


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
    names = ("correctness", "correctness+crps", "crps", "log score", "coverage 80", "unread")
    if judged:
        lines += ["", f"| split | step | kernels | {' | '.join(names)} |", f"|---|---|---|{'---|' * len(names)}"]
    for one in judged:
        values = " | ".join("" if one[name] is None else f"{one[name]:.3f}" for name in names)
        lines.append(f"| {one['split']} | {one.get('step', 'end')} | {one['kernels']} | {values} |")
    lines += ["", "Settings:", "", "```json", json.dumps(_settings(config), indent=1), "```", ""]
    return "\n".join(lines)


def _settings(config: Config) -> Dict[str, Any]:
    """Without the machine's paths."""
    import dataclasses

    values = dataclasses.asdict(config)
    del values["data"], values["out"], values["model"]["base"]
    values["model"]["adapters"] = [Path(one).name for one in values["model"]["adapters"]]
    return values
