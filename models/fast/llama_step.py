"""One token per row through a Llama-shaped model, without the library's calls between the modules.

It corresponds to `gpt2_step` for models with grouped keys, rotary positions, SwiGLU and RMSNorm: Llama (which
includes SmolLM2), Mistral, Qwen2 and Qwen3. The same modules (LoRA layers, quantised layers, norms) are
called directly one after the other; rotation angles and mask are computed once for all layers. Layers that
read the same input form one product if `models.fast.decoding` has packed them. The results are those of the
library up to rounding.

It serves steps with a KV cache in `models.generation`; other models, models that are distributed over several
GPUs, and models whose modules have hooks use the library.

    step = llama_step.of(model)      # None if it does not support the model
    logits = step(ids, positions, mask, cache)
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM
from transformers.cache_utils import Cache

from models.fast import attention, rotary, switch

KNOWN = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)


def of(model: nn.Module) -> LlamaStep | None:
    """The step for a causal language model (with adapters or without) in eval mode; None if not supported."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = model.config
    if (
        type(inner) not in KNOWN
        or getattr(config, "sliding_window", None)
        or config.hidden_act not in ("silu", "swish")
        or not switch.can_bypass(inner, (attention.NAME, "sdpa"))
    ):
        return None
    return LlamaStep(inner)


class LlamaStep:
    """Refers to the model's modules and has no weights of its own."""

    def __init__(self, model: nn.Module):
        body = model.model
        self.tokens, self.rotary, self.norm, self.head = (
            body.embed_tokens,
            body.rotary_emb,
            body.norm,
            model.lm_head,
        )
        self.blocks = list(body.layers)

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: Cache
    ) -> torch.Tensor:
        """Logits [rows, V] from ids and positions [rows, 1] and the mask [rows or 1, 1, 1, keys], True on
        visible keys; adds the tokens to the cache.
        """
        x = self.tokens(ids)  # [rows, 1, d]
        cos, sin = self.rotary(x, positions)  # [rows, 1, head size] each
        sin = rotary.signed(sin)
        bias = None if mask is None else attention.bias(mask, x)
        for number, block in enumerate(self.blocks):
            x = self._attention(block, x, number, (cos, sin), bias, cache).add_(x)
            x = self._mlp(block, x).add_(x)
        return self.head(self.norm(x))[:, -1]

    def _attention(self, block, x: torch.Tensor, number: int, angles, bias, cache: Cache) -> torch.Tensor:
        attn, (cos, sin) = block.self_attn, angles
        both = together(attn, ("q_proj", "k_proj", "v_proj"), block.input_layernorm.forward(x))
        heads = both.view(len(x), -1, attn.head_dim)  # queries, keys, values
        count = heads.shape[1] * attn.num_key_value_groups // (attn.num_key_value_groups + 2)
        keys = (heads.shape[1] - count) // 2
        turned, value = heads.split((count + keys, keys), dim=1)
        if hasattr(attn, "q_norm"):
            query, key = turned.split((count, keys), dim=1)
            turned = torch.cat((attn.q_norm.forward(query), attn.k_norm.forward(key)), dim=1)
        query, key = rotary.rotated(turned, cos, sin)[:, :, None].split((count, keys), dim=1)
        seen_keys, seen_values = cache.update(key, value[:, :, None], number)
        groups = attn.num_key_value_groups
        seen = attention.one_query(query, seen_keys, seen_values, bias, attn.scaling, groups)
        return attn.o_proj.forward(seen.view(len(x), 1, -1))

    def _mlp(self, block, x: torch.Tensor) -> torch.Tensor:
        mlp = block.mlp
        both = together(mlp, ("gate_proj", "up_proj"), block.post_attention_layernorm.forward(x))
        gate, up = both.chunk(2, dim=-1)
        return mlp.down_proj.forward(nn.functional.silu(gate).mul_(up))


def together(owner: nn.Module, names: tuple[str, ...], x: torch.Tensor) -> torch.Tensor:
    """The concatenated outputs of an owner's layers that read the same input."""
    few = owner.__dict__.get("few")  # models.fast.decoding sets it while a model samples
    if few is not None:
        return few(x)
    return torch.cat([getattr(owner, name).forward(x) for name in names], dim=-1)
