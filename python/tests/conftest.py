"""Makes the package importable and gives tests a worker around the fake device."""

import os
import sys
from pathlib import Path

import pytest

# The models of the tests are tiny: threads that wait for each other, on a machine with other work, take minutes for seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="module")
def worker():
    """A fake worker that a module's tests share; what a test injects must not disturb the next."""
    from helpers import Worker

    with Worker() as started:
        yield started
