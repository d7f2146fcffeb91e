from concurrent.futures import ThreadPoolExecutor

import numpy as np

CHUNK = 8192


def make_inputs(sizes, rng):
    pairs, length = sizes["pairs"], sizes["length"]
    a = rng.integers(0, 4, size=(pairs, length), dtype=np.uint8)
    b = rng.integers(0, 4, size=(pairs, length), dtype=np.uint8)
    # Three quarters of the pairs: a copy that is rotated by up to five places, where some symbols change.
    shift = rng.integers(0, 6, size=(pairs, 1), dtype=np.int16)
    rate = rng.choice(np.array([0.0, 0.1, 0.3, 1.0], dtype=np.float32), size=(pairs, 1))
    places = (np.arange(length, dtype=np.int16)[None, :] + shift) % length
    kept = rng.random((pairs, length), dtype=np.float32) >= rate
    return {"a": a, "b": np.where(kept, np.take_along_axis(a, places, axis=1), b)}


def distances(a, b):
    """Rows of the table for many pairs at once; a running minimum along the row takes care of insertions."""
    length = a.shape[1]
    a, b = np.ascontiguousarray(a.T.astype(np.int8)), np.ascontiguousarray(b.T.astype(np.int8))
    # Every entry is kept relative to its column number.
    row = np.zeros((length + 1, a.shape[1]), dtype=np.int8)
    for i in range(length):
        step = row[:-1] - (a[i] == b)
        np.minimum(step, row[1:] + np.int8(1), out=row[1:])
        row[0] = i + 1
        for j in range(1, length + 1):
            np.minimum(row[j - 1], row[j], out=row[j])
    return row[length].astype(np.int64) + length


def reference(inputs, sizes):
    a, b = inputs["a"], inputs["b"]
    starts = range(0, len(a), CHUNK)
    with ThreadPoolExecutor(16) as pool:
        parts = list(pool.map(lambda s: distances(a[s : s + CHUNK], b[s : s + CHUNK]), starts))
    return {"distance": np.concatenate(parts)}
