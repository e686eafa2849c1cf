"""All operators of torch that the project uses although they are not part of torch's public interface.

They can change with each release of torch, which is why the requirements pin its version. No other module in
`models` calls `torch.ops` or a function of torch whose name begins with an underscore.
"""

from __future__ import annotations

import torch


def has_bf16_products() -> bool:
    """Whether oneDNN has bf16 products on this CPU; to be called only if torch contains oneDNN."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def reordered(weight: torch.Tensor, rows: int) -> torch.Tensor:
    """A bf16 matrix [out, in] in oneDNN's order for products with about `rows` rows."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, rows)


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """x Wᵀ + bias in bf16 by oneDNN, for a weight [out, in] in the usual order or `reordered`."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def softmax_backward(grad: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """p · (g - Σ p g) over the last dimension."""
    return torch._softmax_backward_data(grad, probabilities, -1, probabilities.dtype)


def sigmoid_backward_(grad: torch.Tensor, sigmoid: torch.Tensor) -> torch.Tensor:
    """grad · σ (1 - σ), in place of grad."""
    return torch.ops.aten.sigmoid_backward.grad_input(grad, sigmoid, grad_input=grad)


def silu(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """silu(x), written to `out`."""
    return torch.ops.aten.silu.out(x, out=out)


def silu_backward(grad: torch.Tensor, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """grad · silu'(x), written to `out` if it is given."""
    if out is None:
        return torch.ops.aten.silu_backward(grad, x)
    return torch.ops.aten.silu_backward.grad_input(grad, x, grad_input=out)
