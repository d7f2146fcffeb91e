import numpy as np

ROWS = 512


def attend(q, k, v):
    """One head, a band of queries at a time against the keys that it may see."""
    out = np.empty_like(q)
    scaled = q / np.sqrt(q.shape[1])
    for start in range(0, len(q), ROWS):
        stop = min(start + ROWS, len(q))
        scores = scaled[start:stop] @ k[:stop].T
        future = np.triu(np.ones((stop - start, stop - start), dtype=bool), 1)
        scores[:, start:stop][future] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        out[start:stop] = (scores @ v[:stop]) / scores.sum(axis=1, keepdims=True)
    return out


def reference(inputs, sizes):
    heads = zip(inputs["q"], inputs["k"], inputs["v"])
    return {"o": np.stack([attend(*head) for head in heads])}
