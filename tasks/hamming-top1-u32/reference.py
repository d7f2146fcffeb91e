import numpy as np

BITS = 256


def make_inputs(sizes, rng):
    q, n = sizes["q"], sizes["n"]
    queries = rng.integers(0, 1 << 32, size=(q, 8), dtype=np.uint32)
    codes = rng.integers(0, 1 << 32, size=(n, 8), dtype=np.uint32)
    # A neighbour of each query that differs in one to seven bits of every word, at a place of its own where there is room.
    places = rng.permutation(n)[:q]
    flips = np.zeros((places.size, 8), dtype=np.uint32)
    rounds = rng.integers(1, 8, size=(places.size, 1))
    for r in range(7):
        flip = np.uint32(1) << rng.integers(0, 32, size=flips.shape, dtype=np.uint32)
        flips |= np.where(r < rounds, flip, np.uint32(0))
    codes[places] = queries[: places.size] ^ flips
    return {"queries": queries, "codes": codes}


def signs(words):
    octets = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.unpackbits(octets, axis=1).astype(np.float32) * 2 - 1


def reference(inputs, sizes):
    # Of codes as vectors of +1 and -1, the distance is (bits - product) / 2; the products are exact in float32.
    queries = signs(inputs["queries"]).T.copy()
    codes = inputs["codes"]
    nearest = np.full(queries.shape[1], -BITS, dtype=np.float32)
    for start in range(0, len(codes), 16384):
        products = signs(codes[start : start + 16384]) @ queries
        np.maximum(nearest, products.max(axis=0), out=nearest)
    return {"best": ((BITS - nearest) / 2).astype(np.int64)}
