"""Reference log-probabilities and scores in one pass of the base that both are adapters of.

A batch is the rows that the reference reads, and below them those that the reward model reads. The base
computes them together (a quantised one unpacks its weights once and not twice), and each adapter adds to its
own rows.

    if possible(actor, reward_model):
        logprobs, scores = reference_and_scores(actor, reward_model, rows, sequences, temperature, size)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from models import lora
from models.actor import REFERENCE, Actor, Rows
from models.scoring import RewardModel


def possible(actor: Actor, reward_model: RewardModel | None) -> bool:
    """Whether both are adapters of one base, in layers that can tell their rows apart."""
    return (
        reward_model is not None
        and reward_model.model is actor.model
        and not actor.compiled
        and lora.can_split(actor.model, (REFERENCE, reward_model.adapter))
    )


@torch.no_grad()
def reference_and_scores(
    actor: Actor,
    reward_model: RewardModel,
    rows: Rows,
    sequences: Sequence[Sequence[int]],
    temperature: float,
    size: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(log-probabilities of the responses under the reference, [N, T], 0 on padding; raw scores, [N] fp32 on
    the CPU).

    sequences: of each row what the reward model reads. size: rows of a pass, both kinds together.
    """
    mask = rows.mask(actor.device)
    logprobs, scores = torch.zeros(mask.shape, device=actor.device), torch.empty(len(rows))
    names = (REFERENCE, reward_model.adapter)
    for index in rows.micro_batches(range(len(rows)), max(1, size // 2)):
        judged, count = [sequences[i] for i in index], len(index)
        above, places, targets = actor.layout(rows.pick(index), max(map(len, judged)))
        width, tokens = above.shape[1], len(targets)
        # Padding is on the right, where nothing sees it.
        below = torch.tensor([[*ids, *[actor.eos_id] * (width - len(ids))] for ids in judged])
        ends = torch.tensor([(count + k) * width + len(ids) - 1 for k, ids in enumerate(judged)])
        # The last block gets the tokens that are read, and all others whole rows.
        with lora.split(actor.model, names, {2 * count: count, tokens + count: tokens}):
            states = actor.states(
                torch.cat([above, below.to(actor.device)]), torch.cat([places, ends.to(actor.device)])
            )
        part = torch.zeros(count, mask.shape[1], device=actor.device)
        part[mask[index]] = actor.scored(states[:tokens], targets, temperature).logprobs
        logprobs[index] = part
        scores[index] = reward_model.head(states[tokens:])[:, 0].float().cpu()
    return logprobs, scores
