"""SwiGLU, silu(gate) · up, for many numbers on a CPU.

torch's silu and its derivative compute an exponential each, in passes of their own. Here one sigmoid serves
both: the output and the two derivatives are computed in the forward pass, a block at a time in fp32, to stay
in the cache. The derivatives are kept, in the input's type, instead of gate and up, and the backward pass is two
products. Few numbers and GPUs get torch's own functions. SwiGLU: arXiv 2002.05202.
"""

from __future__ import annotations

import torch
from torch import nn

MANY = 2**16  # numbers from which it is the quicker one
BLOCK = 2**17  # numbers at a time: three of these in fp32 stay in the caches


def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """silu(gate) · up of two tensors of one shape and type."""
    if gate.device.type != "cpu" or gate.numel() < MANY:
        return nn.functional.silu(gate) * up
    return _SwiGLU.apply(gate, up)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gate, up):
        gate, up = gate.contiguous(), up.contiguous()
        out = torch.empty_like(gate)
        kept = any(ctx.needs_input_grad)
        slopes = [torch.empty_like(gate) for _ in range(2)] if kept else []
        buffers = torch.empty(3, min(BLOCK, gate.numel())).unbind()
        for start in range(0, gate.numel(), BLOCK):
            part = slice(start, min(start + BLOCK, gate.numel()))
            _block(*(t[: part.stop - start] for t in buffers), gate, up, out, slopes, part)
        ctx.save_for_backward(*slopes)
        return out

    @staticmethod
    def backward(ctx, grad):
        of_gate, of_up = ctx.saved_tensors
        return grad * of_gate, grad * of_up


def _block(a, s, b, gate, up, out, slopes, part: slice) -> None:
    """One part of: out = a σ b; of gate, σ (1 + a (1 - σ)) b; of up, a σ; with σ = σ(a)."""
    a.copy_(gate.view(-1)[part])
    b.copy_(up.view(-1)[part])
    torch.sigmoid(a, out=s)
    a.mul_(s)  # silu
    if not slopes:
        out.view(-1)[part] = a.mul_(b)
        return
    of_gate, of_up = (slope.view(-1)[part] for slope in slopes)
    of_up.copy_(a)
    s.addcmul_(a, s, value=-1).add_(a).mul_(b)  # σ - a σ² + a σ
    of_gate.copy_(s)
    out.view(-1)[part] = a.mul_(b)
