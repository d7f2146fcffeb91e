import numpy as np


def reference(inputs, sizes):
    x, h = inputs["x"], inputs["h"]
    n, taps = x.shape[1], h.shape[0]
    length = 2 * taps
    # Overlap-save: short blocks keep the transforms in the caches and accurate.
    step = length * 8 - taps + 1
    spectrum = np.fft.rfft(h, length * 8)
    padded = np.zeros((x.shape[0], taps - 1 + -(-n // step) * step))
    padded[:, taps - 1 : taps - 1 + n] = x
    y = np.empty_like(x)
    for start in range(0, n, step):
        block = padded[:, start : start + step + taps - 1]
        filtered = np.fft.irfft(np.fft.rfft(block, axis=1) * spectrum, length * 8, axis=1)
        stop = min(start + step, n)
        y[:, start:stop] = filtered[:, taps - 1 : taps - 1 + stop - start]
    return {"y": y}
