"""A reward model that counts words: logistic regression on the word 1- and 2-grams of an answer.

It never sees the prompt, so it cannot tell whether an answer fits. It is the control of the experiments: a
reward model of a language model must beat it by far, or the preferences can be told by manners and stock
phrases alone. The Bradley-Terry loss on pairs is a logistic regression without intercept on the difference of
the two answers' features (Bradley & Terry 1952, Biometrika 39:324).

    model = fit(chosen, rejected)
    model.score("The capital of France is Paris.")
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

WORD = re.compile(r"[\w'-]+|[.,!?:]")  # punctuation counts as a word: it shows answers that are cut short
STRENGTH = 0.1  # inverse of the L2 penalty: the best of 0.03 to 1 on the world's validation pairs
LEAST = 2  # n-grams of fewer training answers are left out


@dataclass(frozen=True)
class BagOfWords:
    """weights: the weight of each n-gram, in the unit of the scores (log odds)."""

    weights: Mapping[str, float]

    def score(self, text: str) -> float:
        """The score of an answer: the sum of the weights of the different n-grams that it contains."""
        return sum(self.weights.get(gram, 0.0) for gram in sorted(grams(text)))


def grams(text: str) -> set[str]:
    """The different words and pairs of neighbouring words of a text, in lower case."""
    words = WORD.findall(text.lower())
    return {*words, *_pairs(words)}


def _pairs(words: Sequence[str]) -> Iterator[str]:
    return (f"{a} {b}" for a, b in zip(words, words[1:], strict=False))


def fit(chosen: Sequence[str], rejected: Sequence[str], strength: float = STRENGTH) -> BagOfWords:
    """Fit the weights to pairs of answers; chosen[k] was preferred to rejected[k].

    strength: inverse of the L2 penalty. The result depends on the pairs alone, not on a seed. Raises
    ValueError if the two lists differ in length or have fewer than two pairs.
    """
    from scipy.sparse import csr_array, diags_array
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    if len(chosen) != len(rejected) or len(chosen) < 2:
        raise ValueError(
            f"{len(chosen)} chosen and {len(rejected)} rejected answers are not two pairs or more"
        )
    counter = CountVectorizer(analyzer=grams, binary=True, min_df=min(LEAST, len(chosen)), dtype=float)
    counts = csr_array(counter.fit_transform([*chosen, *rejected]))
    differences = counts[: len(chosen)] - counts[len(chosen) :]
    # The model has no intercept, so the direction of a pair is free; both classes must occur.
    signs = [1.0 if k % 2 else -1.0 for k in range(len(chosen))]
    model = LogisticRegression(C=strength, fit_intercept=False, max_iter=1000)
    model.fit(diags_array(signs) @ differences, signs)
    names = counter.get_feature_names_out()
    return BagOfWords(
        {name: float(weight) for name, weight in zip(names, model.coef_[0], strict=True) if weight}
    )


def accuracy(model: BagOfWords, chosen: Sequence[str], rejected: Sequence[str]) -> float:
    """Share of the pairs whose chosen answer scores higher; equal scores count 0.5."""
    leads = [model.score(a) - model.score(b) for a, b in zip(chosen, rejected, strict=True)]
    return sum(0.5 if lead == 0 else float(lead > 0) for lead in leads) / len(leads)
