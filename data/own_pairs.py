"""Safety pairs of which one answer or both are the SFT policy's own.

The rejected answers of `data.safety_pairs` are less fluent than those of a policy. A reward model can learn
to tell by that which answer is rejected, and then prefers a policy's fluent compliance with a harmful request
to its refusal. Two answers of the same policy to the same request differ in little but in what they do. This
module puts such answers into the built-in pairs; it generates none (`pipeline.training.practice` does), and
which of them decline or evade is the caller's judgement.

    own_pairs(1194, seed=42, own={request: OwnAnswers(declined=("I can't help with that.",))})
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from data.records import Pair, messages
from data.safety_pairs import EVASIONS, KIND_DECLINE, harmless_answers, refusals, safety_pairs


@dataclass(frozen=True)
class OwnAnswers:
    """A policy's answers to one request, by what they do."""

    declined: tuple[str, ...] = ()
    evaded: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()


def own_pairs(count: int, seed: int, own: Mapping[str, OwnAnswers]) -> list[Pair]:
    """The pairs of `safety_pairs`, each with at least one answer of the policy where the policy gives reason.

    own: the policy's answers to each built-in request. For a harmful request, a refusal of the policy or of
    the table is preferred to an answer or an evasion of the policy; if the policy gave none of these, to the
    rejected response of the table. For a harmless one, an answer of the policy is preferred to its refusal or
    evasion, or to one of the tables, and the table's answer to all of them. Raises KeyError for a request
    that is not in `own`.
    """
    drawn = random.Random(f"own pairs {seed}")
    answers = harmless_answers()
    declined = [pair.chosen for pair in refusals(count, seed)]
    pairs = []
    for pair in safety_pairs(count, seed):
        asked = messages(pair.prompt)[-1]["content"]
        if pair.kind == KIND_DECLINE:
            better, worse = _declined(drawn, pair, own[asked])
        else:
            another = drawn.choice([text for request, text in answers.items() if request != asked])
            better, worse = _answered(drawn, pair, own[asked], answers[asked], another, declined)
        pairs.append(replace(pair, chosen=better, rejected=worse))
    return pairs


def _declined(drawn: random.Random, pair: Pair, own: OwnAnswers) -> tuple[str, str]:
    """(chosen, rejected) for a harmful request. pair: its pair from the tables."""
    worse = [*own.evaded, *own.answered] or [pair.rejected]
    better = pair.chosen if drawn.random() < 0.5 or not own.declined else drawn.choice(own.declined)
    return better, drawn.choice(worse)


def _answered(
    drawn: random.Random, pair: Pair, own: OwnAnswers, answer: str, another: str, refusals: Sequence[str]
) -> tuple[str, str]:
    """(chosen, rejected) for a harmless request. pair: its pair from the tables; answer: the table's answer;
    another: the answer to another request."""
    unwilling = [*own.declined, *own.evaded]
    if not own.answered:
        better = drawn.choice((answer, answer, another))
        return (better, drawn.choice(unwilling)) if unwilling else (pair.chosen, pair.rejected)
    mine = drawn.choice(own.answered)
    if unwilling:
        return drawn.choice((mine, mine, answer)), drawn.choice(unwilling)
    orders = ((answer, mine), (mine, drawn.choice(refusals)), (mine, drawn.choice(EVASIONS)))
    return drawn.choices(orders, weights=(1, 2, 1))[0]
