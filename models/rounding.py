"""Fake quantisation by rounding: weights that take few values, stored in the base's own number format.

It shows what a loss of precision does, and saves no memory. `rtn2` and `rtn3` round every weight matrix of
the blocks to the nearest of 3 or 7 values: -k..k times a scale, k = 2^(bits - 1) - 1, with one scale per
group of 64 inputs of an output, the group's largest magnitude / k. Nothing is calibrated, which is what makes
few bits harmful. Embeddings, heads, norms and adapters stay as they are, as in `models.precision`.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from models.adapters import HEAD_NAMES
from models.fast.peft_import import LoraLayer

BITS = {"rtn2": 2, "rtn3": 3}
GROUP = 64  # inputs that share a scale


def round_to_nearest(weight: torch.Tensor, bits: int, group: int = GROUP) -> torch.Tensor:
    """The rounded weight, in its own type. weight: [outputs, inputs]; the last group can be smaller."""
    top = 2 ** (bits - 1) - 1
    rounded = torch.empty_like(weight)
    for start in range(0, weight.shape[1], group):
        part = weight[:, start : start + group].float()
        scale = part.abs().amax(dim=1, keepdim=True) / top
        scale = torch.where(scale > 0, scale, 1.0)
        rounded[:, start : start + group] = (part / scale).round().mul(scale).to(weight.dtype)
    return rounded


@torch.no_grad()
def round_blocks(model: nn.Module, bits: int) -> int:
    """Round the weight matrices of a model's blocks in place; returns their number."""
    count = 0
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer) or name.rsplit(".", 1)[-1] in HEAD_NAMES or ".lora_" in name:
            continue
        if isinstance(module, Conv1D):  # stored as [inputs, outputs]
            module.weight.data = round_to_nearest(module.weight.T, bits).T.contiguous()
        elif isinstance(module, nn.Linear):
            module.weight.data = round_to_nearest(module.weight, bits)
        else:
            continue
        count += 1
    return count
