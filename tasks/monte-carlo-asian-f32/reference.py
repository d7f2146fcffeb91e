import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def make_inputs(sizes, rng):
    options = sizes["options"]
    spot = rng.uniform(80, 120, options)
    book = np.stack(
        [
            spot,
            spot * rng.uniform(0.85, 1.15, options),
            rng.uniform(0.0, 0.06, options),
            rng.uniform(0.15, 0.5, options),
            rng.uniform(0.5, 2.0, options),
        ],
        axis=1,
    )
    return {"book": book.astype(np.float32), "key": rng.integers(0, 1 << 32, size=2, dtype=np.uint32)}


def philox(path, group, key):
    words = [path, group, np.zeros_like(path), np.zeros_like(path)]
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        first = words[0] * np.uint64(0xD2511F53)
        second = words[2] * np.uint64(0xCD9E8D57)
        words = [
            (second >> HALF) ^ words[1] ^ np.uint64(k0),
            second & LOW,
            (first >> HALF) ^ words[3] ^ np.uint64(k1),
            first & LOW,
        ]
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [(word.astype(np.float64) + 0.5) / 2.0**32 for word in words]


def normals(first, last, steps, key):
    path, group = np.meshgrid(np.arange(first, last, dtype=np.uint64), np.arange(steps // 4, dtype=np.uint64), indexing="ij")
    u = philox(path, group, key)
    z = np.empty(path.shape + (4,))
    for half in range(2):
        radius = np.sqrt(-2.0 * np.log(u[2 * half]))
        angle = 2.0 * np.pi * u[2 * half + 1]
        z[..., 2 * half] = radius * np.cos(angle)
        z[..., 2 * half + 1] = radius * np.sin(angle)
    return z.reshape(last - first, steps)


def reference(inputs, sizes):
    book, key = inputs["book"], inputs["key"]
    paths, steps = sizes["paths"], sizes["steps"]
    spot, strike, rate, vol, years = book.T
    dt = years / steps
    drift, sigma = (rate - 0.5 * vol**2) * dt, vol * np.sqrt(dt)

    def part(first):
        last = min(first + 2048, paths)
        walk = np.cumsum(normals(first, last, steps, key), axis=1)
        time = np.arange(1, steps + 1)
        sums = np.empty(len(book))
        for o in range(len(book)):
            exponent = walk * sigma[o]
            exponent += drift[o] * time
            np.exp(exponent, out=exponent)
            sums[o] = np.maximum(spot[o] * exponent.mean(axis=1) - strike[o], 0.0).sum()
        return sums

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        total = sum(pool.map(part, range(0, paths, 2048)))
    return {"price": np.exp(-rate * years) * total / paths}
