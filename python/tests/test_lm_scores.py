"""Rewards and the reading of answers, against the vectors of TypeScript; proper scores; drawing; configuration; parts."""

import json
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; training of language models is not tested")

from kernelcast_train.lm import parts  # noqa: E402
from kernelcast_train.lm.config import parse_config  # noqa: E402
from kernelcast_train.lm.credit import advantages, credited, learned_tokens, token_texts  # noqa: E402
from kernelcast_train.lm.data import Bins, Example, Truth, draw, of_folds  # noqa: E402
from kernelcast_train.lm.evaluation import pairwise  # noqa: E402
from kernelcast_train.lm.mixing import mix  # noqa: E402
from kernelcast_train.lm.read_answer import Belief, read_written  # noqa: E402
from kernelcast_train.lm.rewards import belief_of_bins, outcome_of, proper_loss, reward, rewards_of_answers  # noqa: E402
from kernelcast_train.lm.rl import kl_estimate  # noqa: E402

VECTORS = json.loads((Path(__file__).parent / "fixtures" / "rewards.json").read_text())
SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "train.schema.json"
EDGES = [-2, -1, -0.5, -0.25, -0.1, -0.03, 0.03, 0.1, 0.25, 0.5, 1, 2]
BINS = Bins(EDGES, list("ABCDEFGHIJKLM"), "X")


def belief_of(value):
    return value and Belief(value["pOk"], value["m"], value["sigmaLow"], value["sigmaHigh"])


def close(belief):
    return pytest.approx((belief.p_ok, belief.m, belief.sigma_low, belief.sigma_high), rel=1e-9, abs=1e-12)


def values_of(belief):
    return (belief.p_ok, belief.m, belief.sigma_low, belief.sigma_high)


@pytest.mark.parametrize("case", VECTORS["answers"], ids=range(len(VECTORS["answers"])))
def test_answers_are_read_as_typescript_reads_them(case):
    same_readings(case, read_written("quantiles", case["text"], ["K01", "K02"], 0.0))


@pytest.mark.parametrize("case", VECTORS["doublings"], ids=range(len(VECTORS["doublings"])))
def test_doublings_are_read_as_typescript_reads_them(case):
    same_readings(case, read_written("doublings", case["text"], ["K01", "K02"], case["scaleLog2Us"]))


def same_readings(case, got):
    assert sorted(got) == sorted(case["readings"])
    for label, reading in case["readings"].items():
        assert values_of(got[label]) == close(belief_of(reading))


def test_bins_are_spread_as_typescript_spreads_them():
    for case in VECTORS["bins"]:
        got = belief_of_bins(case["probabilities"], 0.5, case["scaleLog2Us"], BINS)
        assert values_of(got) == close(belief_of(case["belief"]))


@pytest.mark.parametrize("name", ["correctness", "correctness+brier", "correctness+crps", "crps", "log"])
def test_rewards_are_those_of_typescript(name):
    got = [reward(name, belief_of(case["belief"]), case["log2Us"], case["scaleLog2Us"], BINS) for case in VECTORS["rewards"]]
    assert got == pytest.approx([case["rewards"][name] for case in VECTORS["rewards"]], rel=1e-6, abs=1e-6)
    assert len(set(got)) > 2 or name == "correctness"


@pytest.mark.parametrize("name", ["correctness+crps", "crps", "log"])
def test_answers_are_rewarded_kernel_by_kernel(name):
    wide, narrow = Belief(0.9, 3.0, 1.0, 1.0), Belief(0.5, 4.0, 0.1, 0.2)
    kernels = [Truth("K01", "a", 3.5), Truth("K02", "b", None)]
    example = Example("", "t", "f", "", "", "", [], 4.0, kernels)
    readings = [{"K01": wide, "K02": narrow}, {"K02": wide}, {}]
    got = rewards_of_answers(name, readings, example, BINS)
    assert got == [[reward(name, read.get(one.label), one.log2_us, 4.0, BINS) for one in kernels] for read in readings]
    assert len({value for row in got for value in row}) == 4


