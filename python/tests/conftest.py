"""Makes the package importable and gives tests a worker around the fake device."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="module")
def worker():
    """A fake worker that a module's tests share; what a test injects must not disturb the next."""
    from helpers import Worker

    with Worker() as started:
        yield started
