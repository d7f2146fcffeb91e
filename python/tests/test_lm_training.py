"""The whole of training, on a tiny random model: supervised, proper-score, reinforced, resumed, judged, exported."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; training of language models is not tested")
pytest.importorskip("transformers", reason="transformers is not installed; training of language models is not tested")
pytest.importorskip("peft", reason="peft is not installed; training of language models is not tested")

from toy_model import save_data, save_gguf, save_toy  # noqa: E402

from kernelcast_train.lm import checkpoint, rl  # noqa: E402
from kernelcast_train.lm.__main__ import main  # noqa: E402
from kernelcast_train.lm.config import parse_config  # noqa: E402
from kernelcast_train.lm.events import Events  # noqa: E402
from kernelcast_train.lm.models import answer_log_probabilities, group_log_probabilities, load_base  # noqa: E402
from kernelcast_train.lm.training import Run  # noqa: E402
from kernelcast_train.lm.writing import write_answers  # noqa: E402


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    save_toy(folder / "model")
    save_data(folder / "lists", "quantiles")
    save_data(folder / "doublings", "doublings")
    save_data(folder / "bins", "bins-logprobs")
    return folder


def settings(toy, out, data="lists", **changes):
    model = {"base": str(toy / "model"), "dtype": "float32", "max_prompt_tokens": 200, **changes.pop("model", {})}
    places = {"name": "toy", "data": str(toy / data), "out": str(out), "model": model}
    pace = {"steps": 6, "prompts_per_step": 4, "learning_rate": 3e-3, "warmup_steps": 1, "checkpoint_every": 3}
    rest = {"judge": {"prompts": 8, "max_new_tokens": 120}, "rl": {"group": 4, "max_new_tokens": 24}}
    return {**places, **pace, **rest, **changes}


def run(command, values, monkeypatch):
    """The events of a command that must succeed."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(values)))
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    assert main([command]) == 0
    return [json.loads(line) for line in written.getvalue().splitlines()]


def steps(events):
    return [one for one in events if one["event"] == "step"]


def last(events, name):
    return [one for one in events if one["event"] == name][-1]


def untimed(events):
    timed = ("seconds", "step_seconds", "sampling_seconds", "learning_seconds", "rollouts_per_second")
    return [{name: value for name, value in one.items() if name not in timed} for one in steps(events)]


@pytest.fixture(scope="module")
def supervised(toy, tmp_path_factory):
    """A run that has learned the form of an answer."""
    out = tmp_path_factory.mktemp("sft")
    with pytest.MonkeyPatch.context() as patch:
        events = run("sft", settings(toy, out, steps=150, prompts_per_step=8, checkpoint_every=150), patch)
    return out, events


def test_supervised_training_teaches_the_form(supervised):
    _, events = supervised
    losses = [one["loss"] for one in steps(events)]
    assert losses[-1] < 0.2 * losses[0]
    assert last(events, "judge")["unread"] < 0.2
    assert last(events, "done")["steps"] == 150


def test_proper_scores_teach_the_distribution(toy, tmp_path, monkeypatch):
    values = settings(toy, tmp_path, data="bins", steps=80, prompts_per_step=8, checkpoint_every=80, sft={"loss": "crps"})
    judged = last(run("sft", values, monkeypatch), "judge")
    assert judged["unread"] == 0
    assert judged["correctness"] > 0.8
    assert judged["crps"] < 0.3


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(toy, supervised, tmp_path, monkeypatch):
    model = {"adapters": [str(supervised[0])]}
    reinforced = {"group": 4, "max_new_tokens": 110}
    whole = run("rl", settings(toy, tmp_path / "whole", model=model, rl=reinforced), monkeypatch)
    assert any(one["reward_deviation"] > 0 for one in steps(whole))
    # Every step is over the limit, so that each call makes one.
    cut = settings(toy, tmp_path / "parts", model=model, rl=reinforced, limit_seconds=1e-6)
    stopped = [run("rl", cut, monkeypatch) for _ in range(6)]
    assert [one["resumed_from"] for events in stopped for one in events if one["event"] == "start"] == [0, 1, 2, 3, 4, 5]
    assert untimed([one for events in stopped for one in events]) == untimed(whole)
    assert last(stopped[-1], "judge")["correctness"] == last(whole, "judge")["correctness"]


