"""A season of the arena: a frozen set of policies, and the terms on which people judge them.

Votes on different policies must never share a leaderboard, so every round belongs to the season of the
weights that answered it. New training makes new weights and therefore a new season without any user action.
The terms (margin and target) are fixed before the season's first vote, because a margin chosen after looking
at votes proves nothing. This module defines the records; `data.votes` stores them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARGIN = 0.15  # share of decisive votes; a smaller difference in win rate counts as "not worse"
FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class SeasonFacts:
    """What defines a season.

    policies: {name: sha256 of its adapter file}. decoding: temperature, max_new_tokens, top_k, top_p. demo:
    whether the project ships the policies.
    """

    preset: str
    base_model: str
    base_hash: str
    policies: Mapping[str, str]
    decoding: Mapping[str, Any]
    demo: bool = False

    @property
    def id(self) -> str:
        """A shortened sha256 of weights and decoding; the same on every machine."""
        defining = {
            "base_hash": self.base_hash,
            "policies": dict(self.policies),
            "decoding": dict(self.decoding),
        }
        text = json.dumps(defining, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


@dataclass(frozen=True)
class Terms:
    """How people judge a season's policies; fixed before the first vote.

    margin: a share of decisive votes in (0, 0.5). target: the planned number of rankings; None if it was not
    set. hidden: the leaderboard is not shown before the target is reached, unless somebody asks for an early
    look, which is recorded.
    """

    margin: float = MARGIN
    target: int | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Season:
    """A season in the store. number: 1 for the workspace's first season. votes: how many count."""

    id: str
    number: int
    created: str
    facts: SeasonFacts
    votes: int
    terms: Terms = Terms()

    @property
    def margin(self) -> float:
        return self.terms.margin

    @property
    def target(self) -> int | None:
        return self.terms.target


@dataclass(frozen=True)
class Look:
    """An early look at a hidden leaderboard. rankings: how many there were."""

    rater: str
    created: str
    rankings: int
