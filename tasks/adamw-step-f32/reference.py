from concurrent.futures import ThreadPoolExecutor

import numpy as np

RATE, BETA1, BETA2, EPSILON, DECAY, STEP = 0.01, 0.9, 0.999, 1e-3, 0.1, 10


def update(p, m, v, g):
    m *= BETA1
    m += (1 - BETA1) * g
    v *= BETA2
    v += (1 - BETA2) * g * g
    root = v / (1 - BETA2**STEP)
    np.sqrt(root, out=root)
    root += EPSILON
    p *= 1 - RATE * DECAY
    p -= RATE / (1 - BETA1**STEP) * m / root


def reference(inputs, sizes):
    p, m, v = (np.array(inputs[name]) for name in ("param", "m", "v"))
    g = inputs["grad"]
    block = 1 << 15
    with ThreadPoolExecutor(16) as pool:
        starts = range(0, p.size, block)
        list(pool.map(lambda i: update(*(a[i : i + block] for a in (p, m, v, g))), starts))
    return {"param": p, "m": m, "v": v}
