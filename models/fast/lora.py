"""A lean forward and backward pass for the LoRA layers that PEFT puts around a base's linear layers.

PEFT casts a layer's complete input and output to the adapter's fp32 and back, and keeps the fp32 input for
the backward pass. On a bf16 base that adds about half the layer's own time, and three times its memory. In
this module the two low-rank products use the type of the input, to which the adapters are cast (they are
small, and stay fp32 for the optimizer), and one saved input serves every product. On an fp32 base the result
is the same as PEFT's. Layers that read the same input (a Llama's queries, keys and values, or gate and up)
are computed as one layer if `models.fast.siblings` has joined their weights.

PEFT's modules, names and files do not change. Other kinds of LoRA (DoRA, dropout in training, several active
adapters, one adapter per row) use PEFT's own forward pass.
LoRA: arXiv 2106.09685.

    quicken(peft_model)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MethodType

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from models.fast import operators, siblings
from models.fast.peft_import import LoraLayer
from models.precision import has_bf16_products

# Up to this number of rows a product is faster with a matrix packed for few rows (models.fast.decoding).
FEW = 128


def quicken(model: nn.Module) -> None:
    """Make LoRA layers around linear layers use the lean pass, in place; a second call has no effect."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer) and isinstance(layer.get_base_layer(), nn.Linear | Conv1D):
            layer.forward = MethodType(_forward, layer)


def _forward(layer: LoraLayer, x: torch.Tensor, *args, **kwargs) -> torch.Tensor:
    few = layer.__dict__.get("few")  # models.fast.decoding sets it while a model samples
    if few is not None and not kwargs and x.numel() <= FEW * x.shape[-1]:
        return few(x)
    parts = layer.__dict__.get("parts")  # set within `split`
    if parts is not None:
        return _in_parts([layer], x, *parts)
    name = layer.active_adapters[0] if len(layer.active_adapters) == 1 else ""
    if args or kwargs or name not in layer.lora_A or not _is_plain(layer, name):
        return type(layer).forward(layer, x, *args, **kwargs)
    base = layer.get_base_layer()
    if type(base) in (nn.Linear, Conv1D) and base.weight.dtype == x.dtype and not base.weight.requires_grad:
        scalings, adapters = _adapters([layer], name)
        return _Adapted.apply(x, base.weight, base.bias, type(base) is Conv1D, scalings, *adapters)
    a, b, scaling = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    return _Added.apply(base(x), x, a, b, scaling)


def is_lean(layer: nn.Module) -> bool:
    """Whether a module is a LoRA layer around an unquantised linear layer that now uses the lean pass."""
    if not (isinstance(layer, LoraLayer) and type(layer.get_base_layer()) in (nn.Linear, Conv1D)):
        return False
    active = layer.active_adapters
    return len(active) == 1 and active[0] in layer.lora_A and _is_plain(layer, active[0])


def groups(model: nn.Module) -> dict[nn.Module, list[LoraLayer]]:
    """{owner: its layers with a lean pass that read the same input}."""
    found = {}
    for owner, every in siblings.of(model):
        layers = [layer for layer in every if isinstance(layer, LoraLayer) and is_lean(layer)]
        biases = {layer.get_base_layer().bias is None for layer in layers}
        if len(layers) == len(every) and len(biases) == 1:
            found[owner] = layers
    return found


def together(owner: nn.Module, names: Sequence[str], x: torch.Tensor) -> torch.Tensor | None:
    """The concatenated outputs of an owner's layers that read the same input, computed as one layer; None if
    they have to be called one by one.
    """
    few = owner.__dict__.get("few")  # models.fast.decoding sets it while a model samples
    if few is not None and x.numel() <= FEW * x.shape[-1]:
        return few(x)
    layers = [getattr(owner, name) for name in names]
    if not all(is_lean(layer) for layer in layers):
        return None
    bases = [layer.get_base_layer() for layer in layers]
    weight = siblings.as_one([base.weight for base in bases])
    if weight is None or weight.dtype != x.dtype or len({base.bias is None for base in bases}) > 1:
        return None
    parts = layers[0].__dict__.get("parts")
    if parts is not None:
        return _in_parts(layers, x, *parts)
    scalings, adapters = _adapters(layers, layers[0].active_adapters[0])
    return _Adapted.apply(x, weight, siblings.bias(bases), False, scalings, *adapters)


