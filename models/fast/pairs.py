"""Both responses to a prompt in one row, so that the prompt is computed once and not twice.

A row consists of the common beginning of chosen and rejected, the rest of chosen, and the rest of rejected.
The rest of rejected counts its positions from the common beginning and does not attend to the rest of chosen.
Every token attends to exactly the same tokens as in a row of its own, so the scores are the same up to
rounding. Preference data repeats long prompts, so this saves at least a third of the work.

The module does not change the loss: TRL's RewardTrainer still gets two scores per pair, chosen ones first.

    if can_share(model): share_prompts(model); trainer(..., data_collator=PairCollator(eos_id))
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import MethodType

import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from models.fast import switch
from models.fast.last_block import LastBlock


@dataclass(frozen=True)
class PairCollator:
    """Converts rows {"chosen_ids", "rejected_ids"} to input_ids and attention_mask [B, L] and starts [B, 2],
    and a "margin" of the rows to margin [B].

    attention_mask: 1 on real tokens; starts: where the rest of chosen and the rest of rejected begin. Each
    rest has at least one token. pad_id may be any id, because no real token attends to it.
    """

    pad_id: int

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        packed, starts = [], []
        for row in rows:
            chosen, rejected = row["chosen_ids"], row["rejected_ids"]
            shared = shared_length(chosen, rejected)
            packed.append([*chosen, *rejected[shared:]])
            starts.append((shared, len(chosen)))
        width = max(map(len, packed))
        margins = {"margin": torch.tensor([row["margin"] for row in rows])} if "margin" in rows[0] else {}
        return margins | {
            "input_ids": torch.tensor([ids + [self.pad_id] * (width - len(ids)) for ids in packed]),
            "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in packed]),
            "starts": torch.tensor(starts),
        }


def shared_length(chosen: list[int], rejected: list[int]) -> int:
    """Number of tokens in the common beginning, at most so many that each rest has one token."""
    most = min(len(chosen), len(rejected)) - 1
    return next((k for k in range(most) if chosen[k] != rejected[k]), most)


def packed_length(chosen: list[int], rejected: list[int]) -> int:
    """Number of tokens in the pair's row."""
    return len(chosen) + len(rejected) - shared_length(chosen, rejected)


def can_share(model: nn.Module) -> bool:
    """Whether the base accepts position ids and a mask per pair of tokens (learned or rotary positions)."""
    if switch.is_plain(model):
        return False
    base = _classifier(model).base_model
    kinds = set(getattr(base.config, "layer_types", None) or ["full_attention"])
    return "position_ids" in inspect.signature(base.forward).parameters and kinds == {"full_attention"}


def share_prompts(model: nn.Module) -> None:
    """Make a sequence classifier with one label accept a PairCollator's batches as well."""
    classifier = _classifier(model)
    classifier.forward = MethodType(_forward, classifier)


def _classifier(model: nn.Module) -> nn.Module:
    return model.get_base_model() if hasattr(model, "peft_config") else model


def _forward(classifier, input_ids=None, attention_mask=None, starts=None, **kwargs):
    if starts is None:
        return type(classifier).forward(
            classifier, input_ids=input_ids, attention_mask=attention_mask, **kwargs
        )
    base, (rows, length) = classifier.base_model, input_ids.shape
    ends = torch.stack([starts[:, 1], attention_mask.sum(dim=1)]) - 1  # [2, B], chosen first
    read = (torch.arange(rows, device=ends.device) * length + ends).flatten()  # of [B · L]
    with LastBlock(base).only(read):
        states = base(
            input_ids=input_ids,
            attention_mask=_visible(starts, length, classifier.get_input_embeddings().weight.dtype),
            position_ids=_positions(starts, attention_mask),
            use_cache=False,
        )[0]
    return SequenceClassifierOutput(logits=classifier.score(states.flatten(0, 1)[read]))


def _positions(starts: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Position ids [B, L]: those of the rest of rejected continue from the common beginning. Padding has
    position 0, because a wide batch would otherwise count beyond the positions that the base has."""
    chosen, rejected = starts[:, :1], starts[:, 1:]
    place = torch.arange(attention_mask.shape[1], device=starts.device)
    return torch.where(place < rejected, place, place - rejected + chosen) * attention_mask


def _visible(starts: torch.Tensor, length: int, dtype: torch.dtype) -> torch.Tensor:
    """[B, 1, L, L], added to the attention's scores: 0 for visible tokens, else the smallest number."""
    place = torch.arange(length, device=starts.device)
    chosen, rejected = starts[:, :1, None], starts[:, 1:, None]
    query, key = place[:, None], place[None, :]
    other = (query >= rejected) & (key >= chosen) & (key < rejected)  # rejected must not see chosen
    hidden = (key > query) | other
    mask = torch.zeros(hidden.shape, dtype=dtype, device=starts.device)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)[:, None]
