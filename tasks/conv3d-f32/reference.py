from concurrent.futures import ThreadPoolExecutor

import numpy as np


def reference(inputs, sizes):
    x, weight = inputs["x"], inputs["weight"]
    cin, d, h, w = x.shape
    cout = weight.shape[0]
    taps = weight.reshape(cout, cin, 3, 3, 3)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1)))
    out = np.empty((cout, d, h * w))

    def slab(z):
        unfolded = np.empty((cin, 3, 3, 3, h, w))
        for b in range(3):
            for e in range(3):
                unfolded[:, :, b, e] = padded[:, z : z + 3, b : b + h, e : e + w]
        out[:, z] = taps.reshape(cout, -1) @ unfolded.reshape(cin * 27, h * w)

    with ThreadPoolExecutor() as pool:
        list(pool.map(slab, range(d)))
    return {"out": out.reshape(cout, d, h, w)}
