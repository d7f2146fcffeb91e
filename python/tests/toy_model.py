"""A tiny random Qwen 2 with a tokenizer of bytes, and training data for it, all made on the spot."""

import json

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
EDGES = [-2, -1, -0.5, -0.25, -0.1, -0.03, 0.03, 0.1, 0.25, 0.5, 1, 2]
BINS = {"edges": EDGES, "letters": list("ABCDEFGHIJKLM"), "failure": "X"}
SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}


def byte_vocabulary():
    return [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab", *SPECIALS]


def save_toy(folder):
    import torch

    torch.manual_seed(1)
    vocabulary = byte_vocabulary()
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(vocabulary)}, merges=[("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    fast.save_pretrained(str(folder))
    # Small random weights could not be sure of anything.
    scale = {"initializer_range": 0.2, "tie_word_embeddings": False, "max_position_embeddings": 512}
    config = Qwen2Config(vocab_size=len(vocabulary), **scale, **SIZES)
    Qwen2ForCausalLM(config).save_pretrained(str(folder))
    return folder


def save_data(folder, form):
    """Kernels whose time is told by one word of their prompt; one in four does not work."""
    folder.mkdir()
    meta = {"form": form, "device": "Toy GPU", "recording": "toy", "bins": BINS}
    (folder / "meta.json").write_text(json.dumps(meta))
    for split in ("train", "validation"):
        rows = [_row(form, split, index) for index in range(24)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _row(form, split, index):
    word, log2_us, letter = (("fast", 3.2, "K"), ("even", 4.0, "G"), ("slow", 4.8, "C"), ("fail", None, "X"))[index % 4]
    time = 2 ** (4.0 if log2_us is None else log2_us)
    entry = {
        "kernel": "K01",
        "p_ok": 0.05 if log2_us is None else 0.95,
        "us_p10": round(time / 1.3),
        "us_p50": round(time),
        "us_p90": round(time * 1.3),
    }
    # Of widths that are drawn reinforcement finds the best.
    width = (0.1, 0.4, 1.6)[index % 3]
    doubled = {"kernel": "K01", "doublings": round((log2_us or 4) - 4, 1), "less": width, "more": width, "p_ok": entry["p_ok"]}
    answers = {
        "quantiles": json.dumps({"forecasts": [entry]}),
        "doublings": json.dumps({"forecasts": [doubled]}),
        "bins-logprobs": letter,
    }
    taught = answers[form]
    about = {"task_id": f"{split}-{index % 3}", "family": f"{split}-{index % 2}", "split": split, "form": form}
    kernels = [{"label": "K01", "kernel_id": f"{split}-{index}", "log2_us": log2_us}]
    asked = {"prompt_sha256": f"{form} {split} {index}", "system": "s", "prompt": f"{word} {index % 5}", "answer": taught}
    return {**about, **asked, "anchor_ids": ["seed"], "scale_log2_us": 4.0, "kernels": kernels}


def save_gguf(path, folder):
    """The same model as a GGUF file, in 32-bit floats."""
    import gguf

    model = Qwen2ForCausalLM.from_pretrained(str(folder))
    writer = gguf.GGUFWriter(str(path), "qwen2")
    config = model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    tokens = byte_vocabulary()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in SPECIALS else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_chat_template(TEMPLATE)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), weight.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
