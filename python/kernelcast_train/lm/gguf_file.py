"""
Writes a GGUF of trained weights from the GGUF that they came from: its metadata, tokenizer and chat template, and the new weights;
or one of an adapter alone, which llama.cpp lays over that GGUF. For architectures whose tensors are stored as they are; others need
llama.cpp's converters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Tuple

import torch

from .joining import Joined

PLAIN = ("qwen2", "qwen3")
SUFFIXES = (".weight", ".bias")


def write_gguf(source: Path, weights: Dict[str, torch.Tensor], out: Path, kind: str) -> int:
    """Gives how many tensors are new. ValueError for an architecture that this cannot write."""
    import gguf

    reader, architecture = _open(gguf, source, "a GGUF of {} is made by llama.cpp's convert_hf_to_gguf.py; set export.merged")
    by_name = _names(gguf, reader, architecture, weights)
    writer = gguf.GGUFWriter(str(out), architecture)
    _copy_fields(gguf, reader, writer, kind)
    for tensor in reader.tensors:
        new = by_name.get(tensor.name)
        if new is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        values = new.detach().float().cpu().numpy()
        if list(values.shape) != [int(size) for size in reversed(tensor.shape)]:
            raise ValueError(f"{tensor.name}: the weights have another shape than in {source}")
        stored = _stored(gguf, values.shape, kind)
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return len(by_name)


def write_adapter_gguf(source: Path, joined: Joined, out: Path) -> None:
    """The adapter in 16 bits. ValueError for an architecture that this cannot write, and where a module has no such tensor."""
    import gguf

    reader, architecture = _open(gguf, source, "adapters for {} are made by convert_lora_to_gguf.py; set export.adapter")
    names = _name_map(gguf, reader, architecture)
    shapes = {tensor.name: [int(size) for size in tensor.shape] for tensor in reader.tensors}
    writer = gguf.GGUFWriter(str(out), architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    # llama.cpp scales by alpha over the rank: by nothing, for the scale is in B.
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(joined.rank))
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, source.stem)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for module, (a, b) in joined.factors.items():
        name = names.get_name(f"{module}.weight", try_suffixes=SUFFIXES)
        if shapes.get(name) != [a.shape[1], b.shape[0]]:
            raise ValueError(f"{module}: {source} has no tensor of this name and shape, so that the adapter cannot be for it")
        writer.add_tensor(f"{name}.lora_a", a.half().numpy())
        writer.add_tensor(f"{name}.lora_b", b.half().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _open(gguf: Any, source: Path, otherwise: str) -> Tuple[Any, str]:
    reader = gguf.GGUFReader(str(source))
    architecture = reader.fields["general.architecture"].contents()
    if architecture not in PLAIN:
        raise ValueError(f"{source}: {otherwise.format(architecture)}")
    return reader, architecture


def _names(gguf: Any, reader: Any, architecture: str, weights: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    names = _name_map(gguf, reader, architecture)
    known = {tensor.name for tensor in reader.tensors}
    found = {names.get_name(name, try_suffixes=SUFFIXES): one for name, one in weights.items()}
    return {name: one for name, one in found.items() if name in known}


def _name_map(gguf: Any, reader: Any, architecture: str) -> Any:
    number = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    return gguf.get_tensor_name_map(number, int(reader.fields[f"{architecture}.block_count"].contents()))


def _stored(gguf: Any, shape: Any, kind: str) -> Any:
    types = gguf.GGMLQuantizationType
    if len(shape) < 2:
        return types.F32
    if kind == "q8_0":
        return types.Q8_0 if shape[-1] % 32 == 0 else types.F16
    return types.F16 if kind == "f16" else types.BF16


def _copy_fields(gguf: Any, reader: Any, writer: Any, kind: str) -> None:
    file_types = {
        "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
        "f16": gguf.LlamaFileType.MOSTLY_F16,
        "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    }
    for one in reader.fields.values():
        if one.name == "general.architecture" or one.name.startswith("GGUF."):
            continue
        if one.name == "general.file_type":
            writer.add_file_type(file_types[kind])
            continue
        kind_of_value = one.types[0]
        inner = one.types[-1] if kind_of_value == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(one.name, one.contents(), kind_of_value, sub_type=inner)
