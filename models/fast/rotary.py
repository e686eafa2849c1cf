"""Rotary positions in three passes over memory instead of eight, forward and backward.

The rotated pairs are x_i and x_{i + half} of each head, as transformers stores them: a roll by half a head
moves each number's partner to its place, and the table of sines contains the sign. The backward pass is the
inverse rotation. RoFormer: arXiv 2104.09864.
"""

from __future__ import annotations

import torch


def signed(sin: torch.Tensor) -> torch.Tensor:
    """The table of sines for `rotate`: the library's [..., head size], negated in the first half."""
    first, second = sin.chunk(2, dim=-1)
    return torch.cat((-first, second), dim=-1)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate x [..., head size]; cos and (signed) sin must be broadcastable to its shape."""
    return _Rotate.apply(x, cos, sin)


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, cos, sin):
        ctx.save_for_backward(cos, sin)
        return rotated(x, cos, sin)

    @staticmethod
    def backward(ctx, grad):
        cos, sin = ctx.saved_tensors
        return rotated(grad.contiguous(), cos, -sin), None, None


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """`rotate` without a backward pass."""
    return (x * cos).addcmul_(x.roll(x.shape[-1] // 2, dims=-1), sin)
