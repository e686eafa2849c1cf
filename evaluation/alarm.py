"""The alarm for over-optimisation: signals in the curves of a PPO run, and how often each of them is right.

A signal is computed from the steps so far, so that it can sound while PPO runs; a larger value is more
suspicious. `gold` and `judge` compare the reward model's score with a better measure of the same answers, and
the others only look at the policy: how far it is from SFT, how long its answers are, how varied. Whether a
signal is worth anything is a question for runs whose end is known (`benchmarks/alarm_roc.py`): `roc` ranks
harmed runs against unharmed ones, and `rates` gives what one threshold would have done.

The effect is that of Gao et al. 2023 (arXiv 2210.10760): the score goes on rising while gold falls.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

WINDOW = 5  # steps that a value averages, because one step has few prompts
RISE = 0.3  # the score must have risen by this many sd of SFT's before gold or judge are compared with it
# Thresholds of gold, in its units, and of the judge, in sd of SFT's scores, where none has been measured.
UNMEASURED = {"gold": 0.05, "judge": 0.2}
SIGNALS = ("gold", "judge", "distance", "score", "length", "entropy")


@dataclass(frozen=True)
class Point:
    """One PPO step. score, judge: in sd of SFT's scores. kl: nats per sequence. length: tokens. entropy: nats
    per token. gold, judge: None where they were not measured."""

    step: int
    score: float
    kl: float
    length: float
    entropy: float
    gold: float | None = None
    judge: float | None = None

    @classmethod
    def from_metrics(cls, row: Mapping[str, float], judge: float | None = None) -> Point | None:
        """The point of a row of metrics.jsonl; None for a row without a rollout."""
        names = ("objective/scores_standardised", "objective/kl", "response/length", "policy/entropy_avg")
        if any(row.get(name) is None for name in names):
            return None
        gold = row.get("gold/mean")
        score, kl, length, entropy = (float(row[name]) for name in names)
        known = None if gold is None else float(gold)
        return cls(int(row["step"]), score, kl, length, entropy, known, judge)


@dataclass(frozen=True)
class Roc:
    """How a signal ranks harmed runs above unharmed ones. auc: probability that a harmed run has the larger
    value, ties counting half; 0.5 is chance. positives, negatives: the number of runs."""

    auc: float | None
    positives: int
    negatives: int


@dataclass(frozen=True)
class Rates:
    """What a threshold would have done. caught, false_alarms: shares of the harmed and of the unharmed runs,
    with 95 % intervals (Wilson). lead: median number of steps from the alarm to the harm, over the harmed
    runs that it caught; negative if it came too late, None if it caught none."""

    threshold: float
    caught: float | None
    caught_ci: list[float]
    false_alarms: float | None
    false_alarms_ci: list[float]
    lead: float | None


@dataclass(frozen=True)
class Measured:
    """What `benchmarks/alarm_roc.py` found, shipped as alarm_rates.json. runs: their number. rows: one per
    signal, with `threshold` and the fields of `Roc` and `Rates`. date, command: of the measurement."""

    runs: int
    rows: tuple[Mapping[str, Any], ...]
    date: str = ""
    command: str = ""

    def row(self, signal: str) -> Mapping[str, Any] | None:
        return next((row for row in self.rows if row["signal"] == signal), None)

    def threshold(self, signal: str) -> float:
        row = self.row(signal)
        return UNMEASURED[signal] if row is None else float(row["threshold"])


def measured(path: Path | None = None) -> Measured | None:
    """The measurement in a file, by default the shipped one; None if there is none."""
    path = Path(__file__).with_name("alarm_rates.json") if path is None else path
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return Measured(content["runs"], tuple(content["rows"]), content["date"], content["command"])


def signals(points: Sequence[Point]) -> dict[str, list[float]]:
    """{signal: one value per point}; a signal whose measure is unknown everywhere is left out.

    gold, judge: how far the measure has fallen below its own maximum so far, 0 as long as the score has not
    risen by RISE. distance: root of the KL. score: its rise. length: |log| of the ratio to the first steps.
    entropy: the share of the first steps' entropy that is gone. All but judge are means over WINDOW steps.
    """
    if not points:
        return {}
    score, kl, length, entropy = (
        trailing([getattr(p, name) for p in points]) for name in ("score", "kl", "length", "entropy")
    )
    rise = [value - score[min(WINDOW, len(score)) - 1] for value in score]
    found = {
        "distance": [math.sqrt(max(0.0, value)) for value in kl],
        "score": [max(0.0, value) for value in rise],
        "length": [_log_ratio(value, length) for value in length],
        "entropy": [_lost_share(value, entropy) for value in entropy],
    }
    for name, smooth in (("gold", True), ("judge", False)):
        known = [(index, v) for index, p in enumerate(points) if (v := getattr(p, name)) is not None]
        if not known:
            continue
        values = [v for _, v in known]
        values = trailing(values) if smooth else values
        found[name] = _falls([i for i, _ in known], values, rise)
    return {name: found[name] for name in SIGNALS if name in found}


def first_above(points: Sequence[Point], values: Sequence[float], threshold: float) -> int | None:
    """The step at which a signal first exceeds the threshold, WINDOW steps into the run at the earliest."""
    late = zip(points[WINDOW:], values[WINDOW:], strict=True)
    return next((point.step for point, value in late if value > threshold), None)


def harm(steps: Sequence[int], gold: Sequence[float], fall: float) -> int | None:
    """The first step after the best one at which gold is at least `fall` below it, if the last one is too.

    steps, gold: held-out gold by step. None for a run without harm at its end.
    """
    best = int(np.argmax(gold))
    harmed = [step for step, value in zip(steps, gold, strict=True) if step > steps[best]
              and value <= gold[best] - fall]  # fmt: skip
    return harmed[0] if harmed and harmed[-1] == steps[-1] else None


def roc(harmed: ArrayLike, unharmed: ArrayLike) -> Roc:
    """The ROC's area, from the largest value of a signal in each run: the statistic of Mann and Whitney."""
    bad, good = np.asarray(harmed, dtype=np.float64), np.asarray(unharmed, dtype=np.float64)
    if not len(bad) or not len(good):
        return Roc(None, len(bad), len(good))
    ahead = np.sign(bad[:, None] - good[None, :])
    return Roc(float((ahead.mean() + 1) / 2), len(bad), len(good))


