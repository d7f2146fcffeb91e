"""
What transformers makes of prompts, for a test to compare llama.cpp with: `python3 first_tokens.py < REQUEST.json`, the request
being `{"base", "keep", "adapters", "asked": [{"system", "prompt"}]}`.
Prints each answer's likeliest first tokens with log-probabilities.
`python3 first_tokens.py toy FOLDER` makes a tiny model as FOLDER/toy.gguf, and `… data FOLDER` data to train any model with.
"""

import json
import sys
from pathlib import Path

import torch
from toy_model import save_data, save_gguf, save_toy

from kernelcast_train.lm.config import Model
from kernelcast_train.lm.data import Example
from kernelcast_train.lm.models import last_log_probabilities, load_base, prompt_rows

SHOWN = 10


def first_tokens(request):
    model, tokenizer = load_base(
        Model(base=request["base"], keep=request["keep"], adapters=request["adapters"], dtype="float32"), torch.device("cpu")
    )
    rows = prompt_rows(tokenizer, [example_of(one) for one in request["asked"]])
    with torch.no_grad():
        likely = last_log_probabilities(model.eval(), rows, tokenizer.pad_token_id).topk(SHOWN, dim=1)
    return [
        [{"token": tokenizer.decode([token]), "logprob": value} for token, value in zip(tokens.tolist(), values.tolist())]
        for tokens, values in zip(likely.indices, likely.values)
    ]


def example_of(asked):
    blank = {name: None for name in Example.__dataclass_fields__}
    return Example(**{**blank, **asked})


if __name__ == "__main__":
    if sys.argv[1:2] == ["toy"]:
        folder = Path(sys.argv[2])
        save_gguf(folder / "toy.gguf", save_toy(folder / "toy"))
    elif sys.argv[1:2] == ["data"]:
        save_data(Path(sys.argv[2]), "quantiles")
    else:
        print(json.dumps(first_tokens(json.load(sys.stdin))))
