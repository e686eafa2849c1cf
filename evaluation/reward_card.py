"""The report card of a reward model: what accuracy alone does not show about it.

Two reward models of the same accuracy can differ in what they do to PPO: by how sure they are where gold sees
no difference, by how much they reward length and politeness, and by how far their scores spread over the
answers that SFT gives to one prompt, which is what PPO learns from (Razin et al. 2025, arXiv 2503.15477). All
functions take scores and return plain numbers with standard errors; `pipeline.stages.reward_card` computes
the scores.

Scores of SFT's answers are [P, K]: K answers to each of P prompts. gold is [P, K], or None outside the tiny
world.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.reward_metrics import (
    calibration,
    credit,
    expected_calibration_error,
    fitted_temperature,
)

Numbers = NDArray[np.float64]
EQUAL, DIFFERENT = 0.02, 0.18  # in gold: pairs this near count as equal, pairs this far as different
RESAMPLES = 400
# Why a line is missing: the data have no kinds or subjects, there is no gold, or the answers never differ in
# it.
Absent = Literal["kinds", "subjects", "gold", "equal", "variation"]


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and the number of pairs, prompts or answers behind it. se: None if it
    cannot be estimated, as from a single prompt."""

    value: float
    se: float | None
    n: int


@dataclass(frozen=True)
class BestOf:
    """Best-of-K. gain: gold of the answer that scores highest minus the mean of all K. reachable: the same
    for the answer with the highest gold. share: gain / reachable, None if there is nothing to gain."""

    answers: int
    gain: Estimate
    reachable: Estimate
    share: float | None


@dataclass(frozen=True)
class Batch:
    """The same sequences scored one by one and in batches. largest: the largest difference, in sd of SFT's
    scores. flipped: the share of pairs whose preferred answer changes. pairs: their number."""

    largest: float
    flipped: float
    pairs: int


@dataclass(frozen=True)
class Card:
    """The report card. Missing lines are None, with the reason in `absent` under the name of the field.

    accuracy: on the test pairs. bayes: gold's own accuracy on these labels. by_kind: accuracy by kind of
    request. seen, unseen: accuracy on subjects that occur in training or do not. specificity: the probability
    that a pair which gold calls equal gets a smaller difference of scores than one that gold calls different;
    0.5 is chance. variance: of the scores of SFT's answers. within: its share between the answers to one
    prompt. length: slope of the score, in sd, per 10 words. politeness: per courtesy. Both slopes compare
    answers to the same prompt, at equal gold where gold is known. ece, temperature: see `reward_metrics`.
    """

    accuracy: Estimate
    bayes: float | None
    by_kind: Mapping[str, Estimate] | None
    seen: Estimate | None
    unseen: Estimate | None
    specificity: Estimate | None
    variance: float
    within: float | None
    length: Estimate | None
    politeness: Estimate | None
    best_of: BestOf | None
    batch: Batch
    ece: float
    temperature: float | None
    absent: Mapping[str, Absent] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Pairs:
    """The N test pairs. kinds, seen: None if the data do not know them. seen: whether a pair's subject occurs
    in training; None for a pair to which that does not apply."""

    chosen: ArrayLike
    rejected: ArrayLike
    prompts: Sequence[Hashable]
    kinds: Sequence[str] | None
    seen: Sequence[bool | None] | None
    bayes: float | None = None


@dataclass(frozen=True)
class Answers:
    """K answers of SFT to each of P prompts: texts, and arrays [P, K] of scores, words, courtesies and
    gold."""

    texts: Sequence[Sequence[str]]
    scores: ArrayLike
    words: ArrayLike
    courtesies: ArrayLike
    gold: ArrayLike | None


