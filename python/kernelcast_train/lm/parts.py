"""
`python3 -m kernelcast_train.lm.parts split FILE FOLDER [MIB]` and `join FOLDER FILE`: files that travel in parts, by default of
31 MiB, with their checksums.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

DEFAULT_MIB = 31


def split(file: Path, folder: Path, mib: int = DEFAULT_MIB) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    whole, digests = hashlib.sha256(), []
    with file.open("rb") as source:
        while piece := source.read(mib << 20):
            whole.update(piece)
            (folder / f"{len(digests):03d}.part").write_bytes(piece)
            digests.append(hashlib.sha256(piece).hexdigest())
    about = {"name": file.name, "sha256": whole.hexdigest(), "parts": digests}
    (folder / "parts.json").write_text(json.dumps(about, indent=1))
    return len(digests)


def join(folder: Path, file: Path) -> None:
    """ValueError, which names them, where parts are missing or damaged; the file is then not written."""
    about = json.loads((folder / "parts.json").read_text())
    faulty = [index for index, digest in enumerate(about["parts"]) if _digest(folder / f"{index:03d}.part") != digest]
    if faulty:
        raise ValueError(f"{folder}: parts missing or damaged: {', '.join(f'{index:03d}' for index in faulty)}")
    fresh = file.with_name(f"{file.name}.new")
    whole = hashlib.sha256()
    with fresh.open("wb") as target:
        for index in range(len(about["parts"])):
            piece = (folder / f"{index:03d}.part").read_bytes()
            whole.update(piece)
            target.write(piece)
    if whole.hexdigest() != about["sha256"]:
        fresh.unlink()
        raise ValueError(f"{folder}: the parts do not make up {about['name']}")
    fresh.rename(file)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def main(words: list[str]) -> None:
    if words[:1] == ["split"] and len(words) in (3, 4):
        print(f"{split(Path(words[1]), Path(words[2]), int(words[3]) if len(words) == 4 else DEFAULT_MIB)} parts")
    elif words[:1] == ["join"] and len(words) == 3:
        join(Path(words[1]), Path(words[2]))
    else:
        raise SystemExit((__doc__ or "").strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, ValueError) as fault:
        raise SystemExit(f"parts: {fault}") from None
