import numpy as np


def make_inputs(sizes, rng):
    batch, n = sizes["batch"], sizes["n"]
    b = rng.standard_normal((batch, n, n), dtype=np.float32)
    a = b @ b.transpose(0, 2, 1)
    a = 0.5 * (a + a.transpose(0, 2, 1))
    a[:, np.arange(n), np.arange(n)] += np.float32(n)
    return {"a": a}


def reference(inputs, sizes):
    return {"l": np.linalg.cholesky(inputs["a"])}
