"""The lean head of `models.fast.logprobs` for TRL's SFTTrainer: response positions only, few logits at once.

SFTTrainer lets a model return log-probabilities of the labels instead of logits (`fused_lm_head=True`). On a
CPU TRL's own implementation also scores the prompt's tokens, only to drop them, and holds about thirty bytes
per logit of up to 4096 tokens x 32768 words, which is gigabytes. This module computes the same result in
small chunks. It needs a frozen, unsharded head that gives plain logits.

    if can_use(model): use_lean_head(model)     # after the trainer's construction, which sets TRL's own head
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import nn
from trl.trainer.utils import FusedCausalLMOutput

from models.fast import switch
from models.fast.last_block import LastBlock
from models.fast.logprobs import token_logprobs

# Names under which configurations scale or cap their logits.
_BENT = (
    "final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier",
)  # fmt: skip


def can_use(model: nn.Module) -> bool:
    """Whether the logits are the product of the head and the last states, without scaling or capping."""
    config = _causal(model).config.get_text_config()
    return not switch.is_plain(model) and all(getattr(config, name, None) is None for name in _BENT)


def use_lean_head(model: nn.Module) -> None:
    """Make a causal LM, or the one inside a PeftModel, use the lean head for `fused_lm_head=True` only."""
    causal = _causal(model)
    causal.forward = MethodType(_forward, causal)


def _causal(model: nn.Module) -> nn.Module:
    return model.get_base_model() if hasattr(model, "peft_config") else model


def _forward(causal, *args, fused_lm_head=False, labels=None, num_items_in_batch=None, **kwargs):
    """labels [B, T], -100 on tokens without a loss; returns results per token [B, T - 1], 0 without a
    loss."""
    if not fused_lm_head:
        if labels is not None:
            kwargs["labels"] = labels
        return type(causal).forward(causal, *args, **kwargs)
    # The state before a token predicts it; the last one predicts nothing.
    learned = torch.nn.functional.pad(labels[:, 1:] != -100, (0, 1))
    with LastBlock(causal.base_model).only(learned.flatten().nonzero()[:, 0]):
        states = causal.base_model(*args, **kwargs)[0]
    labels, mask = labels[:, 1:], learned[:, :-1]
    scored = token_logprobs(states[learned], causal.get_output_embeddings(), labels[mask], 1.0)
    logprobs, entropy, likeliest = (
        x.new_zeros(mask.shape).masked_scatter(mask, x)
        for x in (scored.logprobs, scored.entropy, scored.likeliest)
    )
    items = mask.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
    return FusedCausalLMOutput(
        loss=-logprobs.sum() / items, log_probs=logprobs, entropy=entropy, is_top1=likeliest, label_mask=mask
    )
