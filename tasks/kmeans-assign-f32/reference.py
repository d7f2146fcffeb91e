import numpy as np


def reference(inputs, sizes):
    points, centroids = inputs["points"], inputs["centroids"]
    norms = np.einsum("kd,kd->k", centroids, centroids)
    nearest = np.empty(len(points), dtype=np.int64)
    for start in range(0, len(points), 8192):
        part = points[start : start + 8192]
        nearest[start : start + 8192] = np.argmin(norms - 2.0 * (part @ centroids.T), axis=1)
    gaps = points - centroids[nearest]
    return {"assignment": nearest, "distance": np.einsum("nd,nd->n", gaps, gaps)}
