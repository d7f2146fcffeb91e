import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

ROUNDS = 7
COUPLING = 0.44


def make_inputs(sizes, rng):
    rows, columns = sizes["rows"], sizes["columns"]
    # Patches of one sign with some noise, so that all five numbers of equal neighbours are common.
    patches = rng.integers(0, 2, (-(-rows // 16), -(-columns // 16)), dtype=np.int8)
    spins = np.repeat(np.repeat(patches, 16, axis=0), 16, axis=1)[:rows, :columns]
    spins = spins ^ (rng.random((rows, columns), dtype=np.float32) < 0.15)
    accept = np.exp(-4 * COUPLING * np.array([1, 2])) * 2.0**32
    thresholds = np.array([2**32 - 1] * 3 + [int(value) for value in accept], dtype=np.uint32)
    return {"spins": (1 - 2 * spins.astype(np.int8)).astype(np.int8), "thresholds": thresholds}


def random_words(rows, columns, step, seed):
    """The numbers of some rows' sites of one colour; `rows` is an array of row numbers."""
    sites = columns // 2
    groups = -(-sites // 4)
    a = np.broadcast_to(np.arange(groups, dtype=np.uint64), (len(rows), groups))
    b = np.broadcast_to(rows.astype(np.uint64)[:, None], a.shape)
    c, d = np.full(a.shape, step, dtype=np.uint64), np.zeros(a.shape, dtype=np.uint64)
    k0, k1 = seed, 0
    low = np.uint64(0xFFFFFFFF)
    for _ in range(ROUNDS):
        even, odd = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a = (odd >> np.uint64(32)) ^ b ^ np.uint64(k0)
        c = (even >> np.uint64(32)) ^ d ^ np.uint64(k1)
        b, d = odd & low, even & low
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack([a, b, c, d], axis=2).reshape(len(rows), -1)[:, :sites]


def update(spins, thresholds, rows, step, seed):
    """Flips in `rows`, all of one parity, the sites of the step's colour; they depend on the other colour only."""
    count = len(spins)
    start = (int(rows[0]) + step) % 2
    here = spins[rows]
    total = spins[(rows - 1) % count] + spins[(rows + 1) % count] + np.roll(here, 1, 1) + np.roll(here, -1, 1)
    same = (here * total + 4)[:, start::2] // 2
    numbers = random_words(rows, spins.shape[1], step, seed)
    mine = here[:, start::2]
    here[:, start::2] = np.where(numbers <= thresholds[same], -mine, mine)
    return here


def reference(inputs, sizes):
    spins = inputs["spins"].astype(np.int8)
    thresholds = inputs["thresholds"].astype(np.uint64)
    # Rows of one parity, 64 at a time.
    starts = [first + parity for parity in (0, 1) for first in range(0, sizes["rows"], 128)]
    bands = [np.arange(start, min(start + 128, sizes["rows"]), 2) for start in starts if start < sizes["rows"]]
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for step in range(2 * sizes["sweeps"]):
            parts = pool.map(lambda rows: update(spins, thresholds, rows, step, sizes["seed"]), bands)
            following = spins.copy()
            for rows, part in zip(bands, parts):
                following[rows] = part
            spins = following
    return {"out": spins.astype(np.int64)}
