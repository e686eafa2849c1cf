"""What the arena's page shows of a round, and what the server remembers of it. No components.

Nothing in a view names a policy before the vote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from data.modes import Mode

Message = dict[str, str]
Phase = Literal["empty", "asking", "answered", "voted", "skipped"]


@dataclass(frozen=True)
class PageRound:
    """What the server keeps of the round that a page shows.

    vote: the identifier under which this page casts its vote, so that a second click is the same vote. cast:
    the vote that can be taken back. histories: the messages of each pane; empty once the round has ended.
    mode: how the round is judged. message: what was asked. first: it opened its conversation. markdown:
    whether the answers may hold Markdown. best: the vote prefers an answer from which one can go on. rewards:
    the reward models of these policies can score the answers.
    """

    round: str
    conversation: str
    models: str
    vote: str
    histories: Mapping[str, list[Message]] = field(default_factory=dict)
    cast: str | None = None
    mode: Mode = "rank"
    message: str = ""
    first: bool = True
    markdown: bool = False
    best: bool = False
    rewards: bool = False


@dataclass(frozen=True)
class Question:
    """What a rater asks. models: whose answers, as `PageRound`; language: of the page.

    before: the conversation that it goes on with, in its models and its mode. go_on_from: a round with a
    vote; all panes go on from its best answer.
    """

    text: str
    rater: str
    models: str
    language: str
    mode: Mode = "rank"
    before: PageRound | None = None
    go_on_from: str | None = None


@dataclass(frozen=True)
class View:
    """What the page shows of a round.

    policies: of each letter, after the vote. note: above the panes. mode and markdown: as of `PageRound`,
    also where there is no round yet.
    """

    phase: Phase
    state: PageRound | None
    histories: Mapping[str, Sequence[Message]]
    policies: Mapping[str, str] = field(default_factory=dict)
    order: str = ""
    note: str = ""
    reveal: str = ""
    mode: Mode = "rank"


@dataclass(frozen=True)
class Ballot:
    """What a rater has entered: an order, or a rating with reasons, and a comment."""

    order: str = ""
    comment: str = ""
    rating: int | None = None
    tags: tuple[str, ...] = ()
