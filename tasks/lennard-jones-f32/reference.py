import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

EDGE = 3.0
CUTOFF_SQUARED = 7.84


def make_inputs(sizes, rng):
    """Atoms on a random choice of the sites of a shaken lattice, sorted by cell."""
    n, c = sizes["n"], sizes["c"]
    sites = int(c * EDGE / 1.05)
    chosen = rng.permutation(sites**3)[:n]
    grid = np.stack([chosen % sites, chosen // sites % sites, chosen // sites**2], axis=1)
    places = (grid + 0.5) * (c * EDGE / sites) + rng.uniform(-0.1, 0.1, (n, 3))
    places = places.astype(np.float32)
    cells = np.floor(places.astype(np.float64) / EDGE).astype(np.int64)
    cell = (cells[:, 2] * c + cells[:, 1]) * c + cells[:, 0]
    order = np.argsort(cell, kind="stable")
    start = np.zeros(c**3 + 1, dtype=np.int32)
    start[1:] = np.cumsum(np.bincount(cell, minlength=c**3))
    return {"pos": places[order], "start": start}


def pair_terms(delta, squared):
    """Per pair: the factor of the distance vector, and half of the energy."""
    q3 = squared**-3
    fade = 1 - squared / CUTOFF_SQUARED
    well = (q3 - 1) * q3 * fade
    factor = 24 * (2 * q3 - 1) * q3 / squared * fade * fade + 16 / CUTOFF_SQUARED * well
    return np.concatenate([factor[:, None] * delta, 2 * (well * fade)[:, None]], axis=1)


def reference(inputs, sizes):
    pos, start, n, c = inputs["pos"], inputs["start"], sizes["n"], sizes["c"]
    box = c * EDGE
    size = int(np.diff(start).max())
    slots = start[:-1, None] + np.arange(size)
    member = np.where(slots < start[1:, None], slots, -1).reshape(c, c, c, size)
    places = np.where((member >= 0)[..., None], pos[np.maximum(member, 0)], np.nan)

    def layer(z):
        """The atoms of one layer of cells against all 27 neighbours."""
        own, own_member = places[z], member[z]
        found = []
        for dz, dy, dx in product((-1, 0, 1), repeat=3):
            near = np.roll(places[(z + dz) % c], (-dy, -dx), axis=(0, 1))
            near_member = np.roll(member[(z + dz) % c], (-dy, -dx), axis=(0, 1))
            squared = np.zeros((c, c, size, size))
            for axis in range(3):
                difference = own[..., :, None, axis] - near[..., None, :, axis]
                difference -= box * (difference > box / 2)
                difference += box * (difference < -box / 2)
                difference *= difference
                squared += difference
            with np.errstate(invalid="ignore"):
                hit = squared < CUTOFF_SQUARED
            y, x, a, b = np.nonzero(hit)
            first, second = own_member[y, x, a], near_member[y, x, b]
            keep = first != second
            found.append((first[keep], second[keep]))
        first, second = (np.concatenate(side) for side in zip(*found))
        delta = pos[first] - pos[second]
        delta -= box * np.rint(delta / box)
        terms = pair_terms(delta, (delta**2).sum(axis=1))
        low, high = start[z * c * c], start[(z + 1) * c * c]
        sums = [np.bincount(first - low, weights=column, minlength=high - low) for column in terms.T]
        return np.stack(sums, axis=1)

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return {"force": np.concatenate(list(pool.map(layer, range(c))))}
