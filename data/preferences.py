"""Votes as training data: preference pairs of the answers that a rater ranked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from data.ranking import Ranking


def preference_pairs(votes: Sequence[Mapping[str, Any]], *, facts: bool = False) -> list[dict[str, Any]]:
    """Rows {"prompt", "chosen", "rejected"}, one per strict preference between two answers of a vote.

    facts: with margin (places between the two in the order, 1 or more), rater, season, mode, chosen_policy
    and rejected_policy. Identical answers make no pair, and neither do answers to different transcripts (in
    later turns each policy continues its own conversation) or the ranking 'none'.
    """
    pairs: list[dict[str, Any]] = []
    for vote in votes:
        answers = vote["answers"]
        ranking = Ranking.parse(vote["order"], answers)
        places = ranking.places()
        for better, worse in itertools.combinations(ranking.tiers, 2):
            for chosen, rejected in itertools.product(better, worse):
                a, b = answers[chosen], answers[rejected]
                if a["prompt"] != b["prompt"] or a["text"] == b["text"]:
                    continue
                pair = {"prompt": a["prompt"], "chosen": a["text"], "rejected": b["text"]}
                if facts:
                    pair |= {"margin": places[rejected] - places[chosen]}
                    pair |= {name: vote[name] for name in ("rater", "season", "mode")}
                    pair |= {"chosen_policy": a["policy"], "rejected_policy": b["policy"]}
                pairs.append(pair)
    return pairs
