"""
Attention for a few queries over a long memory that several of them share: with a mask, the queries of all heads that use the same
keys stand side by side, so that the keys are not copied for each head.
"""

from __future__ import annotations

from typing import Any, Optional, Tuple

import torch
from torch import Tensor

NAME = "grouped"


def register() -> str:
    """Makes the attention known to transformers, and gives its name."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def forward(
        module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Optional[Tensor], **others: Any
    ) -> Tuple[Tensor, None]:
        if attention_mask is None:
            return sdpa_attention_forward(module, query, key, value, None, **others)
        return grouped(query, key, value, attention_mask, others.get("scaling")), None

    AttentionInterface.register(NAME, forward)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    # cuDNN plans anew for every length, which takes longer than the attention.
    torch.backends.cuda.enable_cudnn_sdp(False)
    return NAME


def grouped(query: Tensor, key: Tensor, value: Tensor, seen: Tensor, scaling: Optional[float]) -> Tensor:
    """
    Of queries [rows, heads, queries, size], keys and values [rows, key heads, memory, size] and which are seen
    [rows, 1, queries, memory]: [rows, queries, heads, size].
    """
    rows, heads, count, size = query.shape
    key_heads = key.shape[1]
    share = heads // key_heads
    together = query.reshape(rows, key_heads, share * count, size)
    mask = seen[:, :, :, : key.shape[2]].repeat(1, 1, share, 1)
    out = torch.nn.functional.scaled_dot_product_attention(together, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(rows, heads, count, size).transpose(1, 2).contiguous()