@pytest.mark.parametrize("kind", ["crps", "log"])
def test_a_proper_score_is_best_for_the_true_distribution(kind):
    generator = torch.Generator().manual_seed(1)
    truth = torch.rand(14, generator=generator).pow(2)
    truth /= truth.sum()
    outcomes = torch.arange(14)

    def expected(p):
        return (truth * proper_loss(kind, p.log().expand(14, -1), outcomes)).sum().item()

    others = [truth + 0.05 * torch.rand(14, generator=generator) for _ in range(20)]
    assert all(expected(truth) < expected(other / other.sum()) for other in others)


def test_outcomes_are_bins_or_failure():
    assert [outcome_of(us, 5.0, BINS) for us in (8, 6, 5, 4, 2, None)] == [0, 2, 6, 11, 12, 13]


def test_advantages_are_within_a_group():
    rewards = [torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [5.0]])]

    def flat(kind, credit="forecast"):
        return [value for one in advantages(rewards, kind, credit) for value in one.flatten().tolist()]

    assert flat("mean") == [-0.5, 0.5, 0, 0]
    assert flat("group") == pytest.approx([-1, 1, 0, 0], abs=1e-3)
    assert flat("batch") == pytest.approx([-1.414, 1.414, 0, 0], abs=1e-2)


def test_a_forecast_is_praised_for_itself_or_for_its_list():
    rewards = [torch.tensor([[0.0, 1.0], [1.0, 0.0]])]
    assert advantages(rewards, "mean", "forecast")[0].tolist() == [[-0.5, 0.5], [0.5, -0.5]]
    assert advantages(rewards, "mean", "answer")[0].tolist() == [[0, 0], [0, 0]]


class Letters:
    def decode(self, ids, **_):
        return "".join(chr(one) for one in ids)


def test_tokens_have_their_texts():
    assert token_texts(Letters(), [[[97, 98], [98]], [[]]]) == [[["a", "b"], ["b"]], [[]]]


def test_tokens_get_the_advantage_of_the_forecast_that_they_stand_in():
    text = '[{"kernel":"K01","a":1},{"kernel":"K02"}]'
    labels, gains = [["K01", "K02"]], [torch.tensor([[2.0, -1.0]])]
    got = credited([[list(text)]], labels, gains)[0][0]
    second = text.rindex("{")
    assert got == [2.0] * second + [-1.0] * (len(text) - second)
    for unlike in ('[{"kernel":"K02"},{"kernel":"K01"}]', '[{"kernel":"K01"}]', "nothing"):
        assert set(credited([[list(unlike)]], labels, gains)[0][0]) == {0.5}


def test_a_mixture_is_as_wide_as_its_answers_are_apart():
    one = Belief(0.9, 3.0, 0.5, 0.25)
    assert values_of(mix([one] * 3)) == pytest.approx(values_of(one), abs=1e-4)
    apart = mix([Belief(0.8, 0.0, 0.001, 0.001), Belief(0.6, 4.0, 0.001, 0.001)])
    assert apart.p_ok == pytest.approx(0.7)
    assert apart.sigma_low + apart.sigma_high == pytest.approx(4 / 1.2816, abs=0.01)


def test_order_is_judged_by_pairs_that_are_apart():
    truths = [0.0, 0.1, 1.0, 2.0]
    assert pairwise(list(zip(truths, truths))) == 1
    assert pairwise([(-one, one) for one in truths]) == 0
    assert pairwise([(0.0, one) for one in truths]) == 0.5
    # 0.1 in log2 is 7 %: not apart.
    assert math.isnan(pairwise([(1.0, 0.0), (0.0, 0.1)]))
    assert pairwise([(0.0, 0.0), (2.0, 1.0), (1.0, 2.0)]) == pytest.approx(2 / 3)


