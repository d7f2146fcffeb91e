import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SOFTENING = float(np.float32(0.01))


def make_inputs(sizes, rng):
    n = sizes["n"]
    bodies = rng.standard_normal((n, 4), dtype=np.float32)
    bodies[:, 3] = rng.uniform(0.5, 1.5, n)
    return {"bodies": bodies}


def reference(inputs, sizes):
    places, masses = np.ascontiguousarray(inputs["bodies"][:, :3].T), inputs["bodies"][:, 3]
    # Sums of weighted places and of weights: sum w (p_j - p_i) = sum w p_j - p_i sum w.
    columns = [*(places * masses), np.ascontiguousarray(masses)]
    n = masses.size

    def some(start):
        own = places[:, start : start + 8]
        weight = np.full((own.shape[1], n), SOFTENING)
        for mine, theirs in zip(own, places):
            difference = theirs - mine[:, None]
            difference *= difference
            weight += difference
        weight *= np.sqrt(weight)
        np.reciprocal(weight, out=weight)
        sums = np.stack([np.einsum("ij,j->i", weight, column) for column in columns])
        return (sums[:3] - own * sums[3]).T

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return {"acc": np.concatenate(list(pool.map(some, range(0, n, 8))))}
