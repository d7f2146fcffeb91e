import numpy as np

BITS = 16


def make_inputs(sizes, rng):
    bits = rng.integers(8, 32, sizes["n"])
    low = np.left_shift(1, bits - 1)
    return {"numbers": (low + (rng.random(sizes["n"]) * low).astype(np.int64)).astype(np.uint32)}


def tables():
    """For each low part: what BITS halvings (each after 3 m + 1 where odd) make of it, and its own length."""
    size = 1 << BITS
    value, factor, steps = np.arange(size), np.ones(size, np.int64), np.full(size, BITS)
    for _ in range(BITS):
        odd = (value & 1).astype(bool)
        value = np.where(odd, (3 * value + 1) >> 1, value >> 1)
        factor = np.where(odd, 3 * factor, factor)
        steps = steps + odd
    lengths = np.zeros(size, np.int64)
    walking, at = np.arange(2, size), np.arange(2, size)
    while len(walking):
        lengths[walking] += 1
        at = np.where(at & 1, 3 * at + 1, at >> 1)
        walking, at = walking[at != 1], at[at != 1]
    return value, factor, steps, lengths


def reference(inputs, sizes):
    added, factor, steps, lengths = tables()
    at = inputs["numbers"].copy()
    total = np.zeros(len(at), np.int64)
    # A jump from m >= 2^BITS cannot pass 1: it halves BITS times.
    index = np.flatnonzero(at >> BITS)
    value = at[index]
    while len(index):
        low = value & ((1 << BITS) - 1)
        value = (value >> BITS) * factor[low] + added[low]
        total[index] += steps[low]
        at[index] = value
        large = value >> BITS > 0
        index, value = index[large], value[large]
    return {"lengths": total + lengths[at]}
