import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


def make_inputs(sizes, rng):
    n, count, width = sizes["n"], sizes["count"], sizes["width"]
    text = LETTERS[rng.integers(0, 4, n, dtype=np.uint8)]
    lengths = (4 + np.arange(count) % (width - 3)).astype(np.int32)
    rng.shuffle(lengths)
    patterns = LETTERS[rng.integers(0, 4, (count, width), dtype=np.uint8)]
    # Some patterns start alike.
    patterns[1::5, :5] = patterns[::5, :5][: len(patterns[1::5])]
    patterns[np.arange(width)[None, :] >= lengths[:, None]] = 0
    # Copies of the patterns, half of them with another last letter, also at both ends of the text.
    for place in [0, max(0, n - width), *rng.integers(0, max(1, n - width), min(n // 512, 20000))]:
        chosen = int(rng.integers(0, count))
        length = min(int(lengths[chosen]), n - place)
        text[place : place + length] = patterns[chosen, :length]
        if rng.random() < 0.5:
            text[place + length - 1] = LETTERS[rng.integers(0, 4)]
    last = int(lengths[-1])
    text[n - last :] = patterns[-1, :last]
    return {"text": text, "patterns": patterns, "lengths": lengths}


def reference(inputs, sizes):
    n = sizes["n"]
    text = np.zeros(n + 16, dtype=np.uint8)
    text[:n] = inputs["text"]
    symbols = (text >> 1) & 3
    four = symbols[:-3] | (symbols[1:-2] << 2) | (symbols[2:-1] << 4) | (symbols[3:] << 6)
    eight = four[:-4] | (four[4:].astype(np.uint16) << 8)

    def occurrences(pattern, length):
        places = n - length + 1
        if places <= 0:
            return 0
        head = min(length, 8)
        code = sum(((int(letter) >> 1) & 3) << (2 * k) for k, letter in enumerate(pattern[:head]))
        starts = np.uint16(4**head - 1)
        found = np.flatnonzero((eight[:places] & starts) == np.uint16(code))
        for k in range(head, length):
            found = found[text[found + k] == pattern[k]]
        return len(found)

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        counts = list(pool.map(occurrences, inputs["patterns"], [int(length) for length in inputs["lengths"]]))
    return {"counts": np.array(counts, dtype=np.int64)}
