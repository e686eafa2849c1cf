"""Weights in a memory layout for steps of a few tokens on a CPU.

A product of a few rows with a bf16 matrix spends half of its time on converting the matrix to the order in
which the CPU's bf16 instructions read it. Within `packed`, the matrices under the active adapter's LoRA
layers and the language-model head are stored in that order, and the adapters are cast once instead of in
every step.

This needs a second copy of the matrices, so it is not done for bases larger than `MOST_BYTES`, on a GPU, for
types other than bf16, for quantised layers, or for other kinds of LoRA. A head that sampling and other passes
use alternately can be kept in that order (`keep_head`), which also speeds up products of some hundred rows.

    with packed(model):
        ...   # the same model with the same results up to rounding
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from models.fast import lora, operators, switch
from models.fast.peft_import import LoraLayer
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
    """Store GPT-2's weights like those of nn.Linear, in place, so that packing need not transpose them.

    Loaded weights are views of their file, and the complete file stays in memory as long as one view exists;
    therefore the other weights are copied as well.
    """
    turned = {module.weight for module in model.modules() if type(module) is Conv1D}
    if switch.is_plain(model) or not turned or not _worth_it(list(turned)):
        return
    for parameter in model.parameters():
        data = parameter.data
        parameter.data = data.t().contiguous().t() if parameter in turned else data.clone()


def keep_head(model: nn.Module) -> None:
    """Pack the language-model head for the lifetime of the model; the head must stay frozen."""
    head = model.get_output_embeddings()
    plain = switch.is_plain(model)
    if not plain and type(head) is nn.Linear and head.bias is None and _worth_it([head.weight]):
        head.kept = Packed(head.weight, None)


def kept_head(head: nn.Linear) -> Packed | None:
    """The packed head from `keep_head`; None if there is none, or if the weights were moved or cast since."""
    kept = head.__dict__.get("kept")
    return kept if kept is not None and kept.source == head.weight.data_ptr() else None


@contextmanager
def packed(model: nn.Module) -> Iterator[None]:
    """Prepare a causal language model for sampling; restores it at the end of the context."""
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
    """A forward pass for few rows of LoRA layers that read the same input; it concatenates their outputs.

    Each output is x W + bias + scaling · (x Aᵀ) Bᵀ. The sum is computed as one product of [x, x Aᵀ] with W
    stacked on B; with several layers, the matrices W are concatenated and the matrices B block-diagonal.
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
    """A language-model head's forward pass: with packed weights for few rows, the original one for many."""

    def __init__(self, head: nn.Linear):
        self.whole = nn.Linear.forward.__get__(head)
        self.packed = kept_head(head) or Packed(head.weight, head.bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.packed(x) if x.numel() <= lora.FEW * x.shape[-1] else self.whole(x)
