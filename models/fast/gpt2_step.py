"""A step of one token per row through GPT-2, without the library's calls between modules.

On a CPU a block of a small model takes a fraction of a millisecond, and the library's calls, checks and
disabled dropouts between two blocks take long in comparison. This module calls the same modules (LoRA layers,
quantised layers, activation) directly one after the other, with one mask for all layers. The result is
bitwise the same.

It serves steps with a KV cache in `models.generation`; other models, models that are distributed over several
GPUs, and models whose modules have hooks use the library.

    step = gpt2_step.of(model)      # None if it does not support the model
    logits = step(ids, positions, mask, cache)
"""

from __future__ import annotations

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.models.gpt2.modeling_gpt2 import GPT2Block, GPT2LMHeadModel

from models.fast import attention, switch


def of(model: nn.Module) -> Gpt2Step | None:
    """The step for a causal language model (with adapters or without) in eval mode; None if not supported."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = model.config
    if (
        type(inner) is not GPT2LMHeadModel
        or config.add_cross_attention
        or any(type(block) is not GPT2Block for block in inner.transformer.h)
        or not switch.can_bypass(inner, (attention.NAME, "sdpa"))
    ):
        return None
    return Gpt2Step(inner)


class Gpt2Step:
    """Refers to the model's modules and has no weights of its own."""

    def __init__(self, model: GPT2LMHeadModel):
        body = model.transformer
        self.tokens, self.places, self.norm, self.head = body.wte, body.wpe, body.ln_f, model.lm_head
        self.blocks = list(body.h)

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: Cache
    ) -> torch.Tensor:
        """Logits [rows, V] from ids and positions [rows, 1] and the mask [rows or 1, 1, 1, keys], True on
        visible keys; adds the tokens to the cache.
        """
        x = self.tokens(ids) + self.places(positions)  # [rows, 1, d]
        bias = None if mask is None else attention.bias(mask, x)
        for number, block in enumerate(self.blocks):
            x = self._attention(block, block.ln_1.forward(x), number, bias, cache).add_(x)
            mlp = block.mlp
            inner = mlp.act.forward(mlp.c_fc.forward(block.ln_2.forward(x)))
            x = mlp.c_proj.forward(inner).add_(x)
        return self.head(self.norm(x))[:, -1]

    def _attention(self, block, x: torch.Tensor, number: int, bias, cache: Cache) -> torch.Tensor:
        attn = block.attn
        # [rows, 1, 3 d] to three of [rows, heads, 1, head size]; with one token this is a view.
        query, key, value = attn.c_attn.forward(x).view(len(x), 3, attn.num_heads, 1, attn.head_dim).unbind(1)
        keys, values = cache.update(key, value, number)
        seen = attention.one_query(query, keys, values, bias, attn.scaling, groups=1)
        return attn.c_proj.forward(seen.view(len(x), 1, -1))