def shared(command, values):
    """The events of a command whose steps two processes share."""
    done = subprocess.run(
        [sys.executable, "-m", "kernelcast_train.lm", command],
        input=json.dumps({**values, "processes": 2}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_two_processes_learn_what_one_does(toy, tmp_path, monkeypatch):
    alone = run("sft", settings(toy, tmp_path / "one", steps=4, prompts_per_step=5), monkeypatch)
    together = shared("sft", settings(toy, tmp_path / "two", steps=4, prompts_per_step=5))
    assert [one["loss"] for one in steps(together)] == pytest.approx([one["loss"] for one in steps(alone)], rel=1e-3)
    assert [one["norm"] for one in steps(together)] == pytest.approx([one["norm"] for one in steps(alone)], rel=1e-3)
    assert len([one for one in together if one["event"] == "start"]) == 1
    assert last(together, "judge")["kernels"] == last(alone, "judge")["kernels"]


def test_two_processes_share_the_answers_of_a_step(toy, supervised, tmp_path):
    model = {"adapters": [str(supervised[0])]}
    events = shared("rl", settings(toy, tmp_path, model=model, steps=2, rl={"group": 4, "max_new_tokens": 110}))
    assert [one["rollouts"] for one in steps(events)] == [16, 16]
    assert steps(events)[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert last(events, "done")["steps"] == 2


def test_two_trainers_are_not_at_one_run(toy, tmp_path, monkeypatch, capsys):
    values = settings(toy, tmp_path, steps=1)
    with checkpoint.hold(tmp_path):
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(values)))
        assert main(["sft"]) == 1
    assert f"{tmp_path}: another trainer is at it" in capsys.readouterr().err
    assert last(run("sft", values, monkeypatch), "done")["steps"] == 1


def test_another_run_is_not_gone_on_from(toy, tmp_path, monkeypatch, capsys):
    run("sft", settings(toy, tmp_path, steps=1), monkeypatch)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(settings(toy, tmp_path, steps=1, seed=2))))
    assert main(["sft"]) == 1
    assert "is of a run with other settings" in capsys.readouterr().err


