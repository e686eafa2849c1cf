"""Log-probabilities of given tokens from hidden states, without all [tokens, V] logits in memory at once.

Every stage freezes the language-model head, so only the hidden states need a gradient:
∂ log p(y) / ∂h = (W[y] - p·W) / temperature. The forward pass computes it chunk by chunk, while the chunk's
probabilities are in memory, and keeps it as one [tokens, d] tensor. The backward pass is then one product,
and no logits are stored or computed twice.

The module does not support a head that requires a gradient, top-k or top-p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from models.fast.decoding import kept_head

CHUNK_LOGITS = 14_000_000  # logits of one product, in the head's type: 28 MB in bf16
BLOCK_LOGITS = 2**20  # logits in fp32 at a time on a CPU, few enough to stay in its cache


@dataclass(frozen=True)
class TokenLogprobs:
    """Tensors [tokens]. logprobs carries the gradient; entropy (nats; None if not requested) does not.
    likeliest: whether no other id is more likely than the target.
    """

    logprobs: torch.Tensor
    entropy: torch.Tensor | None
    likeliest: torch.Tensor


class _HeadLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, targets, temperature, forbidden, with_entropy, packed):
        logprobs = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        entropy = torch.empty_like(logprobs)
        likeliest = torch.empty(len(hidden), dtype=torch.bool, device=hidden.device)
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        # Dividing the states and not the logits by the temperature saves a pass over the logits.
        scaled = (hidden.float() / temperature).to(weight.dtype)
        bias = None if bias is None else bias / temperature
        chunks = math.ceil(len(hidden) * len(weight) / CHUNK_LOGITS)
        size = math.ceil(len(hidden) / max(chunks, 1))
        # Buffers for all chunks, because allocating memory of this size takes longer than the computation.
        narrow = None if packed else hidden.new_empty(size, len(weight), dtype=weight.dtype)
        rows = max(1, BLOCK_LOGITS // len(weight)) if hidden.device.type == "cpu" else max(size, 1)
        wide = hidden.new_empty(min(rows, size), len(weight), dtype=torch.float32)
        for start in range(0, len(hidden), max(size, 1)):
            part = slice(start, min(start + size, len(hidden)))
            h = scaled[part]
            logits = packed(h) if packed else _linear(h, weight, bias, out=narrow[: len(h)])
            for first in range(0, len(h), rows):
                block = slice(first, min(first + rows, len(h)))
                place = slice(start + block.start, start + block.stop)
                x = wide[: block.stop - block.start].copy_(logits[block])
                x[:, forbidden] = float("-inf")
                top, own = x.amax(dim=-1), x.gather(1, targets[place, None])[:, 0]
                # In place on a CPU, because a second buffer would not fit into the cache. A test checks that
                # torch supports this.
                p = torch.softmax(x, dim=-1, out=x if x.device.type == "cpu" else None)
                # The likeliest id's probability is at least 1 / V, so its logarithm cannot underflow.
                log_total = top - p.amax(dim=-1).log()
                likeliest[place] = own == top
                logprobs[place] = own - log_total
                entropy[place] = log_total  # the mean logit is subtracted below
                if slope is None and with_entropy:
                    entropy[place] -= p.mul_(logits[block]).sum(dim=-1)
                elif slope is not None:
                    logits[block] = p
            if slope is not None:
                # The mean of the rows of W under p gives the mean logit as well.
                mean_row = (logits @ weight).float()
                entropy[part] -= (h.float() * mean_row).sum(dim=-1)
                if bias is not None:
                    entropy[part] -= (logits @ bias[:, None]).float()[:, 0]
                slope[part] = ((weight[targets[part]].float() - mean_row) / temperature).to(slope.dtype)
            del logits  # free them before the next chunk
        ctx.save_for_backward(slope)
        ctx.mark_non_differentiable(entropy, likeliest)
        return logprobs, entropy, likeliest

    @staticmethod
    def backward(ctx, grad_logprobs, *_):
        (slope,) = ctx.saved_tensors
        return (grad_logprobs[:, None] * slope).to(slope.dtype), *[None] * 7


def _linear(h, weight: torch.Tensor, bias: torch.Tensor | None, out: torch.Tensor) -> torch.Tensor:
    if bias is None:
        return torch.mm(h, weight.t(), out=out)
    return torch.addmm(bias, h, weight.t(), out=out)


def token_logprobs(
    hidden: torch.Tensor,
    head: nn.Linear,
    targets: torch.Tensor,
    temperature: float,
    forbidden: Sequence[int] = (),
    entropy: bool = True,
) -> TokenLogprobs:
    """log p(target) at a temperature for each hidden state, renormalised without the forbidden ids.

    hidden: [tokens, d], the states that predict the targets; targets: [tokens] ids. entropy: whether to
    compute it; without a gradient this needs an additional pass over the logits. Raises ValueError for a head
    that is being trained.
    """
    if any(parameter.requires_grad for parameter in head.parameters()):
        raise ValueError("token_logprobs keeps no gradient for the head; freeze it first")
    banned = torch.as_tensor(sorted(set(forbidden)), dtype=torch.long, device=hidden.device)
    logprobs, entropies, likeliest = _HeadLogprobs.apply(
        hidden, head.weight, head.bias, targets, temperature, banned, entropy, kept_head(head)
    )
    return TokenLogprobs(logprobs, entropies if entropy else None, likeliest)


def plain_logprobs(
    hidden: torch.Tensor,
    head: nn.Linear,
    targets: torch.Tensor,
    temperature: float,
    forbidden: Sequence[int] = (),
    entropy: bool = True,
) -> TokenLogprobs:
    """The result of `token_logprobs`, computed with torch's functions and with all logits in memory."""
    logits = head(hidden).float() / temperature
    banned = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    banned[list(forbidden)] = True
    logprobs = torch.log_softmax(logits.masked_fill(banned, torch.finfo(logits.dtype).min), dim=-1)
    own = logprobs.gather(1, targets[:, None])[:, 0]
    spread = -(logprobs.exp() * logprobs).sum(dim=-1).detach() if entropy else None
    return TokenLogprobs(own, spread, own == logprobs.amax(dim=-1))
