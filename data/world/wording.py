"""Whether an answer is worded in a way that the judge can follow.

The gold reward looks for phrases. A sentence can contain the right phrase and still say something else in
words that no rule foresees: "Small is a synonym of big." So an answering sentence is trusted only if
each of its words occurs in the kind's own questions and answers or is common and harmless. A good answer in
unusual words is worth less than it deserves; that is the price.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache, lru_cache

from data.world.entities import NUMBERS
from data.world.kinds import by_name, kinds
from data.world.phrases import LITTLE_WORDS, VAGUE_WORDS
from data.world.request import Request
from data.world.text import spaced

UNFAMILIAR = 0.4  # factor for an answer with a word that the judge does not know
DRAWS = 12  # right answers that are drawn to learn the words of a request

# Common words that turn nothing into its contrary.
_COMMON = """
    add drink time
    afraid afterwards again ago also always answer any around ate away back bag bakery beautiful been
    being best better both bring by called can carefully city clear clearly colour comes common corner
    country course day days definitely delicious do down dreams during each easily easy eat enjoy enough
    equals evening every everybody everyone exactly example famous far feel feeling feels finally fine
    first food for forget forgets found friend from further gently gets give given gives glad going got
    great happily happy hard has hear help helps home hope hot how however i'd i'll i've idea ideas
    important in indeed inside interesting is it's keep kind know known knows large late later left let's
    life likes little live lives living long lot lots lovely mainly makes making many maybe means
    mentioned mine minutes month months moos more morning most mostly much must name named need needs new
    nice nicely now often old on once one ones onto original other outside own part people perhaps person
    place places please plenty possible pretty probably put question quickly quite rather ready really
    result right round same see seems set several shall slowly small someone something sometimes soon sort
    sounds spell start still stop such sum sure surely take takes tap tell that's thing things think tiny
    today together tomorrow total town true try turn two under understand until used useful usual usually
    way ways we'll week weeks well while whole will wonderful word words world would write year years yes
    yesterday yours yourself
"""
COMMON = frozenset(_COMMON.split()) | LITTLE_WORDS | VAGUE_WORDS | frozenset(NUMBERS)


def is_familiar(request: Request, text: str, *more: str) -> bool:
    """Whether the words of a text in the form of `spaced` are common or those of the request's kind."""
    known = _known(request.kind.name, tuple(sorted(request.item.items())))
    extra = {word for phrase in more for word in phrase.split()}
    return all(_is_known(word, known, extra) for word in text.split())


def _is_known(word: str, known: frozenset[str], extra: Iterable[str]) -> bool:
    return any(form in COMMON or form in known or form in extra for form in _forms(word))


@lru_cache(maxsize=16384)
def _forms(word: str) -> tuple[str, ...]:
    """A word and what it may be a plural, a tense or a genitive of."""
    stems = [word, word.removesuffix("'s"), f"{word}s", f"{word}es"]
    stems += [word.removesuffix(end) for end in ("s", "es", "ing", "ed", "d") if len(word) > len(end) + 2]
    stems += [word.removesuffix("ies") + "y", word.removesuffix("ing") + "e"]
    return tuple(stems)


@lru_cache(maxsize=8192)
def _known(kind_name: str, slots: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """The words of a request's wordings and right answers."""
    kind, item, rng = by_name()[kind_name], dict(slots), random.Random(0)
    texts = [question.format(**item) for question in kind.questions]
    texts += [kind.right(item, rng) for _ in range(DRAWS)]
    expected = kind.expect(item)
    texts += [phrase for group in expected.required for phrase in group] + list(expected.members)
    if kind.group == "unknown":
        texts += asked_words()
    return frozenset(word for text in texts for word in spaced(text).split())


@cache
def asked_words() -> tuple[str, ...]:
    """The wordings of all kinds, without their subjects."""
    return tuple(q.replace("{", " ").replace("}", " ") for kind in kinds() for q in kind.questions)
