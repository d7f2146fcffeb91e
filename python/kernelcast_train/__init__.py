"""Trains kernelcast's forecasters. Needs PyTorch; the rest of kernelcast does not."""
