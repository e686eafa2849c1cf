"""What the measurements of a study say, finished or not: the records of its report.

`Measured` is what was measured, as means over the common prompts; `find` computes every figure of the report
from it and nothing else. `evaluation.study` has the analysis. Means suffice because gold at a KL is linear in
the gold of each prompt.

    find(measured).verdict.sentence
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.errors import UserError
from evaluation import overoptimisation
from evaluation.equivalence import blinded_sd, replicates_for, tost_power
from evaluation.matched_kl import Measurement, Study
from evaluation.overoptimisation import Curve
from evaluation.study import Analysis, Comparison, Question, analyse
from evaluation.study_verdict import verdict


@dataclass(frozen=True)
class Point:
    """A policy, or a snapshot of one, on the common prompts. arm: "" for SFT, whose step is 0.

    kl: nats per sequence from SFT, kl_se its standard error over prompts. gold: mean; gold_sd: over prompts.
    """

    replicate: int
    arm: str
    kl_coef: float | None
    step: int
    kl: float
    gold: float
    gold_sd: float
    run: str = ""
    kl_se: float | None = None


@dataclass(frozen=True)
class Measured:
    """What was measured in the replicates that are complete. replicates: as planned. power: that of the
    plan. prompts: their number. prompts_in_training: the largest share that a replicate's training data
    contain. points: of all policies, SFT included."""

    question: Question
    replicates: int
    power: float
    prompts: int
    prompts_in_training: float
    points: tuple[Point, ...]

    @property
    def complete(self) -> tuple[int, ...]:
        """The numbers of the replicates that were measured."""
        return tuple(sorted({point.replicate for point in self.points}))


@dataclass(frozen=True)
class ArmResult:
    """An arm against the reference at the same KL. role: treatment, again, control or described.

    differences, margins: one per replicate, in gold. low, high: of the 95 % t interval; low_90, high_90: of
    the 90 % interval, which lies within the margin when equivalence is shown for one arm; None for fewer than
    two replicates. p_equivalent, p_different: after Holm's correction for treatments, plain for others.
    """

    arm: str
    role: str
    replicates: tuple[int, ...]
    differences: tuple[float, ...]
    margins: tuple[float, ...]
    mean: float | None
    low: float | None
    high: float | None
    low_90: float | None
    high_90: float | None
    p_equivalent: float
    p_different: float
    outcome: str
    unreached: tuple[int, ...]
    absent: tuple[int, ...]


@dataclass(frozen=True)
class ArmCurve:
    """The curve of gold over KL of an arm; None with the reason where it cannot be fitted."""

    arm: str
    curve: Curve | None
    reason: str = ""


@dataclass(frozen=True)
class Precision:
    """How much the replicates can show, from the differences without their signs (`blinded_sd`), with the
    correction for the number of treatments planned in. power: the probability that equality is shown if it
    is true. needed: the replicates for the planned power; None for more than 10,000."""

    sd: float
    margin: float
    replicates: int
    power: float
    needed: int | None


@dataclass(frozen=True)
class Findings:
    """The figures of a report. partial: why the result is not the planned one, "" if it is. sentence, limits:
    the verdict; where there is none, the sentence says why and limits is (). gains: the reference's gain over
    SFT per replicate."""

    partial: str
    sentence: str
    limits: tuple[str, ...]
    gains: tuple[float, ...]
    arms: tuple[ArmResult, ...]
    curves: tuple[ArmCurve, ...]
    precision: Precision | None


def find(measured: Measured) -> Findings:
    """Analyse what was measured."""
    partial = _partial(measured)
    curves = tuple(_curves(measured))
    try:
        study = _study(measured)
        analysis = replace(analyse(study, measured.question), prompts=measured.prompts)
    except UserError as error:
        return Findings(partial, f"There is no verdict yet: {error}.", (), (), (), curves, None)
    told = verdict(analysis)
    sentence = f"{partial} {told.sentence}" if partial else told.sentence
    limits = (told.limits[0], _scope(told.limits[1], measured.prompts_in_training), told.limits[2])
    gains = tuple(float(gain) for gain in analysis.gains)
    return Findings(
        partial, sentence, limits, gains, tuple(_arms(analysis)), curves, _precision(analysis, measured)
    )


def _partial(measured: Measured) -> str:
    done = len(measured.complete)
    if done >= measured.replicates:
        return ""
    return f"Partial result of {done} of {measured.replicates} planned replicates, not the planned test."


def _study(measured: Measured) -> Study:
    sft = {one.replicate: np.array([one.gold]) for one in measured.points if not one.arm}
    policies = tuple(
        Measurement(one.replicate, one.arm, float(one.kl_coef or 0), one.step, one.kl, np.array([one.gold]))
        for one in measured.points
        if one.arm
    )
    return Study(sft, policies)


def _curves(measured: Measured) -> Iterable[ArmCurve]:
    start = {one.replicate: one.gold for one in measured.points if not one.arm}
    found: dict[str, list[Point]] = {}
    for one in measured.points:
        if one.arm and one.replicate in start:
            found.setdefault(one.arm, []).append(one)
    for arm, points in found.items():
        try:
            gains = [one.gold - start[one.replicate] for one in points]
            yield ArmCurve(arm, overoptimisation.fit([one.kl for one in points], gains))
        except UserError as error:
            yield ArmCurve(arm, None, str(error))


def _arms(analysis: Analysis) -> Iterable[ArmResult]:
    for one in analysis.comparisons:
        yield _arm(one, "treatment", str(analysis.outcome(one.arm)))
    yield _arm(analysis.again, "again", "")
    if analysis.control:
        yield _arm(analysis.control, "control", "")
    for one in analysis.described:
        yield _arm(one, "described", "")


def _arm(one: Comparison, role: str, outcome: str) -> ArmResult:
    known = one.n > 1
    wide, narrow = one.interval(), one.interval(0.9)
    return ArmResult(
        one.arm,
        role,
        one.replicates,
        tuple(map(float, one.differences)),
        tuple(map(float, one.margins)),
        one.mean if one.n else None,
        wide.low if known else None,
        wide.high if known else None,
        narrow.low if known else None,
        narrow.high if known else None,
        one.p_equivalent_adjusted,
        one.p_different_adjusted,
        outcome,
        one.unreached,
        one.absent,
    )


def _precision(analysis: Analysis, measured: Measured) -> Precision | None:
    compared = [*analysis.comparisons, analysis.again]
    replicates = min(one.n for one in compared)
    margin = float(np.mean(analysis.gains)) * analysis.question.margin
    if replicates < 2 or margin <= 0:
        return None
    differences = np.concatenate([one.differences for one in compared])
    sd = blinded_sd(differences, analysis.gains * analysis.question.margin)
    tests = len(analysis.comparisons)
    if sd == 0:
        return None
    power = tost_power(replicates, sd, margin, alpha=analysis.question.alpha / tests)
    return Precision(sd, margin, replicates, power, _needed(sd, margin, measured, tests))


def _needed(sd: float, margin: float, measured: Measured, tests: int) -> int | None:
    try:
        return replicates_for(sd, margin, power=measured.power, alpha=measured.question.alpha, tests=tests)
    except ValueError:
        return None


def _scope(limit: str, seen: float) -> str:
    return limit if not seen else f"{limit[:-1]}; up to {seen:.1%} of the prompts are training prompts."


def largest_share(shares: Sequence[float | None]) -> float:
    """The largest known share; 0 without any."""
    return max((share for share in shares if share is not None and math.isfinite(share)), default=0.0)
