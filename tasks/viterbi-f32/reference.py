import numpy as np


def reference(inputs, sizes):
    batch, steps, states = sizes["batch"], sizes["steps"], sizes["states"]
    emissions = inputs["emissions"].astype(np.int32)
    transitions = inputs["transitions"].astype(np.int32)
    # A candidate is its score times `width`, plus what makes the lowest predecessor the largest of equals.
    width = 1 << max(1, int(states - 1).bit_length())
    lift = transitions * width + (width - 1 - np.arange(states, dtype=np.int32))[:, None]
    back = np.zeros((steps, batch, states), dtype=np.int32)
    row = emissions[:, 0].copy()
    best = np.empty_like(row)
    candidate = np.empty_like(row)
    for t in range(1, steps):
        row *= width
        np.add(row[:, :1], lift[0], out=best)
        for i in range(1, states):
            np.add(row[:, i : i + 1], lift[i], out=candidate)
            np.maximum(best, candidate, out=best)
        np.subtract(width - 1, best & (width - 1), out=back[t])
        row = (best >> int(width).bit_length() - 1) + emissions[:, t]
    path = np.empty((batch, steps), dtype=np.int64)
    state = row.argmax(axis=1)
    score = row.max(axis=1).astype(np.float64)
    every = np.arange(batch)
    for t in range(steps - 1, -1, -1):
        path[:, t] = state
        if t > 0:
            state = back[t, every, state]
    return {"score": score, "path": path}
