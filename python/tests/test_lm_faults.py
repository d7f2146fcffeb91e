"""What goes wrong in training is told in one line."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernelcast_train.lm.__main__ import main
from kernelcast_train.lm.config import parse_config
from kernelcast_train.lm.memory import advice

PACKAGES = Path(__file__).resolve().parent.parent


def told(command, values, monkeypatch, capsys):
    """The exit code, and the one line."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(values)))
    code = main([command])
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("kernelcast_train: ")]
    assert len(said) == 1
    return code, said[0]


def test_without_pytorch_it_says_what_to_install(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError(\"No module named 'torch'\")")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{PACKAGES}"}
    done = subprocess.run(
        [sys.executable, "-m", "kernelcast_train.lm", "sft"], input="{}", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 3
    expected = "No module named 'torch'; training needs PyTorch, transformers, peft, and gguf for GGUF files"
    assert done.stderr == f"kernelcast_train: {expected}: see python/requirements-train.txt\n"


@pytest.mark.parametrize("changes", [{}, {"model": {"base": "m", "checkpointing": True}}])
def test_only_want_of_memory_is_taken_for_it(changes):
    config = parse_config({"data": "d", "out": "o", "model": {"base": "m"}, "rows_per_pass": 1, **changes})
    assert advice(RuntimeError("size mismatch"), "sft", config) is None
    line = advice(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "sft", config)
    assert ("set model.checkpointing" in line) == (not changes)
    assert "rows_per_pass is 1 already" in line


class TestTraining:
    @pytest.fixture(autouse=True)
    def needs(self):
        for name in ("torch", "transformers", "peft"):
            pytest.importorskip(name, reason=f"{name} is not installed; training of language models is not tested")

    @pytest.fixture
    def values(self, tmp_path):
        from toy_model import save_data, save_toy

        model = {"base": str(save_toy(tmp_path / "model")), "dtype": "float32"}
        data = save_data(tmp_path / "lists", "quantiles")
        pace = {"steps": 1, "prompts_per_step": 2, "judge": {"prompts": 1, "max_new_tokens": 4}}
        return {"data": str(data), "out": str(tmp_path / "out"), "model": model, **pace, "rl": {"group": 2, "max_new_tokens": 4}}

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"data": "nowhere"}, "nowhere holds no meta.json; kernelcast train data writes it"),
            ({"model": {"base": "nowhere"}}, "model.base: nowhere is not there"),
            # The folder is no model: the adapter is looked for before that is loaded.
            ({"model": {"base": ".", "adapters": ["nowhere"]}}, "nowhere holds no adapter; train that run first"),
            ({"stepps": 2}, "config: unknown setting stepps"),
        ],
    )
    def test_what_is_not_there_is_named(self, values, change, line, monkeypatch, capsys):
        assert told("sft", {**values, **change}, monkeypatch, capsys) == (1, f"kernelcast_train: {line}")

    def test_a_missing_split_is_named(self, values, monkeypatch, capsys):
        missing = Path(values["data"]) / "train.jsonl"
        missing.unlink()
        code, line = told("sft", values, monkeypatch, capsys)
        assert (code, line) == (1, f"kernelcast_train: {missing}: No such file or directory")

    @pytest.mark.parametrize(
        ("command", "advised"),
        [
            ("sft", "while learning: lower rows_per_pass (it is 8), or set model.checkpointing; then the same command goes on"),
            ("rl", "while answers are drawn: lower rl.sample_batch (it is 64); then the same command goes on"),
            ("eval", "while judging: lower judge.batch (it is 16); then give the same command again"),
        ],
    )
    def test_want_of_memory_names_the_setting_to_lower(self, values, command, advised, monkeypatch, capsys):
        import torch
        from transformers.models.qwen2.modeling_qwen2 import Qwen2Model

        def full(*_args, **_kwargs):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has a total capacity of …")

        monkeypatch.setattr(Qwen2Model, "forward", full)
        assert told(command, values, monkeypatch, capsys) == (4, f"kernelcast_train: out of memory {advised}")

    def test_a_model_that_does_not_fit_is_said_to_be_too_large(self, values, monkeypatch, capsys):
        import torch
        from transformers import AutoModelForCausalLM

        def full(*_args, **_kwargs):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", full)
        code, line = told("sft", values, monkeypatch, capsys)
        assert code == 4 and "the model, with weights of float32, does not fit into memory" in line
