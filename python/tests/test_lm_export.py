"""What a run leaves for use: adapters that are joined into one, as files that others read."""

import json

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; the export of language models is not tested")
pytest.importorskip("transformers", reason="transformers is not installed; the export of language models is not tested")
pytest.importorskip("peft", reason="peft is not installed; the export of language models is not tested")
gguf = pytest.importorskip("gguf", reason="gguf is not installed; the export of language models is not tested")

from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from toy_model import save_data, save_gguf, save_toy  # noqa: E402

from kernelcast_train.lm.config import parse_config  # noqa: E402
from kernelcast_train.lm.events import Events  # noqa: E402
from kernelcast_train.lm.exporting import export  # noqa: E402
from kernelcast_train.lm.gguf_file import write_adapter_gguf  # noqa: E402
from kernelcast_train.lm.joining import Joined, join, read_adapter, save_adapter, truncate  # noqa: E402
from kernelcast_train.lm.models import load_base  # noqa: E402

IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])
RANKS = (4, 2)
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A base, and two runs of adapters, the second on top of the first and of fewer modules, with weights that matter."""
    folder = tmp_path_factory.mktemp("toy")
    save_toy(folder / "model")
    save_gguf(folder / "toy.gguf", folder / "model")
    save_data(folder / "lists", "quantiles")
    save_adapter_of(folder, "first", LoraConfig(r=RANKS[0], lora_alpha=8, target_modules=ALL, task_type="CAUSAL_LM"))
    few = LoraConfig(r=RANKS[1], lora_alpha=3, use_rslora=True, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    save_adapter_of(folder, "second", few)
    return folder


def save_adapter_of(folder, name, settings):
    torch.manual_seed(len(name))
    model = get_peft_model(base(folder), settings)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(str(folder / name / "adapter"))


def config_of(folder, **export_settings):
    model = {"base": str(folder / "toy.gguf"), "dtype": "float32", "adapters": [str(folder / "first")]}
    places = {"name": "toy", "data": str(folder / "lists"), "out": str(folder / "second")}
    return parse_config({**places, "model": model, "export": export_settings})


def base(folder, **model):
    config = parse_config({"data": "", "out": "", "model": {"base": str(folder / "model"), "dtype": "float32", **model}})
    return load_base(config.model, torch.device("cpu"))[0]


@torch.no_grad()
def logits(model):
    return model(IDS).logits


def chain(folder):
    """The logits of the base with both adapters merged, one after the other."""
    return logits(base(folder, adapters=[str(folder / "first"), str(folder / "second")]))


def of_joined(folder, joined, place):
    save_adapter(joined, place, "toy")
    return logits(PeftModel.from_pretrained(base(folder), str(place)))


def adapters(folder):
    return [folder / "first" / "adapter", folder / "second" / "adapter"]


def test_joined_adapters_are_the_chain_exactly(toy, tmp_path):
    joined = join(adapters(toy))
    assert joined.rank == sum(RANKS)
    apart = (chain(toy) - logits(base(toy))).abs().max()
    assert apart > 0.1
    # As near as 16 bits are.
    assert (of_joined(toy, joined, tmp_path) - chain(toy)).abs().max() < 0.01 * apart


def test_a_lower_rank_is_near_and_the_nearer_the_higher(toy, tmp_path):
    faults = [(of_joined(toy, join(adapters(toy), rank), tmp_path / str(rank)) - chain(toy)).abs().mean() for rank in (1, 3, 5, 6)]
    assert faults == sorted(faults, reverse=True)
    assert faults[-1] < 0.02 * faults[0]
    assert faults[2] < (logits(base(toy)) - chain(toy)).abs().mean()


def test_the_approximation_is_that_of_the_whole_product():
    torch.manual_seed(1)
    a, b = torch.randn(6, 40), torch.randn(50, 6)
    near_a, near_b = truncate(a, b, 2)
    u, values, v = torch.linalg.svd(b @ a)
    assert near_a.shape == (2, 40) and near_b.shape == (50, 2)
    assert torch.allclose(near_b @ near_a, u[:, :2] * values[:2] @ v[:2], atol=1e-4)


def test_what_was_learned_in_tiny_steps_outlives_16_bits(toy, tmp_path):
    model = get_peft_model(base(toy), LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=1e-7)
    model.save_pretrained(str(tmp_path / "tiny"))
    save_adapter(join([tmp_path / "tiny"]), tmp_path / "joined", "toy")
    before, after = read_adapter(tmp_path / "tiny"), read_adapter(tmp_path / "joined")
    for module, (a, b) in before.items():
        kept = after[module][1] @ after[module][0]
        assert (kept - b @ a).norm() < 1e-3 * (b @ a).norm()


def test_an_adapter_that_does_more_than_add_is_refused(toy, tmp_path):
    settings = LoraConfig(r=2, use_dora=True, target_modules=["q_proj"], task_type="CAUSAL_LM")
    get_peft_model(base(toy), settings).save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match="use_dora cannot be joined"):
        join([tmp_path])


def test_the_gguf_of_an_adapter_has_what_llama_cpp_reads(toy):
    export(config_of(toy, adapter_gguf=True, adapter=True, rank=3), Events(toy / "second"))
    told = json.loads((toy / "second" / "events.jsonl").read_text().splitlines()[-1])
    assert told["rank"] == 3 and set(told["sha256"]) == {"joined adapter", "adapter gguf"}
    read = gguf.GGUFReader(toy / "second" / "toy-adapter.gguf")
    fields = {name: one.contents() for name, one in read.fields.items() if not name.startswith("GGUF.")}
    assert fields["general.architecture"] == "qwen2" and fields["general.type"] == "adapter"
    assert fields["adapter.type"] == "lora" and fields["adapter.lora.alpha"] == 3
    expected = read_adapter(toy / "second" / "toy-adapter")
    tensors = {one.name: torch.tensor(one.data.copy()).float() for one in read.tensors}
    assert len(tensors) == 2 * len(expected) == 2 * 2 * len(ALL)
    a, b = expected["model.layers.1.self_attn.q_proj"]
    assert torch.equal(tensors["blk.1.attn_q.weight.lora_a"], a) and torch.equal(tensors["blk.1.attn_q.weight.lora_b"], b)


def test_an_adapter_for_another_base_is_refused(toy, tmp_path):
    config = config_of(toy)
    values = {"data": config.data, "out": config.out, "model": {"base": str(toy / "model")}, "export": {"adapter_gguf": True}}
    with pytest.raises(ValueError, match="needs a model that came from a GGUF"):
        export(parse_config(values), Events(tmp_path))
    narrow = Joined(1, {"model.layers.0.self_attn.q_proj": (torch.ones(1, 9), torch.ones(9, 1))})
    with pytest.raises(ValueError, match="has no tensor of this name and shape"):
        write_adapter_gguf(toy / "toy.gguf", narrow, tmp_path / "adapter.gguf")
