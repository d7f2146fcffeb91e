from concurrent.futures import ThreadPoolExecutor

import numpy as np

ROWS = 256


def attend(q, k, v):
    """One head, a band of queries at a time against the keys that it may see."""
    out = np.empty_like(q)
    for start in range(0, len(q), ROWS):
        stop = min(start + ROWS, len(q))
        scores = (q[start:stop] / np.sqrt(q.shape[1])) @ k[:stop].T
        future = np.arange(stop)[None, :] > np.arange(start, stop)[:, None]
        scores[future] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        out[start:stop] = (scores @ v[:stop]) / scores.sum(axis=1, keepdims=True)
    return out


def reference(inputs, sizes):
    with ThreadPoolExecutor(8) as pool:
        heads = pool.map(attend, inputs["q"], inputs["k"], inputs["v"])
        return {"o": np.stack(list(heads))}
