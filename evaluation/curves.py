"""Curves of runs over steps, time, distance or tokens, and the mean and spread of several seeds.

The functions take rows of metrics.jsonl and return plain numbers. Seeds are joined step by step, on both
axes: a mean over runs at the same step needs no interpolation, and a run that took longer moves the mean of
the time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

Axis = Literal["step", "minutes", "distance", "tokens"]
AXES: tuple[Axis, ...] = ("step", "minutes", "distance", "tokens")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Curve:
    """One run: steps, x and y of equal length; y is None where the run has no value (a gap)."""

    steps: Sequence[int]
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True)
class Band:
    """Several seeds: the mean of x and y at each step, and y's mean minus and plus its standard deviation.
    low and high equal the mean where only one run has the step. runs: how many there are."""

    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    runs: int


def with_derived(rows: Rows, batch_size: int | None = None) -> list[dict[str, Any]]:
    """The rows with what can be computed from them: minutes, tokens, distance, tokens_per_second.

    minutes: training time, attempts joined. tokens: seen so far (`num_tokens` of a trainer; in PPO the
    sampled ones, length times batch_size). distance: root of the KL to SFT in nats per answer, 0 where the
    estimate is negative.
    """
    found, joined, last, sampled = [], 0.0, 0.0, 0.0
    before: tuple[float, float] | None = None
    for row in rows:
        new: dict[str, Any] = dict(row)
        seconds = _number(row.get("wall_seconds"))
        if seconds is not None:
            joined += last if seconds < last else 0.0  # the clock of a resumed attempt starts again
            last = seconds
            new["minutes"] = (joined + seconds) / 60
        length = _number(row.get("response/length"))
        if length is not None and batch_size:
            sampled += length * batch_size
        tokens = _number(row.get("num_tokens")) or sampled or None
        if tokens is not None:
            new["tokens"] = tokens
        kl = _number(row.get("objective/kl"))
        if kl is not None:
            new["distance"] = math.sqrt(max(0.0, kl))
        if tokens is not None and seconds is not None:
            now = (joined + seconds, tokens)
            if before is not None and now[0] > before[0] and now[1] > before[1]:
                new["tokens_per_second"] = (now[1] - before[1]) / (now[0] - before[0])
            before = now
        found.append(new)
    return found


def curve(rows: Rows, key: str, axis: Axis = "step") -> Curve:
    """The values of a metric over an axis; rows without the metric or the axis are left out."""
    known = [row for row in rows if key in row and _number(row.get(axis)) is not None and "step" in row]
    return Curve(
        [int(row["step"]) for row in known],
        [float(row[axis]) for row in known],
        [_number(row[key]) for row in known],
    )


def smoothed(values: Sequence[float | None], weight: float) -> list[float | None]:
    """An exponential moving average without the bias of its start: s_t = w s_(t-1) + (1 - w) v_t, divided by
    1 - w^t. weight: w in [0, 1); 0 changes nothing. Gaps stay gaps and are skipped.
    """
    total, count = 0.0, 0
    found: list[float | None] = []
    for value in values:
        if value is None:
            found.append(None)
            continue
        total, count = weight * total + (1 - weight) * value, count + 1
        found.append(total / (1 - weight**count))
    return found


def band(curves: Sequence[Curve]) -> Band:
    """The mean and the spread of several seeds, at the steps that every one of them has with a value."""
    by_step = [
        {s: (x, y) for s, x, y in zip(c.steps, c.x, c.y, strict=True) if y is not None} for c in curves
    ]
    common = sorted(set.intersection(*(set(one) for one in by_step))) if by_step else []
    points = [[one[step] for one in by_step] for step in common]
    means = [fmean(y for _, y in point) for point in points]
    spread = [stdev([y for _, y in point]) if len(point) > 1 else 0.0 for point in points]
    return Band(
        [fmean(x for x, _ in point) for point in points],
        means,
        [m - s for m, s in zip(means, spread, strict=True)],
        [m + s for m, s in zip(means, spread, strict=True)],
        len(curves),
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
