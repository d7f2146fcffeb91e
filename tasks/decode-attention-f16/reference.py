from concurrent.futures import ThreadPoolExecutor

import numpy as np


def decode(query, keys, values):
    scores = keys @ query / np.sqrt(query.shape[0])
    weights = np.exp(scores - scores.max())
    return weights @ values / weights.sum()


def reference(inputs, sizes):
    with ThreadPoolExecutor(16) as pool:
        return {"o": np.stack(list(pool.map(decode, inputs["q"], inputs["k"], inputs["v"])))}
