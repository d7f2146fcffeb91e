"""Trains language models to forecast kernels. Needs PyTorch, transformers and PEFT."""
