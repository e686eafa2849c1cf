"""Layers that read the same input, stored as one matrix.

A Llama's queries, keys and values read the same input, and so do gate and up. If their weights lie one after
the other in memory, they are one matrix as well, and one product computes all of them; each layer still has
its own weight, which is a part of that matrix. `models.fast.lora` computes such layers together.

    join(model)   # in place; values, modules and names stay the same
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from models.fast.peft_import import LoraLayer

NAMES = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
MOST_BYTES = 2**29  # of a model; `join` needs that much memory again for a moment


def of(model: nn.Module) -> Iterator[tuple[nn.Module, list[nn.Module]]]:
    """(owner, its layers that read the same input), with or without adapters."""
    for owner in model.modules():
        for names in NAMES:
            layers = [getattr(owner, name, None) for name in names]
            found = [layer for layer in layers if isinstance(layer, nn.Module)]
            if len(found) == len(names):
                yield owner, found


def join(model: nn.Module) -> None:
    """Store the weights of unquantised layers that read the same input one after the other.

    Loaded weights are views of their file, and the complete file stays in memory as long as one view exists;
    therefore the other weights are copied as well.
    """
    found = [[_base(layer) for layer in layers] for _, layers in of(model)]
    found = [layers for layers in found if all(type(layer) is nn.Linear for layer in layers)]
    if not found or sum(p.nbytes for p in model.parameters()) > MOST_BYTES:
        return
    weights = [[layer.get_parameter("weight") for layer in layers] for layers in found]
    for group in weights:
        matrix = torch.cat([weight.data for weight in group])
        for weight, part in zip(group, matrix.split([len(weight) for weight in group]), strict=True):
            weight.data = part
    moved = {weight for group in weights for weight in group}
    for parameter in model.parameters():
        if parameter not in moved:
            parameter.data = parameter.data.clone()


def as_one(weights: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """The matrix that consists of the rows of all matrices, without a copy; None if they do not lie one after
    the other in one storage (because of `join`), or if one is trained.
    """
    first, end = weights[0], weights[0].data_ptr()
    storage = first.untyped_storage().data_ptr()
    for weight in weights:
        moved = weight.data_ptr() != end or weight.untyped_storage().data_ptr() != storage
        if moved or weight.requires_grad or not weight.is_contiguous():
            return None
        end += weight.nbytes
    return first.detach().as_strided((sum(map(len, weights)), first.shape[1]), first.stride())


def bias(layers: Sequence[nn.Module]) -> torch.Tensor | None:
    """The concatenated biases of layers; None if they have none."""
    if len(layers) == 1 or layers[0].bias is None:
        return layers[0].bias
    return torch.cat([layer.bias for layer in layers])


def _base(layer: nn.Module) -> nn.Module:
    """The layer itself, or the one that LoRA adapts."""
    return layer.get_base_layer() if isinstance(layer, LoraLayer) else layer
