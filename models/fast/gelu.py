"""GELU in GPT-2's tanh form, for many bf16 numbers on a CPU.

torch's kernel spends most of its time in tanh. With 1 + tanh(u) = 2 σ(2u), GELU is x · σ(x (a + b x²)), and
torch computes σ several times faster. The derivative uses the same σ: it is computed in the forward pass and
kept, rounded to bf16, instead of x. The computation is in fp32, in blocks that fit into the cache. For few
numbers, other types and GPUs, torch's function is used. GELU: arXiv 1606.08415.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from models.fast import operators

MANY = 2**18  # smallest number of elements for which it is faster
BLOCK = 2**18  # three of these in fp32 stay in the caches
A = 2 * math.sqrt(2 / math.pi)
B = 0.044715 * A


class TanhGELU(nn.Module):
    """The same function as nn.GELU(approximate="tanh")."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu" or x.dtype != torch.bfloat16 or x.numel() < MANY:
            return nn.functional.gelu(x, approximate="tanh")
        return _Gelu.apply(x)


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        out, slope = torch.empty_like(x), torch.empty_like(x) if ctx.needs_input_grad[0] else None
        # Three buffers for all blocks, because allocating memory for each operation would double the time.
        u, s, v = torch.empty(3, min(BLOCK, x.numel())).unbind()
        for start in range(0, x.numel(), BLOCK):
            part = slice(start, min(start + BLOCK, x.numel()))
            _block(*(t[: part.stop - start] for t in (u, s, v)), x, out, slope, part)
        ctx.save_for_backward(slope)
        return out

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


def _block(u, s, v, x, out, slope, part: slice) -> None:
    """out = x σ and slope = σ + x σ (1 - σ) (a + 3 b x²) of one part, with σ = σ(x (a + b x²))."""
    a = torch.tensor(A)
    u.copy_(x.view(-1)[part])
    torch.addcmul(a, u, u, value=B, out=s).mul_(u).sigmoid_()
    if slope is not None:
        torch.addcmul(a, u, u, value=3 * B, out=v).mul_(u)
        slope.view(-1)[part] = operators.sigmoid_backward_(v, s).add_(s)
    out.view(-1)[part] = u.mul_(s)