def card(pairs: Pairs, answers: Answers, batch: Batch, seed: int = 0) -> Card:
    """The report card from scores."""
    margins = np.asarray(pairs.chosen, dtype=np.float64) - np.asarray(pairs.rejected, dtype=np.float64)
    right = credit(margins)
    scores = np.asarray(answers.scores, dtype=np.float64)
    gold = None if answers.gold is None else np.asarray(answers.gold, dtype=np.float64)
    known = ["" if seen is None else "seen" if seen else "unseen" for seen in pairs.seen or ()]
    by_seen = by_group(right, pairs.prompts, known) if known else {}
    features = {"length": np.asarray(answers.words) / 10, "politeness": np.asarray(answers.courtesies)}
    slope = slopes(scores, features, gold)
    lines: dict[str, tuple[Any, Absent]] = {
        "by_kind": (pairs.kinds and by_group(right, pairs.prompts, pairs.kinds), "kinds"),
        "seen": (by_seen.get("seen"), "subjects"),
        "unseen": (by_seen.get("unseen"), "subjects"),
        "specificity": (
            None if gold is None else specificity(scores, gold, answers.texts, seed),
            "gold" if gold is None else "equal",
        ),
        "length": (slope.get("length"), "variation"),
        "politeness": (slope.get("politeness"), "variation"),
        "best_of": (None if gold is None else best_of(scores, gold), "gold"),
    }
    spread, within = variance(scores)
    return Card(
        accuracy=clustered(right, pairs.prompts),
        bayes=pairs.bayes,
        variance=spread,
        within=within,
        batch=batch,
        ece=expected_calibration_error(calibration(margins)),
        temperature=fitted_temperature(margins),
        absent={name: reason for name, (value, reason) in lines.items() if value is None},
        **{name: value for name, (value, _) in lines.items()},
    )


def clustered(values: ArrayLike, clusters: Sequence[Hashable]) -> Estimate:
    """The mean of N values with a standard error that allows for values of one cluster being alike.

    se^2 = G / (G - 1) * sum over the G clusters of (sum of their deviations from the mean)^2 / N^2 (Liang and
    Zeger 1986). With one value per cluster it is the usual standard error of a mean.
    """
    numbers = np.asarray(values, dtype=np.float64)
    places = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    where = np.array([places[name] for name in clusters])
    sums = np.bincount(where, weights=numbers - numbers.mean(), minlength=len(places))
    g, n = len(places), len(numbers)
    se = float(np.sqrt(g / (g - 1) * np.sum(sums**2)) / n) if g > 1 else None
    return Estimate(float(numbers.mean()), se, n)


def by_group(values: ArrayLike, clusters: Sequence[Hashable], groups: Sequence[str]) -> dict[str, Estimate]:
    """`clustered` for each group, largest first. groups: the name of each value's group."""
    names = np.array(list(groups))
    numbers, found = np.asarray(values, dtype=np.float64), {}
    for name in dict.fromkeys(names.tolist()):
        mine = np.flatnonzero(names == name)
        found[name] = clustered(numbers[mine], [clusters[i] for i in mine.tolist()])
    return dict(sorted(found.items(), key=lambda item: -item[1].n))


def specificity(
    scores: Numbers, gold: Numbers, texts: Sequence[Sequence[str]], seed: int = 0
) -> Estimate | None:
    """The probability that a pair of equal gold gets a smaller difference of scores than a pair of different
    gold.

    The pairs are different answers to one prompt. It is the area under the ROC of |difference|, and needs no
    threshold and no scale. se: bootstrap over prompts. n: pairs of equal gold. None without pairs of either
    sort.
    """
    equal, different = [], []
    for row, mine in enumerate(texts):
        for a in range(len(mine)):
            for b in range(a + 1, len(mine)):
                lead, far = abs(gold[row, a] - gold[row, b]), abs(scores[row, a] - scores[row, b])
                if mine[a] != mine[b] and lead <= EQUAL:
                    equal.append((row, far))
                elif lead >= DIFFERENT:
                    different.append((row, far))
    if not equal or not different:
        return None
    near, far = np.array(equal), np.array(different)

    def area(weights: Numbers) -> float:
        below = np.sign(far[None, :, 1] - near[:, None, 1]) / 2 + 0.5
        left, right = weights[near[:, 0].astype(int)], weights[far[:, 0].astype(int)]
        total = left.sum() * right.sum()
        return float(left @ below @ right / total) if total else np.nan

    return Estimate(area(np.ones(len(texts))), _bootstrap(area, len(texts), seed), len(equal))


