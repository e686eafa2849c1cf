"""SwiGLU, silu(gate) · up, with two tensors kept for the backward pass instead of three.

Its derivatives, silu(gate) and silu'(gate) · up, are computed in the forward pass, while both inputs are in
the cache, and kept instead of the inputs; the backward pass is two products. Without gradients, and on GPUs,
the library's computation is used. SwiGLU: arXiv 2002.05202.
"""

from __future__ import annotations

import torch
from torch import nn

from models.fast import operators


def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """silu(gate) · up of two tensors of the same shape and type."""
    if not torch.is_grad_enabled():
        return nn.functional.silu(gate).mul_(up)
    return _SwiGLU.apply(gate, up) if gate.device.type == "cpu" else nn.functional.silu(gate) * up


def swiglu_of_both(both: torch.Tensor) -> torch.Tensor:
    """`swiglu` of the halves of one tensor [..., 2 · width]; its gradient is one tensor, too."""
    if not torch.is_grad_enabled() or not both.requires_grad or both.device.type != "cpu":
        return swiglu(*both.chunk(2, dim=-1))
    return _SwiGLUOfBoth.apply(both)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gate, up):
        of_up = nn.functional.silu(gate)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(operators.silu_backward(up, gate), of_up)
        return of_up * up

    @staticmethod
    def backward(ctx, grad):
        of_gate, of_up = ctx.saved_tensors
        return grad * of_gate, grad * of_up


class _SwiGLUOfBoth(torch.autograd.Function):
    @staticmethod
    def forward(ctx, both):
        gate, up = both.chunk(2, dim=-1)
        kept = both.new_empty(*gate.shape[:-1], 2, gate.shape[-1])
        of_gate, of_up = kept.unbind(-2)
        operators.silu_backward(up, gate, out=of_gate)
        operators.silu(gate, out=of_up)
        ctx.save_for_backward(kept)
        return of_up * up

    @staticmethod
    def backward(ctx, grad):
        (kept,) = ctx.saved_tensors
        return (grad.unsqueeze(-2) * kept).flatten(-2)