def test_reinforcement_starts_at_its_reference_and_leaves_it(toy, supervised, tmp_path, monkeypatch):
    model = {"adapters": [str(supervised[0])]}
    events = run("rl", settings(toy, tmp_path, model=model, rl={"group": 4, "max_new_tokens": 110, "kl": 0.05}), monkeypatch)
    told = steps(events)
    assert told[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert told[-1]["kl"] > 1e-5
    assert told[0]["rollouts"] == 16
    assert 0 <= told[0]["unread"] < 0.9


def test_reinforcement_learns_how_sure_to_be(toy, tmp_path, monkeypatch):
    """Widths are taught at random, truths follow from the prompt: the narrow ones are rewarded."""
    judge = {"prompts": 24, "max_new_tokens": 100}
    taught = settings(toy, tmp_path / "sft", data="doublings", steps=150, prompts_per_step=8, checkpoint_every=150, judge=judge)
    before = last(run("sft", taught, monkeypatch), "judge")
    assert before["unread"] < 0.1
    reinforced = {"group": 8, "max_new_tokens": 100, "advantage": "batch", "kl": 0.0, "temperature": 0.5}
    model = {"adapters": [str(tmp_path / "sft")]}
    values = settings(toy, tmp_path / "rl", data="doublings", model=model, rl=reinforced, steps=16, learning_rate=1e-3)
    after = last(run("rl", {**values, "judge": judge}, monkeypatch), "judge")
    assert after["unread"] < 0.1
    assert after["crps"] < 0.8 * before["crps"]


@pytest.mark.parametrize("epochs", [1, 3])
def test_what_was_rewarded_becomes_likelier(toy, tmp_path, epochs):
    config = parse_config(settings(toy, tmp_path, rl={"group": 2, "max_new_tokens": 8, "epochs": epochs, "kl": 0.0}))
    training = Run("rl", config, Events(tmp_path))
    examples = training.examples[:2]
    torch.manual_seed(1)
    rolled = rl.roll_out(training, examples, training.sampler.follow(training.model))
    rolled.advantages = [[[gain] * len(answer) for gain, answer in zip((1.0, -1.0), group)] for group in rolled.answers]

    def likelihoods():
        with torch.no_grad():
            prompts = [prompt for prompt in rolled.prompts for _ in range(2)]
            answers = [answer for group in rolled.answers for answer in group]
            chosen, own = answer_log_probabilities(training.model, prompts, answers, training.tokenizer.pad_token_id)
        return (chosen * own).sum(dim=1)

    before = likelihoods()
    rl.update(training, rolled)
    gains = (likelihoods() - before).view(2, 2)
    assert (gains[:, 0] > gains[:, 1]).all()


def test_log_probabilities_do_not_depend_on_the_batch(toy):
    model, tokenizer = load_base(parse_config(settings(toy, "unused")).model, torch.device("cpu"))
    prompts, answers = [[5, 6, 7, 8, 9], [10, 11]], [[1, 2], [3, 4, 5, 6]]
    with torch.no_grad():
        both, own = answer_log_probabilities(model, prompts, answers, tokenizer.pad_token_id)
        alone = [answer_log_probabilities(model, [p], [a], tokenizer.pad_token_id)[0][0] for p, a in zip(prompts, answers)]
        whole = [model(torch.tensor([p + a])).logits[0, len(p) - 1 : -1].log_softmax(-1) for p, a in zip(prompts, answers)]
    for row, answer in enumerate(answers):
        exact = whole[row].gather(1, torch.tensor(answer).unsqueeze(1)).squeeze(1)
        assert torch.allclose(both[row][own[row]], exact, atol=1e-5)
        assert torch.allclose(alone[row], exact, atol=1e-5)


def test_answers_to_one_prompt_do_not_see_each_other(toy):
    model, tokenizer = load_base(parse_config(settings(toy, "unused")).model, torch.device("cpu"))
    prompts, answers = [[5, 6, 7, 8, 9], [10, 11]], [[[1, 2], [3, 4, 5, 6], [7]], [[8, 9, 10], [1], [2, 3]]]
    flat = [answer for group in answers for answer in group]
    with torch.no_grad():
        plain, own = answer_log_probabilities(
            model, [prompt for prompt in prompts for _ in range(3)], flat, tokenizer.pad_token_id, temperature=0.7
        )
        shared = group_log_probabilities(model, prompts, answers, tokenizer.pad_token_id, temperature=0.7)
        alone = group_log_probabilities(model, prompts[:1], answers[:1], tokenizer.pad_token_id, temperature=0.7)
    assert torch.allclose(shared.flatten(0, 1)[own], plain[own], atol=1e-5)
    assert torch.allclose(alone[0][own[:3]], plain[:3][own[:3]], atol=1e-5)


def test_what_is_learned_flows_through_the_prompt(toy):
    model, tokenizer = load_base(parse_config(settings(toy, "unused")).model, torch.device("cpu"))
    prompts, answers = [[5, 6, 7, 8, 9]], [[[1, 2], [3, 4]]]
    gradients = []
    for chosen in (
        group_log_probabilities(model, prompts, answers, tokenizer.pad_token_id),
        answer_log_probabilities(model, prompts * 2, answers[0], tokenizer.pad_token_id)[0],
    ):
        model.zero_grad()
        chosen.sum().backward()
        gradients.append(model.model.layers[0].self_attn.k_proj.weight.grad.clone())
    assert gradients[0].abs().max() > 1e-3
    assert torch.allclose(*gradients, atol=1e-4)


def test_the_copy_that_writes_is_the_model_with_its_adapter(toy, tmp_path):
    training = Run("rl", parse_config(settings(toy, tmp_path)), Events(tmp_path))
    with torch.no_grad():
        for name, parameter in training.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
        ids = torch.tensor([[5, 6, 7, 8]])
        plain = training.sampler.model(ids).logits
        followed = training.sampler.follow(training.model)(ids).logits
        adapted = training.model(ids).logits
    assert torch.allclose(followed, adapted, atol=1e-3)
    assert not torch.allclose(plain, adapted, atol=1e-1)


def test_answers_are_the_likeliest_at_temperature_0(toy):
    model, tokenizer = load_base(parse_config(settings(toy, "unused")).model, torch.device("cpu"))
    prompts = [[5, 6, 7], [8, 9, 10, 11, 12]]
    limits = {"temperature": 0.0, "max_new_tokens": 6}
    together = write_answers(model, tokenizer, prompts, batch=2, **limits)
    assert together == write_answers(model, tokenizer, prompts, batch=1, **limits)
    twice = write_answers(model, tokenizer, prompts, batch=4, copies=2, **limits)
    assert twice == [answer for answer in together for _ in range(2)]


def test_drawn_answers_differ_and_are_as_likely_as_the_model_says(toy):
    model, tokenizer = load_base(parse_config(settings(toy, "unused")).model, torch.device("cpu"))
    torch.manual_seed(1)
    drawn = write_answers(model, tokenizer, [[5, 6, 7]], temperature=1.0, max_new_tokens=1, batch=2000, copies=2000)
    with torch.no_grad():
        exact = model(torch.tensor([[5, 6, 7]])).logits[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor([answer[0] for answer in drawn]), minlength=len(exact)) / len(drawn)
    assert (counts - exact).abs().max() < 0.05
    assert (counts > 0).sum() > 3


def test_forecasts_are_written_for_others_to_judge(toy, supervised, tmp_path, monkeypatch):
    out, _ = supervised
    judged = last(run("eval", settings(toy, out, steps=150), monkeypatch), "judge")
    rows = [json.loads(line) for line in (out / "forecasts-validation.jsonl").read_text().splitlines()]
    assert judged["adapter"] is True and judged["forecasts"] == len(rows) > 16
    assert rows[0]["forecaster"] == "toy" and rows[0]["anchor_ids"] == ["seed"]
    assert rows[0]["runtime_us"]["p10"] < rows[0]["runtime_us"]["p50"] < rows[0]["runtime_us"]["p90"]


def test_a_gguf_goes_in_and_comes_out_trained(toy, tmp_path, monkeypatch):
    gguf = pytest.importorskip("gguf", reason="gguf is not installed; the export to GGUF is not tested")
    base = save_gguf(tmp_path / "toy.gguf", toy / "model")
    values = settings(toy, tmp_path / "out", model={"base": str(base)}, steps=3, export={"gguf": "f16", "merged": True})
    run("sft", values, monkeypatch)
    files = last(run("export", values, monkeypatch), "export")["files"]
    before, after = gguf.GGUFReader(str(base)), gguf.GGUFReader(files["gguf"])
    assert [one.name for one in after.tensors] == [one.name for one in before.tensors]
    assert after.fields["tokenizer.chat_template"].contents() == before.fields["tokenizer.chat_template"].contents()
    config = parse_config({**values, "model": {**values["model"], "base": files["gguf"]}})
    merged = parse_config({**values, "model": {**values["model"], "base": files["merged"]}})
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        logits = [load_base(one.model, torch.device("cpu"))[0](ids).logits for one in (config, merged, parse_config(values))]
    assert torch.allclose(logits[0], logits[1], atol=0.02)
    assert not torch.allclose(logits[0], logits[2], atol=0.02)
    assert "Toy GPU" in (tmp_path / "out" / "MODEL_CARD.md").read_text()
