"""The one switch that turns everything in this folder off: EDGERLHF_PLAIN=1.

It is read when a model is loaded, and nowhere else. A model that was loaded plain says so from then on, and
every quick path asks the model: it then computes by transformers, PEFT and torch alone.
"""

from __future__ import annotations

import os

from torch import nn

VARIABLE = "EDGERLHF_PLAIN"


def wanted() -> bool:
    """Whether the environment asks for plain models."""
    return os.environ.get(VARIABLE) == "1"


def mark(model: nn.Module) -> None:
    """Let a transformers model, and the transformer below its head, say that they are plain."""
    for module in (model, model.base_model):
        module.is_plain = True


def is_plain(model: nn.Module) -> bool:
    """Whether a model, with adapters or without, was loaded plain."""
    return getattr(model, "is_plain", False)
