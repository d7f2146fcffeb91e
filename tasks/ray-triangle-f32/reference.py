import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BUNDLE = 256
FAR = 100.0


def interleaved(codes, axes, axis, bits):
    """The coordinate along one axis of places in Z-order."""
    place = np.zeros_like(codes)
    for bit in range(bits):
        place |= ((codes >> (axes * bit + axis)) & 1) << bit
    return place


def make_inputs(sizes, rng):
    n, m = sizes["n"], sizes["m"]
    bits = (max(n - 1, 1).bit_length() + 1) // 2
    index = np.arange(n)
    plane = np.stack([interleaved(index, 2, axis, bits) + 0.5 for axis in (0, 1)], axis=1) / 2**bits
    origins = np.concatenate([plane, np.zeros((n, 1))], axis=1)
    directions = np.concatenate([0.2 * (0.5 - plane) + rng.uniform(-0.01, 0.01, (n, 2)), np.ones((n, 1))], axis=1)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)

    centres = rng.uniform(0, 1, (m, 3)) + [0, 0, 1]
    codes = np.zeros(m, dtype=np.int64)
    cells = ((centres - [0, 0, 1]) * 1024).astype(np.int64)
    for axis in range(3):
        for bit in range(10):
            codes |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    centres = centres[np.argsort(codes, kind="stable")]
    triangles = centres[:, None, :] + 0.04 * rng.uniform(-1, 1, (m, 3, 3))
    return {"rays": np.concatenate([origins, directions], axis=1), "triangles": triangles.reshape(m, 9)}


def reference(inputs, sizes):
    rays, triangles = inputs["rays"], inputs["triangles"].reshape(-1, 3, 3)
    n = len(rays)
    corner = triangles[:, 0]
    first, second = triangles[:, 1] - corner, triangles[:, 2] - corner
    normal = np.cross(first, second)
    squared = np.maximum((normal * normal).sum(axis=1, keepdims=True), 1e-300)
    along = np.cross(second, normal) / squared
    across = np.cross(normal, first) / squared
    offset = (normal * corner).sum(axis=1)
    along_offset, across_offset = (along * corner).sum(axis=1), (across * corner).sum(axis=1)
    centre = triangles.mean(axis=1)
    radius = np.sqrt(((triangles - centre[:, None]) ** 2).sum(axis=2).max(axis=1))
    nearest = np.empty(n)

    def bundle(start):
        origins, directions = rays[start : start + BUNDLE, :3], rays[start : start + BUNDLE, 3:]
        # Only triangles whose bounding sphere comes near the bundle's middle ray can be hit.
        middle, axis = origins.mean(axis=0), directions[len(directions) // 2]
        spread = np.sqrt(((origins - middle) ** 2).sum(axis=1).max())
        opening = np.sqrt(((directions - axis) ** 2).sum(axis=1).max())
        away = centre - middle
        squares = (away * away).sum(axis=1)
        reach = radius + spread + (np.sqrt(squares) + radius + spread) * 1.01 * opening + 1e-4
        k = np.flatnonzero(squares - (away @ axis) ** 2 <= reach * reach)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (offset[k] - origins @ normal[k].T) / (directions @ normal[k].T)
            u = origins @ along[k].T + t * (directions @ along[k].T) - along_offset[k]
            v = origins @ across[k].T + t * (directions @ across[k].T) - across_offset[k]
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        nearest[start : start + BUNDLE] = np.where(hit, t, FAR).min(axis=1, initial=FAR)

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        list(pool.map(bundle, range(0, n, BUNDLE)))
    return {"nearest": nearest}
