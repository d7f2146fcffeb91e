"""What a cubin's ELF and the assembler's log say: registers, spills, parameters, writable globals, machine-code hash."""

from __future__ import annotations

import hashlib
import re
import struct
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

_HASHED = (".text.", ".nv.constant", ".nv.global.init", ".nv.shared.")
#: Not constant memory: an honest table there would cost each timed run a fresh module with cold instruction caches. What a kernel
#: keeps in it through an address that it has cast shows at the first sight of an input (see timing.py).
_WRITABLE = (".nv.global", ".nv.global.init")
_KPARAM_INFO, _FRAME_SIZE, _REGISTER_COUNT = 0x17, 0x11, 0x2F
_SIZED = 0x04
#: From compute capability 9.0 a function's shared section begins with what the system keeps for itself.
_RESERVED_SHARED = 1024
_UNDEFINED = 0


class Section(NamedTuple):
    """An ELF section."""

    name: str
    kind: int
    offset: int
    size: int
    link: int


def sections(image: bytes) -> List[Section]:
    """The sections of a 64-bit little-endian ELF."""
    if image[:4] != b"\x7fELF" or image[4] != 2:
        raise ValueError("not a 64-bit ELF image")
    (table,) = struct.unpack_from("<Q", image, 0x28)
    entry_size, count, names_index = struct.unpack_from("<3H", image, 0x3A)
    raw = [struct.unpack_from("<2I4Q2I2Q", image, table + i * entry_size) for i in range(count)]
    names_offset = raw[names_index][4]
    return [Section(_text(image, names_offset + r[0]), r[1], r[4], r[5], r[6]) for r in raw]


def _text(image: bytes, offset: int) -> str:
    return image[offset : image.index(b"\0", offset)].decode("utf-8", "replace")


def symbols(image: bytes, parts: Sequence[Section]) -> List[Tuple[str, int, int]]:
    """The symbols by number: (name, kind, section index)."""
    found: List[Tuple[str, int, int]] = []
    for part in parts:
        if part.name != ".symtab":
            continue
        names = parts[part.link].offset
        for offset in range(part.offset, part.offset + part.size, 24):
            name, info, _, index = struct.unpack_from("<IBBH", image, offset)
            found.append((_text(image, names + name), info & 15, index))
    return found


def undefined_functions(image: bytes, parts: Sequence[Section]) -> List[str]:
    """Functions that the image calls but does not hold, such as the device heap's malloc."""
    return [name for name, kind, index in symbols(image, parts) if index == _UNDEFINED and kind == 2]


def usage_of(image: bytes, parts: Sequence[Section]) -> Dict[str, Dict[str, int]]:
    """What the image itself says of each function: registers and static shared memory; no spills where there is no stack frame."""
    names = [name for name, _, _ in symbols(image, parts)]
    reserved = _RESERVED_SHARED if any(part.name == ".nv.shared.reserved.0" for part in parts) else 0
    shared = {part.name[11:]: max(0, part.size - reserved) for part in parts if part.name.startswith(".nv.shared.")}
    usage: Dict[str, Dict[str, int]] = {}
    for part in parts:
        if part.name != ".nv.info":
            continue
        for form, attribute, offset, size in _attributes(image, part):
            if form != _SIZED or attribute not in (_FRAME_SIZE, _REGISTER_COUNT) or size < 8:
                continue
            symbol, value = struct.unpack_from("<2I", image, offset)
            if symbol >= len(names):
                continue
            entry = usage.setdefault(names[symbol], {})
            if attribute == _REGISTER_COUNT:
                entry.update(regs=value, static_smem=shared.get(names[symbol], 0))
            elif value == 0:
                entry["spill_bytes"] = 0
    return usage


def parameters(image: bytes, part: Section) -> List[int]:
    """Sizes in bytes of a kernel's parameters in order, from its .nv.info section."""
    sizes: Dict[int, int] = {}
    for form, attribute, offset, size in _attributes(image, part):
        if form == _SIZED and attribute == _KPARAM_INFO and size >= 12:
            _, ordinal, _, flags = struct.unpack_from("<IHHI", image, offset)
            sizes[ordinal] = flags >> 18
    return [sizes[ordinal] for ordinal in sorted(sizes)]


def _attributes(image: bytes, part: Section) -> Iterator[Tuple[int, int, int, int]]:
    at, end = part.offset, part.offset + part.size
    while at + 4 <= end:
        form, attribute, size = struct.unpack_from("<BBH", image, at)
        if form == _SIZED:
            yield form, attribute, at + 4, size
            at += 4 + size
        else:
            yield form, attribute, at + 2, 2
            at += 4


