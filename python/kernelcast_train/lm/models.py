"""Models, their tokenizers and adapters."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from .config import Model
from .data import Bins, Example

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_base(config: Model, device: torch.device) -> Tuple[Any, Any]:
    """The model with earlier adapters merged, and its tokenizer."""
    from peft import PeftModel
    from transformers import AutoTokenizer

    path = Path(config.base)
    if not path.exists():
        raise ValueError(f"model.base: {config.base} is not there")
    kept = _kept_folder(config)
    if kept is not None and (kept / "config.json").exists():
        tokenizer, model = AutoTokenizer.from_pretrained(str(kept)), _load(str(kept), config)
    else:
        place, options = (str(path.parent), {"gguf_file": path.name}) if path.suffix == ".gguf" else (str(path), {})
        tokenizer, model = AutoTokenizer.from_pretrained(place, **options), _load(place, config, **options)
        forget_quantisation(model)
        if kept is not None:
            _keep(model, tokenizer, kept)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    for adapter in config.adapters:
        model = PeftModel.from_pretrained(model, str(adapter_folder(adapter))).merge_and_unload()
    return model.to(device), tokenizer


def _load(place: str, config: Model, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(place, dtype=DTYPES[config.dtype], **options)


def _kept_folder(config: Model) -> Optional[Path]:
    """Its name has what decides its content."""
    path = Path(config.base)
    if config.keep is None or path.suffix != ".gguf":
        return None
    return Path(config.keep) / f"{path.stem}-{path.stat().st_size}-{config.dtype}"


def _keep(model: Any, tokenizer: Any, folder: Path) -> None:
    """Whole or not at all, whoever else does the same."""
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    model.save_pretrained(str(fresh))
    tokenizer.save_pretrained(str(fresh))
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh)


def forget_quantisation(model: Any) -> None:
    """A model that was read from a GGUF holds plain weights, but is still taken for quantised, and then not saved."""
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def adapter_folder(path: str) -> Path:
    """The adapter of a run's folder, or the folder itself."""
    for folder in (Path(path) / "adapter", Path(path)):
        if (folder / "adapter_config.json").exists():
            return folder
    raise ValueError(f"{path} holds no adapter")


def with_adapter(model: Any, config: Model, seed: int) -> Any:
    """The model with a new adapter, which alone is trained."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    lora = config.lora
    settings = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets), task_type="CAUSAL_LM"
    )
    if config.checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model = get_peft_model(model, settings)
    for parameter in trained(model):
        parameter.data = parameter.data.float()
    return model


def trained(model: Any) -> List[Tensor]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def prompt_rows(tokenizer: Any, examples: Sequence[Example]) -> List[List[int]]:
    """Prompts as the model's chat format has them, up to where the answer begins."""
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "system", "content": one.system}, {"role": "user", "content": one.prompt}],
            tokenize=False,
            add_generation_prompt=True,
        )
        for one in examples
    ]
    return tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []


def answer_ids(tokenizer: Any, text: str) -> List[int]:
    return [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


def letter_ids(tokenizer: Any, bins: Bins) -> List[int]:
    """One token for each letter, failure last; ValueError for a vocabulary that has none."""
    ids = [tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in [*bins.letters, bins.failure]]
    if any(len(one) != 1 for one in ids):
        raise ValueError("the model's vocabulary has no token for each letter of a bin; train on quantiles")
    return [one[0] for one in ids]


def pad(rows: Sequence[Sequence[int]], value: int, left: bool, device: torch.device) -> Tuple[Tensor, Tensor]:
    """Rows of one length, and which of it is theirs."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), value, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place] = torch.tensor(row)
        mask[index, place] = 1
    return ids.to(device), mask.to(device)


def answer_log_probabilities(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], pad_id: int, temperature: float = 1.0
) -> Tuple[Tensor, Tensor]:
    """log P of each token of the answers [rows, longest answer], and which are theirs."""
    device = next(model.parameters()).device
    width = max(len(row) for row in answers)
    # Answers end where the rows end, so that only their positions need logits.
    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers)]
    padded = [[*row, *[pad_id] * (width - len(answer))] for row, answer in zip(rows, answers)]
    ids, _ = pad(padded, pad_id, True, device)
    mask = torch.zeros_like(ids)
    for index, (row, answer) in enumerate(zip(rows, answers)):
        end = ids.shape[1] - (width - len(answer))
        mask[index, end - len(row) : end] = 1
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=width + 1, use_cache=False)
    logits = out.logits[:, :-1].float() / temperature
    chosen = logits.gather(2, ids[:, -width:].unsqueeze(2)).squeeze(2) - logits.logsumexp(dim=2)
    return chosen, mask[:, -width:].bool()


def group_log_probabilities(
    model: Any,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[Sequence[int]]],
    pad_id: int,
    temperature: float = 1.0,
) -> Tensor:
    """
    The same for several answers to each of a few prompts, [prompts, answers, longest answer]. A prompt is read once: its answers
    stand behind it one after the other, each at the same positions, and none sees another.
    """
    device = next(model.parameters()).device
    count, width = len(answers[0]), max(len(row) for group in answers for row in group)
    padded = torch.full((len(prompts), count, width), pad_id, dtype=torch.long)
    for index, group in enumerate(answers):
        for place, row in enumerate(group):
            padded[index, place, : len(row)] = torch.tensor(row)
    padded = padded.to(device)
    ids, mask = pad(prompts, pad_id, True, device)
    first, memory = read_prompts(model, ids, mask)
    answer_of, place_of = torch.arange(count, device=device).repeat_interleave(width), torch.arange(width, device=device).repeat(count)
    own = (answer_of.unsqueeze(1) == answer_of) & (place_of.unsqueeze(1) >= place_of)
    seen = torch.cat([mask.bool().unsqueeze(1).expand(-1, count * width, -1), own.expand(len(prompts), -1, -1)], dim=2)
    places = mask.sum(dim=1, keepdim=True) + place_of
    out = model(
        input_ids=padded.flatten(1), attention_mask=seen.unsqueeze(1), position_ids=places, past_key_values=memory, use_cache=True
    )
    after = out.logits.view(len(prompts), count, width, -1)[:, :, :-1]
    before = torch.cat([first[:, None, None].expand(-1, count, 1, -1), after], dim=2).float() / temperature
    return before.gather(3, padded.unsqueeze(3)).squeeze(3) - before.logsumexp(dim=3)


def read_prompts(model: Any, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Any]:
    """Logits after each prompt, which are padded on the left, and what the model remembers of them."""
    if bool(mask.all()):
        # Without a mask attention takes its fastest way.
        out = model(input_ids=ids, logits_to_keep=1, use_cache=True)
    else:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=True)
    return out.logits[:, -1], out.past_key_values


def last_log_probabilities(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """log P of the token after each prompt, over the whole vocabulary."""
    ids, mask = pad(prompts, pad_id, True, next(model.parameters()).device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False)
    return out.logits[:, -1].float().log_softmax(dim=1)
