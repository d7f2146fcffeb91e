"""Models, their tokenizers and adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Sequence, Tuple

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
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = Path(config.base)
    if not path.exists():
        raise ValueError(f"model.base: {config.base} is not there")
    place, options = (str(path.parent), {"gguf_file": path.name}) if path.suffix == ".gguf" else (str(path), {})
    tokenizer = AutoTokenizer.from_pretrained(place, **options)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(place, dtype=DTYPES[config.dtype], **options)
    forget_quantisation(model)
    for adapter in config.adapters:
        model = PeftModel.from_pretrained(model, str(adapter_folder(adapter))).merge_and_unload()
    return model.to(device), tokenizer


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


def prompt_ids(tokenizer: Any, example: Example) -> List[int]:
    """A prompt as the model's chat format has it, up to where the answer begins."""
    messages = [{"role": "system", "content": example.system}, {"role": "user", "content": example.prompt}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


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
    model: Any, prompt: Sequence[int], answers: Sequence[Sequence[int]], pad_id: int, temperature: float = 1.0
) -> Tensor:
    """
    The same for several answers to one prompt, [answers, longest answer], which is then read only once: the answers stand behind it
    one after the other, each at the same positions, and none sees another.
    """
    device = next(model.parameters()).device
    count, width, start = len(answers), max(len(row) for row in answers), len(prompt)
    padded = torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in answers], device=device)
    ids = torch.cat([torch.tensor(prompt, device=device), padded.flatten()]).unsqueeze(0)
    places = torch.cat([torch.arange(start), torch.arange(start, start + width).repeat(count)]).to(device)
    # 0 for the prompt, then 1, 2, …: a token sees what stands before it in the prompt and in its own answer.
    owner = torch.cat([torch.zeros(start), torch.arange(1, count + 1).repeat_interleave(width)]).to(device)
    ours = (owner == 0).unsqueeze(0) | (owner.unsqueeze(0) == owner.unsqueeze(1))
    seen = ours & (places.unsqueeze(0) <= places.unsqueeze(1))
    out = model(
        input_ids=ids,
        attention_mask=seen[None, None],
        position_ids=places.unsqueeze(0),
        logits_to_keep=torch.arange(start - 1, ids.shape[1], device=device),
        use_cache=False,
    )
    logits = out.logits[0].float() / temperature
    before = torch.cat([logits[:1].expand(count, 1, -1), logits[1:].view(count, width, -1)[:, :-1]], dim=1)
    return before.gather(2, padded.unsqueeze(2)).squeeze(2) - before.logsumexp(dim=2)


def last_log_probabilities(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """log P of the token after each prompt, over the whole vocabulary."""
    ids, mask = pad(prompts, pad_id, True, next(model.parameters()).device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False)
    return out.logits[:, -1].float().log_softmax(dim=1)


@torch.no_grad()
def write_answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    temperature: float,
    max_new_tokens: int,
    batch: int,
    copies: int = 1,
) -> List[List[int]]:
    """
    So many answers to each prompt, one prompt's after the other's, without what follows their end; drawn by the current state of
    torch's random numbers. `batch` is of answers; a prompt is read once for all of its own.
    """
    device = next(model.parameters()).device
    end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
    drawing = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {"do_sample": False}
    limits = {"max_new_tokens": max_new_tokens, "pad_token_id": padding, "eos_token_id": end, "repetition_penalty": 1.0}
    answers: List[List[int]] = []
    size = max(1, batch // copies)
    for start in range(0, len(prompts), size):
        ids, mask = pad(prompts[start : start + size], padding, True, device)
        read = _read_once(model, ids, mask, copies) if copies > 1 else None
        ids, mask = (one.repeat_interleave(copies, dim=0) for one in (ids, mask))
        out = model.generate(input_ids=ids, attention_mask=mask, past_key_values=read, use_cache=True, **limits, **drawing)
        answers.extend(_until_end(row, end) for row in out[:, ids.shape[1] :].tolist())
    return answers


def _read_once(model: Any, ids: Tensor, mask: Tensor, copies: int) -> Any:
    """What the model remembers of prompts but their last token, for several answers each."""
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, :-1]
    out = model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], position_ids=positions, logits_to_keep=1, use_cache=True)
    out.past_key_values.batch_repeat_interleave(copies)
    return out.past_key_values


def _until_end(row: List[int], end: int) -> List[int]:
    return row[: row.index(end) + 1] if end in row else row