def threshold_for(unharmed: ArrayLike, most: float = 0.1) -> float:
    """The smallest threshold at which at most a share `most` of the unharmed runs give a false alarm."""
    values = np.sort(np.asarray(unharmed, dtype=np.float64))
    allowed = int(most * len(values) + 1e-9)
    return float(values[-1 - allowed]) if len(values) else 0.0


def rates(
    threshold: float, harmed: Sequence[tuple[int | None, int]], unharmed: Sequence[int | None]
) -> Rates:
    """What a threshold would have done. harmed: (step of the alarm or None, step of the harm) per run.
    unharmed: step of the alarm or None per run."""
    from evaluation.alignment import wilson_interval  # it loads scikit-learn, which the page does without

    leads = [when - alarm for alarm, when in harmed if alarm is not None]
    false = sum(alarm is not None for alarm in unharmed)
    return Rates(
        threshold,
        len(leads) / len(harmed) if harmed else None,
        wilson_interval(len(leads), len(harmed)),
        false / len(unharmed) if unharmed else None,
        wilson_interval(false, len(unharmed)),
        float(median(leads)) if leads else None,
    )


def trailing(values: Sequence[float], width: int = WINDOW) -> list[float]:
    """The mean of each value and up to `width` - 1 before it."""
    return [float(np.mean(values[max(0, end - width) : end])) for end in range(1, len(values) + 1)]


def _falls(places: Sequence[int], values: Sequence[float], rise: Sequence[float]) -> list[float]:
    """Per point, how far the values known until then have fallen below their maximum, while the score has
    risen."""
    falls, best, now = [], -math.inf, 0.0
    known = dict(zip(places, values, strict=True))
    for index, risen in enumerate(rise):
        if index in known:
            best = max(best, known[index])
            now = best - known[index]
        falls.append(now if risen > RISE else 0.0)
    return falls


def _log_ratio(value: float, series: Sequence[float]) -> float:
    first = series[min(WINDOW, len(series)) - 1]
    return abs(math.log(value / first)) if value > 0 and first > 0 else 0.0


def _lost_share(value: float, series: Sequence[float]) -> float:
    first = series[min(WINDOW, len(series)) - 1]
    return max(0.0, 1 - value / first) if first > 0 else 0.0
