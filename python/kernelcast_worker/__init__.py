"""The kernelcast GPU worker: compiles, checks and times CUDA kernels behind a JSON Lines protocol."""

__version__ = "0.1.0"
