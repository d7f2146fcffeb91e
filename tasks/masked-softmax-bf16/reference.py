from concurrent.futures import ThreadPoolExecutor

import numpy as np

ROWS = 64


def band(x, length, y, start):
    """A band of a head's rows; columns behind the last row's own are hidden for all of them."""
    rows = np.arange(start, min(start + ROWS, len(x)))
    width = min(rows[-1] + 1, length)
    scores = np.where(np.arange(width) <= rows[:, None], x[rows[0] : rows[-1] + 1, :width], -np.inf)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    y[rows[0] : rows[-1] + 1, :width] = scores / scores.sum(axis=1, keepdims=True)


def reference(inputs, sizes):
    x, lengths = inputs["x"], inputs["lengths"]
    y = np.zeros(x.shape, dtype=np.float32)
    jobs = [(head, start) for head in range(len(x)) for start in range(0, x.shape[1], ROWS)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda job: band(x[job[0]], int(lengths[job[0]]), y[job[0]], job[1]), jobs))
    return {"y": y}