def facts_of(image: bytes, log: str) -> Dict[str, Any]:
    """Everything that a measurement and its evidence need to know of an image."""
    parts = sections(image)
    digest = hashlib.sha256()
    for part in sorted(parts):
        if part.name.startswith(_HASHED):
            content = b"" if part.kind == 8 else image[part.offset : part.offset + part.size]
            digest.update(f"{part.name}\0{part.size}\0".encode() + content)
    functions: Dict[str, Dict[str, Any]] = {
        part.name[6:]: {"parameters": parameters_of(image, parts, part.name[6:])}
        for part in parts
        if part.name.startswith(".text.")
    }
    for said in (usage_of(image, parts), parse_log(log)):
        for name, usage in said.items():
            if name in functions:
                functions[name].update(usage)
    return {
        "functions": functions,
        "machine_code_sha256": digest.hexdigest(),
        "writable_globals": sum(part.size for part in parts if part.name in _WRITABLE),
        "heap": "malloc" in undefined_functions(image, parts),
    }


def parameters_of(image: bytes, parts: Sequence[Section], function: str) -> Optional[List[int]]:
    """Parameter sizes of a kernel, or None when the image does not tell."""
    for part in parts:
        if part.name == f".nv.info.{function}":
            return parameters(image, part)
    return None


_ENTRY = re.compile(r"Compiling entry function '([^']+)'")
_SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


def parse_log(log: str) -> Dict[str, Dict[str, int]]:
    """Registers, static shared memory and spills of each entry function, from `--ptxas-options=-v`."""
    usage: Dict[str, Dict[str, int]] = {}
    current: Dict[str, int] = {}
    for line in log.splitlines():
        entry, spill, registers = _ENTRY.search(line), _SPILL.search(line), _REGISTERS.search(line)
        if entry:
            current = usage.setdefault(entry.group(1), {"regs": 0, "static_smem": 0, "spill_bytes": 0})
        elif spill and current:
            current["spill_bytes"] = max(current["spill_bytes"], int(spill.group(2)) + int(spill.group(3)))
        elif registers and current:
            shared = _SHARED.search(line)
            current["regs"] = int(registers.group(1))
            current["static_smem"] = int(shared.group(1)) if shared else 0
            current = {}
    return usage


def occupancy(limits: Mapping[str, Any], regs: int, threads: int, shared: int) -> float:
    """Resident warps over the multiprocessor's maximum, by registers, shared memory and threads."""
    warps = -(-threads // 32)
    most = int(limits["max_threads_per_multiprocessor"]) // 32
    blocks = min(32, most // max(1, warps))
    if regs:
        per_warp = -(-regs * 32 // 256) * 256
        blocks = min(blocks, int(limits["registers_per_multiprocessor"]) // per_warp // warps)
    if shared:
        reserved = int(limits.get("reserved_shared_memory", 1024))
        each = -(-(shared + reserved) // 128) * 128
        blocks = min(blocks, int(limits["shared_memory_per_multiprocessor"]) // each)
    return blocks * warps / most


#: Limits of an H100, used where no device is there to ask.
DEFAULT_LIMITS = {
    "max_threads_per_multiprocessor": 2048,
    "registers_per_multiprocessor": 65536,
    "shared_memory_per_multiprocessor": 233472,
}


def evidence_of(facts: Mapping[str, Any], launches: Sequence[Mapping[str, Any]], limits: Mapping[str, Any]) -> Dict[str, Any]:
    """The compiler's evidence on a kernel: of the launched function with most registers."""
    evidence: Dict[str, Any] = {"machine_code_sha256": facts["machine_code_sha256"], "compile_ms": facts["compile_ms"]}
    if facts.get("sass"):
        evidence["sass"] = facts["sass"]
    launched = {launch["kernel"] for launch in launches}
    known = {n: f for n, f in facts["functions"].items() if "regs" in f and (n in launched or not launched)}
    if not known:
        return evidence
    heaviest = max(known, key=lambda name: (known[name]["regs"], name))
    usage = known[heaviest]
    evidence.update({key: usage[key] for key in ("regs", "static_smem", "spill_bytes") if key in usage})
    for launch in launches:
        if launch["kernel"] == heaviest:
            threads = launch["block"][0] * launch["block"][1] * launch["block"][2]
            shared = usage["static_smem"] + int(launch.get("smem_bytes", 0))
            evidence["occupancy"] = round(occupancy(limits, usage["regs"], threads, shared), 4)
            break
    return evidence
