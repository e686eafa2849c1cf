"""Weights laid out for steps of a few tokens on a CPU.

A product of a few rows with a bf16 matrix spends half of its time on rearranging the matrix into the order
that the CPU's bf16 instructions read. Within `packed`, the matrices under the active adapter's LoRA layers
and the language-model head are in that order already, and the adapters are cast once instead of in every
step.

This takes a second copy of these matrices, so it is not done for bases larger than `MOST_BYTES`, nor on a
GPU, nor for types other than bf16, quantised layers, or other kinds of LoRA. A head that sampling and many
passes use in turn can be kept in that order (`keep_head`), which also speeds up products of some hundred
rows.

    with packed(model):
        ...   # the same model, the same results up to rounding
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers.pytorch_utils import Conv1D

from models.fast import lora, operators, switch
from models.precision import has_bf16_products

MOST_BYTES = 2**29  # of all packed matrices together


class Packed:
    """x W + bias for x [..., in] in bf16, best for few rows."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None):
        """weight: [out, in]."""
        self.source = weight.data_ptr()
        self.weight = operators.reordered(weight.detach(), lora.FEW // 4)
        self.bias = None if bias is None else bias.detach()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return operators.linear(x, self.weight, self.bias)


def turn(model: nn.Module) -> None:
    """Let GPT-2's weights lie in memory as Linear's do, in place: packing need not turn them each time.

    Loaded weights are a view of their file, which stays in memory as a whole while one of them is left: so
    the others are copied as well.
    """
    turned = {module.weight for module in model.modules() if type(module) is Conv1D}
    if switch.is_plain(model) or not turned or not _worth_it(list(turned)):
        return
    for parameter in model.parameters():
        data = parameter.data
        parameter.data = data.t().contiguous().t() if parameter in turned else data.clone()


def keep_head(model: nn.Module) -> None:
    """Pack the language-model head, frozen from now on, for as long as the model lives."""
    head = model.get_output_embeddings()
    plain = switch.is_plain(model)
    if not plain and type(head) is nn.Linear and head.bias is None and _worth_it([head.weight]):
        head.kept = Packed(head.weight, None)


def kept_head(head: nn.Linear) -> Packed | None:
    """What `keep_head` made of these weights where they lie; None after they were moved or cast."""
    kept = head.__dict__.get("kept")
    return kept if kept is not None and kept.source == head.weight.data_ptr() else None


@contextmanager
def packed(model: nn.Module) -> Iterator[None]:
    """Prepare a causal language model for sampling; on leaving, all is as before."""
    if switch.is_plain(model):
        yield
        return
    layers = [layer for layer in model.modules() if lora.is_lean(layer)]
    heads = [model.get_output_embeddings()] if layers else []
    heads = [head for head in heads if type(head) is nn.Linear]
    if not _worth_it([layer.get_base_layer().weight for layer in layers] + [head.weight for head in heads]):
        layers, heads = [], []
    heads = heads or [m for m in model.modules() if type(m) is nn.Linear and kept_head(m) is not None]
    groups = lora.groups(model) if layers else {}
    joined = {layer for group in groups.values() for layer in group}
    alone = [layer for layer in layers if layer not in joined]
    try:
        for owner, group in groups.items():
            owner.few = _few(group)
        for layer in alone:
            layer.few = _few([layer])
        for head in heads:
            head.forward = _Head(head)
        yield
    finally:
        for module in [*groups, *alone]:
            module.__dict__.pop("few", None)
        for head in heads:
            head.__dict__.pop("forward", None)


def _worth_it(matrices: list[torch.Tensor]) -> bool:
    return (
        has_bf16_products()
        and all(m.device.type == "cpu" and m.dtype == torch.bfloat16 for m in matrices)
        and sum(m.nbytes for m in matrices) <= MOST_BYTES
    )


def _few(layers: Sequence[LoraLayer]):
    """The forward pass for few rows of LoRA layers that read the same input, their outputs side by side.

    Each is x W + bias + scaling · (x Aᵀ) Bᵀ. The sum is one product, of [x, x Aᵀ] with B below W; several
    layers have their W side by side, and each its B below its own W.
    """
    bases = [layer.get_base_layer() for layer in layers]
    downs, ups = [], []
    for layer in layers:
        name = layer.active_adapters[0]
        downs.append(layer.lora_A[name].weight.to(torch.bfloat16))
        ups.append((layer.lora_B[name].weight.detach() * layer.scaling[name]).to(torch.bfloat16))
    down = Packed(torch.cat(downs), None)
    weight = torch.cat([base.weight.t() if type(base) is Conv1D else base.weight for base in bases])
    bias = None if bases[0].bias is None else torch.cat([base.bias for base in bases])
    both = Packed(torch.cat((weight, torch.block_diag(*ups)), dim=1), bias)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return both(torch.cat((x, down(x)), dim=-1))

    return forward


class _Head:
    """A language-model head's forward pass: packed for few rows, its own for many."""

    def __init__(self, head: nn.Linear):
        self.whole = nn.Linear.forward.__get__(head)
        self.packed = kept_head(head) or Packed(head.weight, head.bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.packed(x) if x.numel() <= lora.FEW * x.shape[-1] else self.whole(x)
