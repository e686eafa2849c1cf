"""Votes as training data: preference pairs of the answers that a rater ranked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from data.ranking import Ranking


def preference_pairs(votes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Rows {"prompt", "chosen", "rejected"}, one per strict preference between two answers of a vote.

    Identical answers make no pair, and neither do answers to different transcripts (in later turns each
    policy continues its own conversation) or the ranking 'none'.
    """
    pairs = []
    for vote in votes:
        answers = vote["answers"]
        for better, worse in itertools.combinations(Ranking.parse(vote["order"], answers).tiers, 2):
            for chosen, rejected in itertools.product(better, worse):
                a, b = answers[chosen], answers[rejected]
                if a["prompt"] == b["prompt"] and a["text"] != b["text"]:
                    pairs.append({"prompt": a["prompt"], "chosen": a["text"], "rejected": b["text"]})
    return pairs
