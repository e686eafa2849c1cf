"""Log-probabilities under several adapters, and a reward model's scores, in one pass of their common base.

A batch contains the rows once per adapter, followed by the reward model's sequences. The base computes them
together (a quantised base unpacks its weights once), and each adapter adds its update to its own rows.

    if possible(actor, reward_model):
        (ref, policy), scores = log_probabilities_and_scores(
            actor, reward_model, (REFERENCE, POLICY), rows, sequences, temperature=0.7, size=16
        )
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from models.actor import POLICY, REFERENCE, Actor, Rows
from models.fast import lora, switch
from models.scoring import RewardModel


def possible(actor: Actor, reward_model: RewardModel | None) -> bool:
    """Whether the reward model is an adapter of the actor's base, in layers that `lora.split` supports."""
    return (
        reward_model is not None
        and reward_model.model is actor.model
        and reward_model.adapter is not None
        and not actor.compiled
        and not switch.is_plain(actor.model)
        and lora.can_split(actor.model, (POLICY, REFERENCE, reward_model.adapter))
    )


@torch.no_grad()
def log_probabilities_and_scores(
    actor: Actor,
    reward_model: RewardModel,
    names: Sequence[str],
    rows: Rows,
    sequences: Sequence[Sequence[int]],
    temperature: float,
    size: int,
) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
    """(per name: log-probabilities and values of the responses, each [N, T], 0 on padding; raw scores [N],
    fp32 on the CPU).

    sequences: per row the sequence that the reward model reads. size: rows per pass of all kinds together.
    """
    mask, kinds = rows.mask(actor.device), len(names)
    results = [tuple(torch.zeros(mask.shape, device=actor.device) for _ in range(2)) for _ in names]
    scores = torch.empty(len(rows))
    for index in rows.micro_batches(range(len(rows)), max(1, size // (kinds + 1))):
        scored, count = [sequences[i] for i in index], len(index)
        ids, places, targets = actor.layout(rows.pick(index), max(map(len, scored)))
        width, tokens = ids.shape[1], len(targets)
        # Padding is on the right, where no real token attends to it.
        below = torch.tensor([[*row, *[actor.eos_id] * (width - len(row))] for row in scored])
        ends = torch.tensor([k * width + len(row) - 1 for k, row in enumerate(scored)])
        starts = [kind * count * width for kind in range(kinds + 1)]
        # The last block gets only the tokens whose output is used; all other blocks get complete rows.
        counts = {
            (kinds + 1) * count: [count] * (kinds + 1),
            kinds * tokens + count: [tokens] * kinds + [count],
        }
        with lora.split(actor.model, [*names, reward_model.adapter or ""], counts):
            states = actor.states(
                torch.cat([*[ids] * kinds, below.to(actor.device)]),
                torch.cat([*[places + s for s in starts[:-1]], ends.to(actor.device) + starts[-1]]),
            )
        *states, last = states.split([tokens] * kinds + [count])
        for (logprobs, values), part in zip(results, states, strict=True):
            for result, flat in (
                (logprobs, actor.head_logprobs(part, targets, temperature, entropy=False).logprobs),
                (values, actor.value_head(part)[:, 0]),
            ):
                padded = torch.zeros(count, mask.shape[1], device=actor.device)
                padded[mask[index]] = flat
                result[index] = padded
        scores[index] = reward_model.head(last)[:, 0].float().cpu()
    return results, scores