def variance(scores: Numbers) -> tuple[float, float | None]:
    """(the variance of all scores [P, K], the share of it that lies between answers to one prompt).

    within = mean over prompts of the variance of the K scores, total = within + the variance of the prompts'
    means beyond what `within` explains. None for a single answer per prompt or scores that never vary.
    """
    if scores.shape[1] < 2 or scores.shape[0] < 2:
        return float(scores.var()), None
    within = float(scores.var(axis=1, ddof=1).mean())
    between = max(0.0, float(scores.mean(axis=1).var(ddof=1)) - within / scores.shape[1])
    total = within + between
    return total, within / total if total > 0 else None


def slopes(scores: Numbers, features: Mapping[str, Numbers], gold: Numbers | None) -> dict[str, Estimate]:
    """How much the score, in sd over all answers, rises with each feature, between answers to one prompt.

    One least-squares fit on deviations from each prompt's mean, with gold as a further regressor where it is
    known, so that a feature of good answers is not charged for being good. se: bootstrap over prompts. A
    feature that never varies within a prompt is left out.
    """
    sd = float(scores.std())
    varying = {
        name: inner
        for name, x in features.items()
        if np.abs(inner := _centred(np.asarray(x, float))).max() > 0
    }
    if not varying or sd == 0:
        return {}
    y, columns = _centred(scores) / sd, list(varying.values())
    if gold is not None and np.abs(_centred(gold)).max() > 0:
        columns.append(_centred(gold))
    x = np.stack(columns, axis=-1)  # [P, K, features]

    def fit(weights: Numbers) -> Numbers:
        root = np.sqrt(weights)[:, None]
        left, right = (x * root[..., None]).reshape(-1, x.shape[-1]), (y * root).reshape(-1)
        return np.asarray(np.linalg.lstsq(left, right, rcond=None)[0])

    values = fit(np.ones(len(scores)))
    errors = [_bootstrap(partial(_entry, fit, at), len(scores), 0) for at in range(len(varying))]
    return {name: Estimate(float(values[at]), errors[at], scores.size) for at, name in enumerate(varying)}


def best_of(scores: Numbers, gold: Numbers) -> BestOf:
    """Best-of-K by the reward model, and what a perfect choice would gain. Ties take the first answer."""
    rows = np.arange(len(scores))
    gain = gold[rows, scores.argmax(axis=1)] - gold.mean(axis=1)
    most = gold.max(axis=1) - gold.mean(axis=1)
    total = float(most.sum())
    return BestOf(
        scores.shape[1],
        clustered(gain, rows.tolist()),
        clustered(most, rows.tolist()),
        float(gain.sum()) / total if total > 0 else None,
    )


def batch_dependence(alone: ArrayLike, together: ArrayLike, sd: float) -> Batch:
    """Scores of 2N sequences, N chosen and then N rejected, one by one and in batches."""
    single, many = np.asarray(alone, dtype=np.float64), np.asarray(together, dtype=np.float64)
    n = len(single) // 2
    before, after = (np.sign(s[:n] - s[n:]) for s in (single, many))
    return Batch(float(np.abs(single - many).max() / (sd or 1.0)), float(np.mean(before != after)), n)


def _entry(fit: Callable[[Numbers], Numbers], at: int, weights: Numbers) -> float:
    return float(fit(weights)[at])


def _centred(values: Numbers) -> Numbers:
    return values - values.mean(axis=1, keepdims=True)


def _bootstrap(statistic: Callable[[Numbers], float], prompts: int, seed: int) -> float | None:
    """Standard error of a statistic of prompts' weights, by drawing prompts with replacement (Efron 1979)."""
    if prompts < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = (np.bincount(rng.integers(prompts, size=prompts), minlength=prompts) for _ in range(RESAMPLES))
    values = np.array([statistic(weights.astype(np.float64)) for weights in drawn])
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else None
