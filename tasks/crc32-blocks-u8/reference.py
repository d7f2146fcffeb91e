import zlib

import numpy as np


def reference(inputs, sizes):
    data = np.ascontiguousarray(inputs["data"].astype(np.uint8))
    octets, length = memoryview(data.reshape(-1)), data.shape[1]
    values = [zlib.crc32(octets[start : start + length]) for start in range(0, data.size, length)]
    return {"crc": np.array(values, dtype=np.int64)}
