"""Reading an answer: its words, sentences and clauses, and what it denies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from data.world.entities import NUMBERS

_NUMERALS = {str(n): word for n, word in enumerate(NUMBERS)}
_CLAUSE = re.compile(r"[.!?;:,\n]+|\s(?:and|but|then|or|because|though|so|while)\s")
# Words that turn what follows into its contrary, unless they are part of one of the idioms below.
NEGATION = re.compile(
    r" (?:not|never|\w+n't|cannot|no|nor|neither|hardly|without|nobody|nothing|instead of|rather than|"
    r"anything but|all but|everything but|far from|except|unlike|false that|wrong that|wrong to|lie that|"
    r"myth that|deny|denies|doubt|less than|more than|fewer than|almost|nearly|used to be) "
)
_IDIOMS = re.compile(
    r" (?:(?:don't|do not|never) forget|no doubt|without (?:a |any )?doubt|no problem|not only|why not|"
    r"no wonder|not (?:hard|difficult|far)|no need to worry|i don't mind) "
)
_DENIED_AFTER = re.compile(
    r"^(?:\S+ ){0,6}(?:is|was|are|were|does|do|did|has|have|can|could|would|will|should)"
    r"(?:n't| (?:\S+ ){0,2}(?:not|never|wrong|false)) "
)


@lru_cache(maxsize=4096)
def spaced(text: str) -> str:
    """Lower-case words with a single space around each and small numerals in words: " the sum is four "."""
    found = re.findall(r"[\w'-]+", text.lower().replace("’", "'"))
    return " " + " ".join(_NUMERALS.get(word, word) for word in found) + " "


def sentences(text: str) -> list[str]:
    return [s for s in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if s]


def clauses(text: str) -> list[str]:
    """The parts between punctuation and conjunctions, each in the form of `spaced`."""
    return [spaced(c) for c in _CLAUSE.split(text) if c.strip()]


def has(text: str, phrases: Iterable[str]) -> bool:
    """Whether one of the phrases occurs in a text in the form of `spaced`, on word boundaries."""
    return any(f" {phrase} " in text for phrase in phrases)


def negates(text: str) -> bool:
    """Whether a text in the form of `spaced` contains a negation that is not part of an idiom."""
    return NEGATION.search(_IDIOMS.sub(" ", text)) is not None


def denies(text: str, phrase: str) -> bool:
    """Whether a text in the form of `spaced` denies a phrase: "the capital is, as you know, not Paris"."""
    before, found, after = text.partition(f" {phrase} ")
    if not found:
        return False
    return negates(before + " ") or _DENIED_AFTER.match(after) is not None