def _is_plain(layer: LoraLayer, name: str) -> bool:
    dropout = layer.lora_dropout[name]
    return not (
        layer.disable_adapters
        or layer.merged
        or name in layer.lora_variant
        or layer.lora_bias[name]
        or (dropout.training and getattr(dropout, "p", 0.0) > 0)
    )


def can_split(model: nn.Module, names: Sequence[str]) -> bool:
    """Whether `split` supports all of a model's LoRA layers with these adapters."""
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLayer)]
    return bool(layers) and all(
        isinstance(layer.get_base_layer(), nn.Linear | Conv1D)
        and all(name in layer.lora_A and _is_plain(layer, name) for name in names)
        for layer in layers
    )


@contextmanager
def split(model: nn.Module, names: Sequence[str], counts: Mapping[int, Sequence[int]]) -> Iterator[None]:
    """Within this context, the rows of an input belong to several adapters in turn, regardless of the active
    one. counts[n]: for an input of n rows, the number of rows per adapter. No gradients.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLayer)]
    for layer in layers:
        layer.parts = (names, counts)
    try:
        yield
    finally:
        for layer in layers:
            del layer.parts


def _in_parts(
    layers: Sequence[LoraLayer], x: torch.Tensor, names: Sequence[str], counts: Mapping[int, Sequence[int]]
) -> torch.Tensor:
    """x W + bias once for all rows, plus scaling · (x Aᵀ) Bᵀ of each part's own adapter; for several layers
    (see `together`) their concatenated outputs.
    """
    bases = [layer.get_base_layer() for layer in layers]
    base = bases[0]
    weight = base.weight if len(bases) == 1 else siblings.as_one([b.weight for b in bases])
    if weight is not None and type(base) in (nn.Linear, Conv1D) and weight.dtype == x.dtype:
        matrix = weight if type(base) is Conv1D else weight.t()
        out = _linear(x.reshape(-1, x.shape[-1]), matrix, siblings.bias(bases)).view(*x.shape[:-1], -1)
    else:
        out = base(x)
    added = out.to(x.dtype)
    sizes = counts[len(x)]
    for name, own, sums in zip(names, x.split(sizes), added.split(sizes), strict=True):
        low, _, small_b = _low_rank(own.reshape(-1, x.shape[-1]), *_adapters(layers, name))
        sums.view(-1, out.shape[-1]).addmm_(low, small_b.t())
    return added.to(out.dtype)


def _adapters(layers: Sequence[LoraLayer], name: str) -> tuple[list[float], list[torch.Tensor]]:
    """(the layers' scalings; A and B of the first layer, then those of the next)."""
    weights = [side[name].weight for layer in layers for side in (layer.lora_A, layer.lora_B)]
    return [layer.scaling[name] for layer in layers], weights


class _Adapted(torch.autograd.Function):
    """x W + bias + scaling · (x Aᵀ) Bᵀ, for a frozen W; gradients for x, A and B.

    adapters: A [rank, in] and B [out, rank]. With the adapters of several layers, W consists of the columns
    of all, and so does the result.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, transposed, scalings, *adapters):
        flat = x.reshape(-1, x.shape[-1])
        matrix = weight if transposed else weight.t()  # [in, out]
        out = _linear(flat, matrix, bias)
        low, small_a, small_b = _low_rank(flat, scalings, adapters)
        ctx.save_for_backward(flat, low, matrix, small_a, small_b)
        ctx.scalings, ctx.shape = scalings, x.shape
        ctx.sizes = [b.shape for b in adapters[1::2]]
        return out.addmm_(low, small_b.t()).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, grad):
        flat, low, matrix, small_a, small_b = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        grad_low = grad @ small_b
        gradients = [None] * (2 * len(ctx.sizes))
        if any(ctx.needs_input_grad[5:]):
            gradients = _gradients(ctx.sizes, ctx.scalings, grad, grad_low, flat, low)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.mm(grad, matrix.t()).addmm_(grad_low, small_a).view(ctx.shape)
        return grad_x, None, None, None, None, *gradients


class _Added(torch.autograd.Function):
    """out + scaling · (x Aᵀ) Bᵀ, if another module (a quantised layer) has computed `out` from x."""

    @staticmethod
    def forward(ctx, out, x, a, b, scaling):
        flat = x.reshape(-1, x.shape[-1])
        low, small_a, small_b = _low_rank(flat, [scaling], [a, b])
        ctx.save_for_backward(flat, low, small_a, small_b)
        ctx.scaling, ctx.shape = scaling, x.shape
        added = torch.addmm(out.reshape(-1, out.shape[-1]).to(low.dtype), low, small_b.t())
        return added.view(out.shape).to(out.dtype)

    @staticmethod
    def backward(ctx, grad):
        flat, low, small_a, small_b = ctx.saved_tensors
        flat_grad = grad.reshape(-1, grad.shape[-1]).to(low.dtype)
        grad_low = flat_grad @ small_b
        grad_a = grad_b = None
        if any(ctx.needs_input_grad[2:4]):
            sizes = [small_b.shape]
            grad_a, grad_b = _gradients(sizes, [ctx.scaling], flat_grad, grad_low, flat, low)
        grad_x = (grad_low @ small_a).view(ctx.shape) if ctx.needs_input_grad[1] else None
        return grad, grad_x, grad_a, grad_b, None


def _linear(flat: torch.Tensor, matrix: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """[tokens, out], from [tokens, in] and [in, out]."""
    if bias is None:
        return torch.mm(flat, matrix)
    if flat.dtype == torch.bfloat16 and flat.device.type == "cpu" and has_bf16_products():
        # addmm would first write the bias to every row and then read it again.
        return operators.linear(flat, matrix.t(), bias)
    return torch.addmm(bias, flat, matrix)


def _low_rank(flat: torch.Tensor, scalings: Sequence[float], adapters: Sequence[torch.Tensor]):
    """(x Aᵀ [tokens, ranks], A, scaling · B), all in the type of x [tokens, in]; the A of several layers are
    stacked, and their B are the blocks of a block-diagonal matrix.
    """
    small_a, small_b = _stacked(scalings, adapters, flat.dtype)
    return flat @ small_a.t(), small_a, small_b


def low_rank_matrices(layers: Sequence[LoraLayer], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """(A [ranks, in], scaling · B [outputs, ranks]) of the active adapter of layers that read the same input,
    without gradients: the A are stacked, and the B are the blocks of a block-diagonal matrix.
    """
    scalings, adapters = _adapters(layers, layers[0].active_adapters[0])
    return _stacked(scalings, [weight.detach() for weight in adapters], dtype)


def _stacked(scalings: Sequence[float], adapters: Sequence[torch.Tensor], dtype: torch.dtype):
    downs = [a.to(dtype) for a in adapters[::2]]
    ups = [(b * scaling).to(dtype) for b, scaling in zip(adapters[1::2], scalings, strict=True)]
    return (downs[0], ups[0]) if len(ups) == 1 else (torch.cat(downs), torch.block_diag(*ups))


def _gradients(sizes, scalings, grad, grad_low, flat, low) -> list[torch.Tensor]:
    """Gradients of each layer's A and B, in fp32 as the adapters are. sizes: those of each B."""
    of_a, of_b = (grad_low.t() @ flat).float(), low.t() @ grad
    found, first, top = [], 0, 0
    for (out, rank), scaling in zip(sizes, scalings, strict=True):
        ranks, columns = slice(first, first + rank), slice(top, top + out)
        found += [of_a[ranks], of_b[ranks, columns].t().float().mul_(scaling)]
        first, top = first + rank, top + out
    return found
