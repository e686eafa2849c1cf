"""Causal self-attention on a CPU, by plain matrix products.

On CPUs with bf16 products, torch's fused attention takes three times as long, forward and backward, as
separate matrix products; for a single query, as in a step of generation, the ratio is even larger. This
module computes the products separately. Long rows without a mask are divided into parts of the queries, each
with the keys that it can see. The probabilities, at most [rows, heads, T, T], are kept for the backward pass,
which needs little memory for short rows. Beyond `LONGEST` tokens, on GPUs, with dropout, and for a few
queries with many keys, torch's fused kernel is used.

    use_on_cpu(model)   # a transformers model; its results stay the same up to rounding
"""

from __future__ import annotations

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.fast import operators

NAME = "products"
LONGEST = 1024  # tokens per row
PART = 128  # queries


def use_on_cpu(model) -> None:
    """Make a model that uses torch's fused attention use this module; a model with another kind keeps it."""
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)


def attend(module, query, key, value, attention_mask, dropout=0.0, scaling=None, is_causal=None, **kwargs):
    """The interface of an attention function in transformers; returns ([rows, T, heads, head size], None)."""
    length = query.shape[2]
    causal = is_causal if is_causal is not None else getattr(module, "is_causal", True)
    square = length == key.shape[2] <= LONGEST and causal
    odd = dropout or query.device.type != "cpu" or not kwargs.keys().isdisjoint(("position_bias", "cache"))
    if odd or not (square or length == 1):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal, **kwargs
        )
    groups = getattr(module, "num_key_value_groups", 1)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if length == 1 and not torch.is_grad_enabled():
        return one_query(query, key, value, attention_mask, scaling, groups), None
    added = None if attention_mask is None else bias(attention_mask, query)
    if added is not None and added.shape[1] > 1:  # each head has its own mask, so no heads can share keys
        key, value, groups = repeat_kv(key, groups), repeat_kv(value, groups), 1
    return _Attention.apply(query, key, value, added, scaling, groups), None


def one_query(query, key, value, mask, scaling: float, groups: int) -> torch.Tensor:
    """Attention of one new token per row to all keys; heads that share keys form one product."""
    rows, heads, _, size = query.shape
    scores = (query * scaling).view(rows, heads // groups, groups, size) @ key.transpose(2, 3)
    if mask is not None:
        scores = scores + bias(mask, query)
    return (torch.softmax(scores, dim=-1) @ value).view(rows, 1, heads, size)


def bias(mask: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """The bias that is added to the scores before the softmax, [rows, heads or 1, T, T]."""
    if mask.dtype != torch.bool:
        return mask.to(query.dtype)
    least = torch.finfo(query.dtype).min  # not -inf: a row of padding that sees nothing would become NaN
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, least)


class _Attention(torch.autograd.Function):
    """Attention of the queries in parts of `PART`, each with the keys up to the part's last query; later keys
    are not computed.

    Heads that share keys are rows of one product, in which the heads of a token are neighbours.
    query [rows, heads, T, head size], key and value [rows, heads / groups, T, head size] ->
    [rows, T, heads, head size]. bias: None if each token sees itself and all tokens before it; otherwise it
    is added to all scores, and the queries are one part.
    """

    @staticmethod
    def forward(ctx, query, key, value, bias, scaling, groups):
        rows, heads, length, size = query.shape
        arranged = _arrange(query, groups)  # [rows, key heads, T, groups, head size]
        # `out` saves a copy, because heads lie behind tokens in memory; torch.compile infers wrong strides.
        out = None if torch.compiler.is_compiling() else query.new_empty(arranged.shape)
        q = torch.mul(arranged, scaling, out=out).reshape(-1, length * groups, size)
        k, v = (x.reshape(-1, length, size) for x in (key, value))
        parts = _parts(length) if bias is None else [(0, length)]
        if bias is None:
            bias = _future(q, max(end - start for start, end in parts))
        out, probabilities = torch.empty_like(q), []
        for start, end in parts:
            own = slice(start * groups, end * groups)
            scores = torch.bmm(q[:, own], k[:, :end].transpose(1, 2))
            # Of a part's keys, only those of its own tokens can be in the future of one of them.
            future = scores.view(rows, heads // groups, end - start, groups, end)[..., start:]
            future.add_(bias[..., : end - start, None, : end - start])  # broadcast over the heads, not copied
            probabilities.append(torch.softmax(scores, dim=-1))
            torch.bmm(probabilities[-1], v[:, :end], out=out[:, own])
        ctx.save_for_backward(q, k, v, *probabilities)
        ctx.scaling, ctx.parts, ctx.groups = scaling, parts, groups
        return out.view(arranged.shape).transpose(1, 2).reshape(rows, length, heads, size)

    @staticmethod
    def backward(ctx, grad):
        q, k, v, *probabilities = ctx.saved_tensors
        groups, arranged = ctx.groups, _arrange(grad.transpose(1, 2), ctx.groups)
        grad = arranged.reshape(q.shape)
        grad_q, grad_k, grad_v = torch.empty_like(q), None, None
        # The last part has all keys, so it comes first and creates the sums to which the other parts add.
        for (start, end), p in reversed(list(zip(ctx.parts, probabilities, strict=True))):
            own = slice(start * groups, end * groups)
            grad_part = grad[:, own]
            grad_p = torch.bmm(grad_part, v[:, :end].transpose(1, 2))
            # The softmax's backward pass: p · (g - Σ p g), with the same kernel as in torch.
            grad_scores = operators.softmax_backward(grad_p, p)
            torch.bmm(grad_scores, k[:, :end], out=grad_q[:, own])
            if grad_k is None:
                grad_k = torch.bmm(grad_scores.transpose(1, 2), q[:, own])
                grad_v = torch.bmm(p.transpose(1, 2), grad_part)
            else:
                grad_k[:, :end].baddbmm_(grad_scores.transpose(1, 2), q[:, own])
                grad_v[:, :end].baddbmm_(p.transpose(1, 2), grad_part)
        rows, key_heads, length, _, size = arranged.shape
        grad_q = grad_q.mul_(ctx.scaling).view(arranged.shape).transpose(2, 3).flatten(1, 2)
        grad_k, grad_v = (g.view(rows, key_heads, length, size) for g in (grad_k, grad_v))
        return grad_q, grad_k, grad_v, None, None, None


def _arrange(x: torch.Tensor, groups: int) -> torch.Tensor:
    """[rows, heads, T, head size] as [rows, key heads, T, groups, head size], without a copy."""
    return x.unflatten(1, (-1, groups)).transpose(2, 3)


def _parts(length: int) -> list[tuple[int, int]]:
    """(start, end) of the queries of each part; the last part may be up to 1.5 times as long."""
    starts = range(0, max(1, length - PART // 2), PART)
    return list(zip(starts, [*starts[1:], length], strict=True))


def _future(like: torch.Tensor, length: int) -> torch.Tensor:
    """[length, length]: the bias that hides later tokens from each token."""
    return like.new_full((length, length), torch.finfo(like.dtype).min).triu_(1)
