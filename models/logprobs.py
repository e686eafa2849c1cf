"""Log-probabilities of given tokens from hidden states, without ever holding [tokens, V] logits whole.

The language-model head is frozen in every stage here, so the only gradient that leaves it goes to the hidden
states: ∂ log p(y) / ∂h = (W[y] - p·W) / temperature. It is computed chunk by chunk in the forward pass, while
the chunk's probabilities are at hand, and kept as one [tokens, d] tensor; the backward pass is then one
product and no logits are stored or computed twice.

It does not train the head (a head that requires a gradient is refused), and it has no top-k or top-p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

CHUNK_LOGITS = 2**23  # logits of one chunk: 32 MB in fp32


@dataclass(frozen=True)
class TokenLogprobs:
    """Flat over tokens. logprobs carries the gradient; entropy (nats) does not."""

    logprobs: torch.Tensor
    entropy: torch.Tensor


class _HeadLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, targets, temperature, forbidden):
        count = max(1, CHUNK_LOGITS // weight.shape[0])
        logprobs = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        entropy = torch.empty_like(logprobs)
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), count):
            part = slice(start, start + count)
            logits = F.linear(hidden[part].to(weight.dtype), weight, bias).float().div_(temperature)
            if len(forbidden):
                logits[:, forbidden] = float("-inf")
            # log_softmax and not logsumexp: several times faster on CPUs
            every = torch.log_softmax(logits, dim=-1)
            logprobs[part] = every.gather(1, targets[part, None])[:, 0]
            p = every.exp()
            entropy[part] = -(p * every.masked_fill(p == 0, 0)).sum(dim=-1)
            if slope is not None:
                mean = p.to(weight.dtype) @ weight
                slope[part] = ((weight[targets[part]].float() - mean.float()) / temperature).to(slope.dtype)
        ctx.save_for_backward(slope)
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    def backward(ctx, grad_logprobs, _):
        (slope,) = ctx.saved_tensors
        return (grad_logprobs[:, None] * slope).to(slope.dtype), None, None, None, None, None


def token_logprobs(
    hidden: torch.Tensor,
    head: nn.Linear,
    targets: torch.Tensor,
    temperature: float,
    forbidden: Sequence[int] = (),
) -> TokenLogprobs:
    """log p(target) at a temperature for each hidden state, renormalised without the forbidden ids.

    hidden: [tokens, d], the states that predict the targets; targets: [tokens] ids. Raises ValueError for a
    head that is being trained.
    """
    if any(parameter.requires_grad for parameter in head.parameters()):
        raise ValueError("token_logprobs keeps no gradient for the head; freeze it first")
    banned = torch.as_tensor(sorted(set(forbidden)), dtype=torch.long, device=hidden.device)
    logprobs, entropy = _HeadLogprobs.apply(hidden, head.weight, head.bias, targets, temperature, banned)
    return TokenLogprobs(logprobs, entropy)
