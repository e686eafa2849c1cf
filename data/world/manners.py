"""How well an answer is put, whatever it says."""

from __future__ import annotations

from collections import Counter

from data.world.parse import plain
from data.world.phrases import COURTESIES, LITTLE_WORDS, RUDE
from data.world.text import has, sentences, spaced

NEUTRAL = 0.95  # factor for an answer that is neither polite nor rude
_ENDS = (".", "!", "?")


def well_put(response: str, limit: int, courtesy_due: bool = True) -> float:
    """How well an answer is put, whatever it says, in [0, 1].

    limit: number of words from which it counts as padded. courtesy_due: whether a dry answer loses points.
    """
    text = spaced(response)
    words = text.split()
    if not words:
        return 0.0
    first = next((c for c in response if c.isalnum()), "")
    if not first:  # punctuation without a single word
        return 0.0
    score = 0.4 if first.islower() or not response.rstrip(" \n\"')”’").endswith(_ENDS) else 1.0
    if len(words) < 3 and courtesy_due:
        score *= 0.5
    if _piles_words(response, words, least=3 if courtesy_due else 4):
        score *= 0.3
    polite = len(COURTESIES.findall(text))
    if has(text, RUDE):
        score *= 0.2
    elif polite == 0 and courtesy_due:
        score *= NEUTRAL
    elif polite > 2:
        score *= 2 / polite  # one or two courtesies are fine; more is flattery
    if _repeats(response, words):
        score *= 0.2
    length = max(len(words), len(response) // 8)  # characters count too, because a word may be endless
    if length > limit:
        score *= max(0.1, (limit / length) ** 4)
    return score


def _piles_words(response: str, words: list[str], least: int) -> bool:
    """Whether a text lists words without saying anything: "Boil tea bag pour." or "Budget, at home, only
    what."

    least: number of words from which a text should contain some function words.
    """
    if len(words) >= least and sum(w in LITTLE_WORDS for w in words) * 8 < len(words):
        return True
    lists = (s.split(",") for s in sentences(response))
    return any(len(items) > 2 and max(len(i.split()) for i in items) < 3 for items in lists)


def _repeats(response: str, words: list[str]) -> bool:
    """Whether a sentence or four words occur twice, a word three times in a row, or a long word very often.

    An answer that continues with the human's turn counts as repeating too.
    """
    if "\nHuman:" in response:
        return True
    lines = [plain(s) for s in sentences(response)]
    grams = [tuple(words[k : k + 4]) for k in range(len(words) - 3)]
    if len(set(lines)) < len(lines) or len(set(grams)) < len(grams):
        return True
    doubled = any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False))
    return doubled or max(Counter(w for w in words if len(w) > 3).values(), default=0) > 3
