"""Measures of answers that need no model: variety, repetition, and the development of a gain over training.

The functions take texts and scores and return plain numbers. A word is a sequence of letters, digits and
apostrophes, in lower case.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from evaluation.alignment import standardised_gain

_WORD = re.compile(r"[\w']+")
RESAMPLES = 1000


def distinct_n(texts: Sequence[str], n: int) -> float | None:
    """The number of distinct n-grams of words divided by the number of words, over all answers.

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models". None
    without words. The value falls with the length and the number of answers, so only sets of equally many
    answers can be compared.
    """
    words = [_words(text) for text in texts]
    total = sum(map(len, words))
    different = {gram for one in words for gram in _grams(one, n)}
    return len(different) / total if total else None


def repetition(texts: Sequence[str], n: int = 4, times: int = 3) -> float | None:
    """Share of answers in which one n-gram of words occurs `times` times or more. None without answers."""
    most = [max(Counter(_grams(_words(text), n)).values(), default=0) for text in texts]
    return sum(count >= times for count in most) / len(most) if most else None


def gain_interval(scores: ArrayLike, sft_scores: ArrayLike, seed: int = 0) -> list[float] | None:
    """95 % interval of `standardised_gain` on the same N prompts; None if SFT's scores do not vary.

    It is the percentile bootstrap over prompts (Efron 1979). Raises ValueError for unequal lengths.
    """
    mine, sft = np.asarray(scores, dtype=np.float64), np.asarray(sft_scores, dtype=np.float64)
    if mine.shape != sft.shape:
        raise ValueError(f"scores of the same prompts are needed, got {mine.shape} and {sft.shape}")
    picks = np.random.default_rng(seed).integers(len(mine), size=(RESAMPLES, len(mine)))
    gains = [gain for rows in picks if (gain := standardised_gain(mine[rows], sft[rows])) is not None]
    return [float(value) for value in np.percentile(gains, [2.5, 97.5])] if gains else None


def best_step(points: Sequence[Mapping[str, float | None]]) -> int | None:
    """The step with the highest `judge_gain`, the earliest of equal ones; None if no point has one."""
    known = [(gain, -int(p["step"] or 0)) for p in points if (gain := p["judge_gain"]) is not None]
    return -max(known)[1] if known else None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
