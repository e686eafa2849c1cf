"""A kind of request of the tiny world, a request, and what a good answer to it must contain.

`kinds.py` lists all kinds. `gold.py` compares an answer with what is `Expected`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Item = dict[str, str]  # slot -> what stands in it
Texts = Iterable[str]
Writer = Callable[[Item, random.Random], str]  # writes an answer about an item


@dataclass(frozen=True)
class Expected:
    """What an answer must contain. Phrases are lower-case words, matched on word boundaries.

    form: "answer", "unknown" (the honest answer is "I don't know") or "harmful" (decline).
    required: groups of phrases; one phrase of each group must occur.
    forbidden: phrases that make the answer false.
    limit: number of words from which an answer counts as padded.
    """

    form: str = "answer"
    required: tuple[tuple[str, ...], ...] = ()
    forbidden: frozenset[str] = frozenset()
    ordered: bool = False
    enough: int = 0  # number of groups that make a complete answer; 0 = all of them
    first: tuple[str, str] | None = None  # (right, wrong): the right one must be mentioned first...
    than: str = ""  # ...and be said to be "bigger", "faster" or "heavier"
    verdict: str = ""  # the group to which a thing is said to belong or not; `required` is "yes" or "no"
    members: tuple[str, ...] = ()  # a list answer names some of these...
    count: int = 0  # ...and must name exactly this many
    subject: str = ""  # the subject of the question; if it is unknown, the name that the answer should repeat
    others: frozenset[str] = frozenset()  # subjects for which the same answer would be false
    claims: tuple[str, ...] = ()  # answers with {x} and {y}; x must not be one of `others`
    sum: tuple[str, str, str] | None = None  # ("seven", "plus", "five"): the only sum that may be stated
    avoided: frozenset[str] = frozenset()  # phrases of `required` that must be advised against
    least: int = 0  # smallest number of words of a complete answer
    limit: int = 24


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    questions: wordings with {slots}; parsing matches a question against them.
    items: the subjects; each is a dict of slots. A follow-up question can replace the slot "x".
    right(item, rng): the plain right answer. wrong(item, rng): a false or useless one.
    expect(item): what the gold reward checks.
    """

    name: str
    group: str
    questions: tuple[str, ...]
    items: tuple[Item, ...]
    right: Writer
    wrong: Writer
    expect: Callable[[Item], Expected]
    follow_up: bool = False  # whether "What about {x}?" makes sense after it
    open_slot: bool = False  # whether x may be any name, not only one in `items`
    held_out: bool = False  # whether training never asks it, so that it can test what was not taught

    def question(self, item: Item, rng: random.Random) -> str:
        return rng.choice(self.questions).format(**item)


@dataclass(frozen=True)
class Request:
    """A kind with its subject filled in."""

    kind: Kind
    item: Item

    @property
    def expected(self) -> Expected:
        return self.kind.expect(self.item)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def bare(text: str) -> str:
    """The key under which a subject is stored: lower-case, without article or quotes."""
    text = re.sub(r"\s+", " ", text.lower().strip(" .!?,'\""))
    return re.sub(r"^(a|an|the|my|your) ", "", text)


def article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def named(member: str, category: str) -> str:
    """A member of a category as it is used in a sentence: "an apple", but "red" and "golf"."""
    return member if category in ("colours", "sports") else article(member)


def fill(templates: Iterable[str], item: Item, rng: random.Random, **changed: str) -> str:
    """One of the templates with the item's slots filled in, some of them changed."""
    slots = {**item, **changed}
    return capital(rng.choice(tuple(templates)).format(**slots))
