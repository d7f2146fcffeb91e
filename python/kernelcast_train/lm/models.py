"""Models, their tokenizers and adapters."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from .attention import register
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
    # Before the model is loaded, which takes long.
    adapters = [str(adapter_folder(one)) for one in config.adapters]
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
    for adapter in adapters:
        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return model.to(device), tokenizer


def _load(place: str, config: Model, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM

    settings = {"dtype": DTYPES[config.dtype], "attn_implementation": register()}
    return AutoModelForCausalLM.from_pretrained(place, **settings, **options)


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
    raise ValueError(f"{path} holds no adapter; train that run first")


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
    for layer in model.modules():
        # Autocast makes of inputs what is needed.
        if hasattr(layer, "cast_input_dtype_enabled"):
            layer.cast_input_dtype_enabled = config.dtype == "float32"
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


def pad(rows: Sequence[Sequence[int]], value: int, device: torch.device) -> Tensor:
    """
    Rows of one length. What is added stands behind: no token sees what comes after it, so that no mask is needed, and attention
    takes its fastest way.
    """
    ids = torch.full((len(rows), max(len(row) for row in rows)), value, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    return ids.to(device)


def inner(model: Any) -> Tuple[Any, Any]:
    """The layers, and what makes logits of their last state; with whatever adapter is in them."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base.get_decoder(), base.get_output_embeddings()


def answer_log_probabilities(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], pad_id: int, temperature: float = 1.0
) -> Tuple[Tensor, Tensor]:
    """log P of each token of the answers [rows, longest answer], and which are theirs."""
    device = next(model.parameters()).device
    layers, head = inner(model)
    ids = pad([[*prompt, *answer] for prompt, answer in zip(prompts, answers)], pad_id, device)
    states = layers(input_ids=ids, use_cache=False).last_hidden_state
    width = max(len(row) for row in answers)
    first = torch.tensor([len(prompt) - 1 for prompt in prompts], device=device)
    places = first.unsqueeze(1) + torch.arange(width, device=device)
    own = torch.arange(width, device=device) < torch.tensor([[len(answer)] for answer in answers], device=device)
    # Beyond an answer's end any token does.
    places = places.clamp(max=ids.shape[1] - 2)
    rows = torch.arange(len(ids), device=device).unsqueeze(1)
    logits = head(states[rows, places]).float() / temperature
    return logits.gather(2, ids[rows, places + 1].unsqueeze(2)).squeeze(2) - logits.logsumexp(dim=2), own


@dataclass
class Read:
    """What a model made of prompts."""

    logits: Tensor
    """After each prompt [prompts, vocabulary]."""
    memory: Any
    lengths: Tensor
    """[prompts, 1]"""
    is_theirs: Tensor
    """Of the memory: what is no padding [prompts, memory]."""


def read_prompts(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Read:
    logits, lengths, out = _after_prompts(model, prompts, pad_id, use_cache=True)
    places = torch.arange(out.last_hidden_state.shape[1], device=logits.device)
    return Read(logits, out.past_key_values, lengths, places < lengths)


def last_log_probabilities(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """log P of the token after each prompt, over the whole vocabulary."""
    return _after_prompts(model, prompts, pad_id, use_cache=False)[0].float().log_softmax(dim=1)


def _after_prompts(model: Any, prompts: Sequence[Sequence[int]], pad_id: int, use_cache: bool) -> Tuple[Tensor, Tensor, Any]:
    """Logits after each prompt, how long each is [prompts, 1], and all that the layers made of them."""
    device = next(model.parameters()).device
    layers, head = inner(model)
    out = layers(input_ids=pad(prompts, pad_id, device), use_cache=use_cache)
    lengths = torch.tensor([[len(row)] for row in prompts], device=device)
    last = out.last_hidden_state[torch.arange(len(prompts), device=device), lengths.squeeze(1) - 1]
    return head(last), lengths, out


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
    layers, head = inner(model)
    count, width = len(answers[0]), max(len(row) for group in answers for row in group)
    rows = [[*row, *[pad_id] * (width - len(row))] for group in answers for row in group]
    ids = torch.tensor(rows, device=device).view(len(prompts), count, width)
    read = read_prompts(model, prompts, pad_id)
    answer_of = torch.arange(count, device=device).repeat_interleave(width)
    place_of = torch.arange(width, device=device).repeat(count)
    own = (answer_of.unsqueeze(1) == answer_of) & (place_of.unsqueeze(1) >= place_of)
    seen = torch.cat([read.is_theirs.unsqueeze(1).expand(-1, count * width, -1), own.expand(len(prompts), -1, -1)], dim=2)
    states = layers(
        input_ids=ids.flatten(1),
        attention_mask=seen.unsqueeze(1),
        position_ids=read.lengths + place_of,
        past_key_values=read.memory,
        use_cache=True,
    ).last_hidden_state.view(len(prompts), count, width, -1)
    after = head(states[:, :, :-1])
    before = torch.cat([read.logits[:, None, None].expand(-1, count, 1, -1), after], dim=2).float() / temperature
    return before.gather(3, ids.unsqueeze(3)).squeeze(3) - before.logsumexp(dim=3)
