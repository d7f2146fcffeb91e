import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

ROWS = 64


def reference(inputs, sizes):
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    seq, heads, kv_heads, window = (sizes[name] for name in ("seq", "heads", "kv_heads", "window"))
    share = heads // kv_heads
    out = np.empty_like(q)

    def band(start):
        """A band of queries against the keys that any of them may see."""
        stop = min(start + ROWS, seq)
        low = max(0, start - window + 1)
        query, key = np.arange(start, stop)[:, None], np.arange(low, stop)[None, :]
        visible = ((key <= query) & (key > query - window))[:, None, :]
        rows = stop - start
        for kv in range(kv_heads):
            own = slice(kv * share, (kv + 1) * share)
            near_k, near_v = k[low:stop, kv], v[low:stop, kv]
            queries = np.ascontiguousarray(q[start:stop, own]).reshape(rows * share, -1)
            scores = (queries @ near_k.T / np.sqrt(q.shape[2])).reshape(rows, share, -1)
            # Hidden scores count for the maximum; that only moves the common factor.
            scores -= scores.max(axis=2, keepdims=True)
            np.exp(scores, out=scores)
            scores *= visible
            total = scores.sum(axis=2, keepdims=True)
            mixed = (scores.reshape(rows * share, -1) @ near_v).reshape(rows, share, -1)
            out[start:stop, own] = mixed / total

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        list(pool.map(band, range(0, seq, ROWS)))
    return {"out": out}
