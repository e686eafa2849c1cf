"""Llama-shaped blocks with faster norms, rotations and SwiGLU.

It uses `rms_norm`, `rotary` and `swiglu` where transformers makes many passes over memory on a CPU, or starts
many kernels on a GPU, in the blocks of Llama (which includes SmolLM2), Mistral, Qwen2 and Qwen3. The modules
keep their places, names and weights, and so do the LoRA layers and quantised layers inside them. Other models
are not changed.

    quicken(model)   # a transformers model; its results stay the same up to rounding
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama import modeling_llama as llama
from transformers.models.mistral import modeling_mistral as mistral
from transformers.models.qwen2 import modeling_qwen2 as qwen2
from transformers.models.qwen3 import modeling_qwen3 as qwen3

from models.fast import lora, rotary
from models.fast.rms_norm import RMSNorm
from models.fast.swiglu import swiglu, swiglu_of_both

NORMS = (llama.LlamaRMSNorm, mistral.MistralRMSNorm, qwen2.Qwen2RMSNorm, qwen3.Qwen3RMSNorm)
MLPS = (llama.LlamaMLP, mistral.MistralMLP, qwen2.Qwen2MLP, qwen3.Qwen3MLP)
ATTENTIONS = (
    llama.LlamaAttention, mistral.MistralAttention, qwen2.Qwen2Attention, qwen3.Qwen3Attention
)  # fmt: skip


def quicken(model: nn.Module) -> None:
    """Make the blocks of a newly loaded model use the faster passes, in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) in NORMS:
                setattr(module, name, RMSNorm(child.weight, child.variance_epsilon))
        if type(module) in MLPS and module.config.hidden_act in ("silu", "swish"):
            module.forward = MethodType(_mlp, module)
        elif type(module) in ATTENTIONS and not getattr(module.config, "sliding_window", None):
            module.forward = MethodType(_attention, module)


def _mlp(mlp: nn.Module, x: torch.Tensor) -> torch.Tensor:
    both = lora.together(mlp, ("gate_proj", "up_proj"), x)
    if both is None:
        return mlp.down_proj(swiglu(mlp.gate_proj(x), mlp.up_proj(x)))
    return mlp.down_proj(swiglu_of_both(both))


def _attention(
    attn: nn.Module,
    hidden_states: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    attention_mask: torch.Tensor | None = None,
    past_key_values=None,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The library's forward pass, except that heads are rotated in the layout [rows, T, heads, head size]."""
    query, key, value = _rotated(attn, hidden_states, *position_embeddings)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    if past_key_values is not None:
        key, value = past_key_values.update(key, value, attn.layer_idx)
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(
        attn.config._attn_implementation, llama.eager_attention_forward
    )
    out, weights = attend(
        attn, query, key, value, attention_mask, dropout=attn.attention_dropout if attn.training else 0.0,
        scaling=attn.scaling, **kwargs,
    )  # fmt: skip
    return attn.o_proj(out.reshape(*hidden_states.shape[:-1], -1)), weights


def _rotated(attn: nn.Module, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor):
    """Queries, keys and values, [rows, T, heads, head size]; queries and keys are rotated.

    cos and sin: [rows or 1, T, head size].
    """
    cos, sin = cos[..., None, :], rotary.signed(sin)[..., None, :]
    both = lora.together(attn, ("q_proj", "k_proj", "v_proj"), x)
    if both is None:
        parts = [getattr(attn, name)(x) for name in ("q_proj", "k_proj", "v_proj")]
        query, key, value = (part.unflatten(-1, (-1, attn.head_dim)) for part in parts)
    else:
        heads = both.unflatten(-1, (-1, attn.head_dim))
        groups = attn.num_key_value_groups
        keys = heads.shape[-2] // (groups + 2)
        if not hasattr(attn, "q_norm"):
            turned, value = heads.split(((groups + 1) * keys, keys), dim=-2)
            return *rotary.rotate(turned, cos, sin).split((groups * keys, keys), dim=-2), value
        query, key, value = heads.split((groups * keys, keys, keys), dim=-2)
    if hasattr(attn, "q_norm"):
        query, key = attn.q_norm(query), attn.k_norm(key)
    return rotary.rotate(query, cos, sin), rotary.rotate(key, cos, sin), value
