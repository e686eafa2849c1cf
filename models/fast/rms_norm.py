"""RMSNorm in few passes over memory, forward and backward, on a CPU.

The library uses seven operations, each of which reads and writes a complete tensor, and autograd keeps two of
the results in fp32. This module applies all operations to a block of rows in fp32 while the block is in the
cache. It keeps one number per row, and the input, which the residual stream keeps in any case. The result is
rounded once instead of twice. For few numbers and for trained weights, torch's function is used. RMSNorm:
arXiv 1910.07467.
"""

from __future__ import annotations

import torch
from torch import nn

MANY = 2**16  # smallest number of elements for which it is faster
BLOCK = 2**17  # elements at a time: three of these in fp32 stay in the caches


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight over the last dimension; weight: [d]."""

    def __init__(self, weight: nn.Parameter, eps: float):
        super().__init__()
        self.weight, self.eps = weight, eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu" or x.numel() < MANY or self.weight.requires_grad:
            return nn.functional.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return _RMSNorm.apply(x, self.weight, self.eps)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, eps):
        flat = x.reshape(-1, x.shape[-1])
        out, scale = torch.empty_like(flat), torch.empty(len(flat), 1)
        wide, rows = weight.float(), _rows(flat)
        buffer = torch.empty(rows, flat.shape[1])
        for start in range(0, len(flat), rows):
            part = slice(start, min(start + rows, len(flat)))
            u = buffer[: part.stop - start].copy_(flat[part])
            norm, own = torch.linalg.vector_norm(u, dim=-1, keepdim=True), scale[part]
            torch.mul(norm, norm, out=own).div_(u.shape[1]).add_(eps).rsqrt_()
            out[part] = u.mul_(own).mul_(wide)
        ctx.save_for_backward(flat, weight, scale)
        return out.view(x.shape)

    @staticmethod
    def backward(ctx, grad):
        """With r = scale and g = weight · grad: r g - x r³ Σ(g x) / d."""
        flat, weight, scale = ctx.saved_tensors
        flat_grad, wide, rows = grad.reshape(flat.shape), weight.float(), _rows(flat)
        out = torch.empty_like(flat)
        buffers = torch.empty(3, rows, flat.shape[1])
        for start in range(0, len(flat), rows):
            part = slice(start, min(start + rows, len(flat)))
            g, x, both = (buffer[: part.stop - start] for buffer in buffers)
            g.copy_(flat_grad[part]).mul_(wide)
            torch.mul(g, x.copy_(flat[part]), out=both)
            r = scale[part]
            share = both.sum(dim=-1, keepdim=True).mul_(r**3).div_(x.shape[1])
            out[part] = g.mul_(r).addcmul_(x, share, value=-1)
        return out.view(grad.shape), None, None


def _rows(flat: torch.Tensor) -> int:
    return max(1, min(len(flat), BLOCK // flat.shape[1]))
