"""A season of the arena: a frozen set of policies, and the terms on which people judge them.

Votes on different policies must never share a leaderboard, so every round belongs to the season of the
weights that answered it. Training again makes other weights and thereby another season; nobody has to open
one. The terms (margin and target) are fixed before the season's first vote, because a margin that is chosen
after looking at votes proves nothing. This module defines the records; `data.votes` stores them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARGIN = 0.15  # of decisive votes; the difference in win rate that counts as "not worse"
FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class SeasonFacts:
    """What defines a season.

    policies: {name: sha256 of its adapter file}. decoding: temperature, max_new_tokens, top_k, top_p. demo:
    the policies are those that the project ships.
    """

    preset: str
    base_model: str
    base_hash: str
    policies: Mapping[str, str]
    decoding: Mapping[str, Any]
    demo: bool = False

    @property
    def id(self) -> str:
        """The same for the same weights and decoding, on every machine: a shortened sha256."""
        defining = {
            "base_hash": self.base_hash,
            "policies": dict(self.policies),
            "decoding": dict(self.decoding),
        }
        text = json.dumps(defining, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


@dataclass(frozen=True)
class Season:
    """A season as the store knows it.

    number: 1 for the workspace's first season. votes: the votes that count. margin: a share of decisive votes
    in (0, 0.5). target: rankings after which the season is meant to end; None where nobody set one.
    """

    id: str
    number: int
    created: str
    facts: SeasonFacts
    votes: int
    margin: float = MARGIN
    target: int | None = None