def test_families_are_dealt_to_folds():
    examples = [Example(str(index), "t", f"family {index % 9}", "", "", "", [], 0.0, []) for index in range(27)]
    folds = [of_folds(examples, 3, [fold]) for fold in range(3)]
    assert [len(fold) for fold in folds] == [9, 9, 9]
    assert {one.prompt_sha256 for fold in folds for one in fold} == {one.prompt_sha256 for one in examples}
    assert not {one.family for one in folds[0]} & {one.family for one in folds[1]}
    assert of_folds(examples, 1, [0]) == examples


def test_the_estimate_of_divergence_is_unbiased():
    torch.manual_seed(1)
    new, old = torch.randn(6).log_softmax(0), torch.randn(6).log_softmax(0)
    exact = (new.exp() * (new - old)).sum().item()
    assert (new.exp() * kl_estimate(new, old)).sum().item() == pytest.approx(exact, rel=1e-5)


def test_thoughts_can_be_left_out():
    answer = list("<think>a</think>{}")
    assert learned_tokens(answer, True) == [False] * 16 + [True] * 2
    assert all(learned_tokens(answer, False))


def test_reasons_can_be_left_out():
    text = '[{"kernel":"K01","because":"as \\"M1\\"","us":1},{"kernel":"K02","because":"","us":2}]'
    learned = learned_tokens(list(text), True)
    left = "".join(letter for letter, own in zip(text, learned) if own)
    assert left == '[{"kernel":"K01","because":,"us":1},{"kernel":"K02","because":,"us":2}]'


def test_draws_are_by_seed_and_step_and_even_over_families():
    examples = [Example(str(index), "t", "rare" if index == 0 else "common", "", "", "", [], 0.0, []) for index in range(50)]
    drawn = draw(examples, 10, 1, 7)
    assert [one.prompt_sha256 for one in drawn] == [one.prompt_sha256 for one in draw(examples, 10, 1, 7)]
    assert [one.prompt_sha256 for one in drawn] != [one.prompt_sha256 for one in draw(examples, 10, 1, 8)]
    assert sum(one.family == "rare" for one in drawn) == 5


def test_unknown_settings_are_refused():
    known = {"data": "d", "out": "o", "model": {"base": "b"}}
    assert parse_config({**known, "rl": {"group": 4}}).rl.group == 4
    for wrong, why in (
        ({**known, "stepps": 1}, "unknown setting stepps"),
        ({"data": "d", "out": "o"}, "model is missing"),
        ({**known, "model": {"base": "b", "lora": {"rnk": 1}}}, "config.model.lora: unknown setting rnk"),
        ({**known, "rl": {"reward": "speed"}}, "config.rl.reward: 'speed' is none of"),
    ):
        with pytest.raises(ValueError, match=why):
            parse_config(wrong)


def test_settings_are_those_of_the_schema():
    from dataclasses import fields

    from kernelcast_train.lm import config

    schema = json.loads(SCHEMA.read_text())["properties"]
    assert set(schema) == {one.name for one in fields(config.Config)}
    for name, kind in (
        ("model", config.Model),
        ("families", config.Families),
        ("sft", config.Sft),
        ("rl", config.Rl),
        ("judge", config.Judge),
        ("export", config.Export),
    ):
        assert set(schema[name]["properties"]) == {one.name for one in fields(kind)}
    assert set(schema["model"]["properties"]["lora"]["properties"]) == {one.name for one in fields(config.Lora)}


def test_files_travel_in_parts(tmp_path):
    whole = tmp_path / "model.bin"
    whole.write_bytes(bytes(range(256)) * 8192)
    assert parts.split(whole, tmp_path / "parts", 1) == 2
    parts.join(tmp_path / "parts", tmp_path / "joined.bin")
    assert (tmp_path / "joined.bin").read_bytes() == whole.read_bytes()
    (tmp_path / "parts" / "001.part").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="missing or damaged: 001"):
        parts.join(tmp_path / "parts", tmp_path / "again.bin")
    assert not (tmp_path / "again.bin").exists()
