"""Computes the last block only at positions whose output is used.

In the last block a position's attention output and MLP affect only its own final state. If only some states
are used (those that predict a response, or a sequence's last one), the other positions need only their keys
and values there: of a block's 12 d² weights, 9 d² are skipped, forward and backward. The used states do not
change.

The module supports blocks like those of GPT-2 and Llama; any other block computes everything. Several threads
may use one LastBlock at the same time, each with places of its own.

    inner = backbone(model)
    with LastBlock(inner).only(places):
        states = inner(input_ids=ids)[0].flatten(0, 1)[places]
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from models.fast import switch


class LastBlock:
    """The modules of a transformer's last block that work on each position by itself."""

    def __init__(self, backbone: nn.Module):
        self.backbone = backbone
        lists = [part for part in backbone.children() if isinstance(part, nn.ModuleList) and len(part)]
        block = lists[-1][-1] if len(lists) == 1 else nn.Module()
        mlp = getattr(block, "mlp", None)
        attention = getattr(block, "attn", None) or getattr(block, "self_attn", None)
        output = getattr(attention, "c_proj", None) or getattr(attention, "o_proj", None)
        self.modules: tuple[nn.Module, ...] = ()
        # A mixture of experts is excluded: it routes all positions together, and returns more than states.
        known = type(mlp).__name__.endswith("MLP") and output is not None and mlp is not None
        if known and not switch.is_plain(backbone):
            self.modules = (output, mlp)
        self._own = threading.local()  # .places: those of a thread's pass
        self._lock, self._passes, self._before = threading.Lock(), 0, list[object]()  # of all threads' passes

    @contextmanager
    def only(self, places: torch.Tensor) -> Iterator[None]:
        """Within this context, final states are correct at `places` (distinct positions in [rows · T]) only.

        With activation checkpointing, whose backward pass runs outside the context, all states are correct.
        """
        if len(places) == 0 or self._computed_again():
            yield
            return
        self._begin()
        self._own.places = places
        try:
            yield
        finally:
            del self._own.places
            self._end()

    def _begin(self) -> None:
        with self._lock:
            if self._passes == 0:
                self._before = [module.__dict__.get("forward") for module in self.modules]
                for module in self.modules:
                    module.forward = self._at_own_places(module.forward)
            self._passes += 1

    def _end(self) -> None:
        with self._lock:
            self._passes -= 1
            if self._passes == 0:
                for module, forward in zip(self.modules, self._before, strict=True):
                    del module.forward
                    if forward is not None:
                        module.forward = forward

    def _at_own_places(self, forward):
        def computed(x: torch.Tensor) -> torch.Tensor:
            places = getattr(self._own, "places", None)
            return forward(x) if places is None else _at(places, forward, x)

        return computed

    def _computed_again(self) -> bool:
        parts = self.backbone.modules()
        return self.backbone.training and any(getattr(m, "gradient_checkpointing", False) for m in parts)


def backbone(model: nn.Module) -> nn.Module:
    """The transformer below the head (adapters included), which returns hidden states first."""
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    return getattr(inner, "base_model", inner)


def _at(places: torch.Tensor, forward, x: torch.Tensor) -> torch.Tensor:
    # One token per row: with one position in each row, a layer's state per row still fits.
    computed = forward(x.flatten(0, 1).index_select(0, places)[:, None])[:, 0]
    whole = computed.new_zeros(x.shape[0] * x.shape[1], computed.shape[-1])
    return whole.index_copy(0, places, computed).unflatten(0, x.shape[:2])
