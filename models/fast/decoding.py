"""Weights prepared for steps of a few tokens.

On a CPU, a product of a few rows with a bf16 matrix spends half of its time on converting the matrix to the
order in which the CPU's bf16 instructions read it. Within `packed`, the matrices under the active adapter's
LoRA layers and the language-model head are stored in that order, and the adapters are cast once instead of in
every step. This needs a second copy of the matrices, so it is not done for bases larger than `MOST_BYTES`. A
head that sampling and other passes use alternately can be kept in that order (`keep_head`), which also speeds
up products of some hundred rows.

On a GPU the number of operations determines the time of such a step (docs/gpu.md), so the adapters are cast
once there as well, and the matrices stay as they are.

Nothing is prepared for types other than bf16, for quantised layers, or for other kinds of LoRA.

    with packed(model):
        ...   # the same model with the same results up to rounding
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from models.fast import lora, operators, siblings, switch
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
    prepare = _packed
    if on_gpu([layer.get_base_layer().weight for layer in layers]):
        prepare, heads = cast_once, []
    elif not _worth_it([layer.get_base_layer().weight for layer in layers] + [head.weight for head in heads]):
        layers, heads = [], []
    heads = heads or [m for m in model.modules() if type(m) is nn.Linear and kept_head(m) is not None]
    groups = lora.groups(model) if layers else {}
    joined = {layer for group in groups.values() for layer in group}
    alone = [layer for layer in layers if layer not in joined]
    try:
        for owner, group in groups.items():
            owner.few = prepare(group)
        for layer in alone:
            layer.few = prepare([layer])
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


def on_gpu(matrices: list[torch.Tensor]) -> bool:
    """Whether `cast_once` saves operations for these matrices."""
    return bool(matrices) and all(m.device.type == "cuda" and m.dtype == torch.bfloat16 for m in matrices)


def cast_once(layers: Sequence[LoraLayer]):
    """A forward pass of LoRA layers that read the same input, with adapters that are cast now; it
    concatenates their outputs.
    """
    bases = [layer.get_base_layer() for layer in layers]
    weight = siblings.as_one([base.weight for base in bases])
    if weight is None:  # not joined: each layer has a product of its own
        alone = [cast_once([layer]) for layer in layers]
        return lambda x: torch.cat([forward(x) for forward in alone], dim=-1)
    matrix = weight if type(bases[0]) is Conv1D else weight.t()
    bias = siblings.bias(bases)
    down, up = lora.low_rank_matrices(layers, weight.dtype)

    def forward(x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        out = torch.mm(flat, matrix) if bias is None else torch.addmm(bias, flat, matrix)
        return out.addmm_(flat @ down.t(), up.t()).view(*x.shape[:-1], -1)

    return forward


def _packed(layers: Sequence[LoraLayer]):
    """A forward pass for few rows of LoRA layers that read the same input; it concatenates their outputs.

    Each output is x W + bias + scaling · (x Aᵀ) Bᵀ. The sum is computed as one product of [x, x Aᵀ] with W
    stacked on B; with several layers, the matrices W are concatenated and the matrices B block-diagonal.
    """
    bases = [layer.get_base_layer() for layer in layers]
    small_a, small_b = lora.low_rank_matrices(layers, torch.bfloat16)
    down = Packed(small_a, None)
    weight = torch.cat([base.weight.t() if type(base) is Conv1D else base.weight for base in bases])
    bias = None if bases[0].bias is None else torch.cat([base.bias for base in bases])
    both = Packed(torch.cat((weight, small_b), dim=1), bias)

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
