"""The switch that turns off everything in this folder: EDGERLHF_PLAIN=1.

The variable is read only when a model is loaded. A model that is loaded plain is marked, and every fast path
checks the mark; a marked model uses only the code of transformers, PEFT and torch.
"""

from __future__ import annotations

import os

from torch import nn

VARIABLE = "EDGERLHF_PLAIN"


def wanted() -> bool:
    """Whether the environment asks for plain models."""
    return os.environ.get(VARIABLE) == "1"


def mark(model: nn.Module) -> None:
    """Mark a transformers model, and the transformer below its head, as plain."""
    for module in (model, model.base_model):
        module.is_plain = True


def is_plain(model: nn.Module) -> bool:
    """Whether a model (with adapters or without) was loaded plain."""
    return getattr(model, "is_plain", False)


def can_bypass(model: nn.Module, attention: tuple[str, ...]) -> bool:
    """Whether the forward passes of a model's modules may be called one by one, without those that call them.

    model: a transformers model without adapters around it. attention: the implementations that the caller
    replaces. False for a plain model, and if something is hooked to a module; accelerate's hooks, with which
    it distributes a model over several GPUs, are attributes of their own.
    """
    if is_plain(model) or model.config._attn_implementation not in attention:
        return False
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_hf_hook")
    return not any(getattr(m, name, None) for m in model.base_model.modules() for name in hooks)
