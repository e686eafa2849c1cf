"""Does the way a reward model is stored change what PPO makes of it? The analysis of a study.

A study is a number of replicates. A replicate has its own data, SFT model and reward models, and each of its
arms, such as a reward model in int4, has PPO runs at one or more strengths of the KL penalty. All policies of
all replicates, snapshots of their training included, answer the same prompts. The primary outcome is the
difference in gold between an arm and the reference arm at the same KL from SFT. The replicate is the unit of
every test, so the conclusions are about further replicates on these prompts.

The module takes numbers and returns numbers. `evaluation.equivalence` has the tests, `evaluation.
study_verdict` puts the result into words.

    analyse(study, Question(treatments=("int8", "int4")))
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from evaluation.equivalence import Interval, Tost, holm, mean_interval, p_different, p_greater, tost

Gold = NDArray[np.float64]
Outcome = Literal["equivalent", "worse", "better", "undecided"]
MOST_UNREACHED = 0.1  # the share of its replicates that an arm may lose before it is undecided


@dataclass(frozen=True, eq=False)
class Measurement:
    """One policy, or a snapshot of one, on the common prompts.

    kl_coef: the strength of the KL penalty of its PPO run. step: of the snapshot. kl: nats per sequence from
    the SFT model of the replicate. gold: [P], in [0, 1].
    """

    replicate: int
    arm: str
    kl_coef: float
    step: int
    kl: float
    gold: Gold

    @property
    def name(self) -> str:
        return f"replicate {self.replicate}, arm {self.arm}, kl_coef {self.kl_coef:g}, step {self.step}"


@dataclass(frozen=True, eq=False)
class Study:
    """All measurements of a study. sft: {replicate: [P]}, the gold of its SFT model on the same prompts.

    Raises UserError for a replicate without SFT, for another number of prompts, for values that are not
    finite, and for a policy that was measured twice.
    """

    sft: dict[int, Gold]
    measurements: tuple[Measurement, ...]

    def __post_init__(self) -> None:
        shapes = {gold.shape for gold in (*self.sft.values(), *(one.gold for one in self.measurements))}
        if len(shapes) > 1 or any(len(shape) != 1 or not shape[0] for shape in shapes):
            raise UserError("a study needs the same prompts, at least one, for every policy")
        seen = set()
        for one in self.measurements:
            key = (one.replicate, one.arm, one.kl_coef, one.step)
            if one.replicate not in self.sft:
                raise UserError(f"{one.name}: its replicate has no measurement of the SFT model")
            if key in seen:
                raise UserError(f"{one.name}: is measured twice")
            if not math.isfinite(one.kl + float(one.gold.sum())):
                raise UserError(f"{one.name}: has a KL or gold that is not a finite number")
            seen.add(key)

    @cached_property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.arm for one in self.measurements))

    @cached_property
    def paths(self) -> dict[tuple[int, str], dict[float, list[Measurement]]]:
        """{(replicate, arm): {kl_coef: the snapshots of the PPO run, by step}}."""
        found: dict[tuple[int, str], dict[float, list[Measurement]]] = {}
        for one in sorted(self.measurements, key=lambda m: m.step):
            found.setdefault((one.replicate, one.arm), {}).setdefault(one.kl_coef, []).append(one)
        return found


@dataclass(frozen=True)
class Question:
    """What a study asks, fixed before its first run.

    again: the reference arm once more, with other random numbers; no difference from it may be found.
    control: an arm that is known to harm; the study must find the harm. kl: nats per sequence at which the
    arms are compared. margin: the largest difference that still counts as none, as a share of the reference's
    gain in gold over SFT at that KL. alpha: the level of each family of tests.
    """

    treatments: tuple[str, ...]
    reference: str = "bf16"
    again: str = "bf16-again"
    control: str = "2-bit"
    kl: float = 2.0
    margin: float = 0.1
    alpha: float = 0.05

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.reference, self.again, self.control, *self.treatments)


@dataclass(frozen=True, eq=False)
class Comparison:
    """An arm against the reference, at the same KL.

    replicates: those that count. differences, margins: [n], one per replicate, in gold. unreached: replicates
    in which the arm and the reference never come to that KL with the same kl_coef. absent: replicates without
    a PPO run of both. p_equivalent_adjusted and p_different_adjusted are Holm's over the treatments; for the
    second reference arm and the control they are the plain ones.
    """

    arm: str
    replicates: tuple[int, ...]
    differences: NDArray[np.float64]
    margins: NDArray[np.float64]
    unreached: tuple[int, ...]
    absent: tuple[int, ...]
    equivalence: Tost
    p_equivalent_adjusted: float
    p_different_adjusted: float

    @property
    def n(self) -> int:
        return len(self.differences)

    @property
    def mean(self) -> float:
        """The mean difference in gold; NaN without a replicate."""
        return float(self.differences.mean()) if self.n else math.nan

    @property
    def sd(self) -> float:
        """The standard deviation of the differences over the replicates (n - 1); NaN for fewer than two."""
        return float(self.differences.std(ddof=1)) if self.n > 1 else math.nan

    def interval(self, confidence: float = 0.95) -> Interval:
        """The t interval of the mean difference, not corrected for the number of arms."""
        return mean_interval(self.differences, confidence)

    @property
    def too_many_unreached(self) -> bool:
        """Whether so many replicates drop out that the rest may be a selection."""
        return len(self.unreached) > MOST_UNREACHED * (self.n + len(self.unreached))

    def outcome(self, alpha: float) -> Outcome:
        """What is shown at the level alpha, after Holm's correction. A difference that is shown to exist but
        also to be within the margin counts as equivalent."""
        if self.too_many_unreached:
            return "undecided"
        if self.p_equivalent_adjusted <= alpha:
            return "equivalent"
        if self.p_different_adjusted <= alpha:
            return "worse" if self.mean < 0 else "better"
        return "undecided"


@dataclass(frozen=True, eq=False)
class Analysis:
    """The result of a study. gains: [n], the reference's gain in gold over SFT per replicate, at the common
    KL. faults: why the study is not valid, as clauses; () if it is. prompts: their number."""

    question: Question
    prompts: int
    gains: NDArray[np.float64]
    comparisons: tuple[Comparison, ...]
    again: Comparison
    control: Comparison
    faults: tuple[str, ...]

    def outcome(self, arm: str) -> Outcome | Literal["invalid"]:
        """The outcome of a treatment; "invalid" for all of them where the study is."""
        found = next(one for one in self.comparisons if one.arm == arm)
        return "invalid" if self.faults else found.outcome(self.question.alpha)


def analyse(study: Study, question: Question) -> Analysis:
    """Compare the arms. Raises UserError for an arm without any measurement, and for fewer than two
    replicates in which the reference reaches the KL of the question."""
    for arm in question.arms:
        if arm not in study.arms:
            raise UserError(f"the study has no measurement of the arm {arm}; measured: {_listed(study.arms)}")
    gains = {
        r: gain for r in study.sft if (gain := gain_at(study, question.reference, r, question.kl)) is not None
    }
    if len(gains) < 2:
        raise UserError(
            f"{len(gains)} of {len(study.sft)} replicates have a {question.reference} policy at "
            f"{question.kl:g} nats per sequence; an interval needs at least two"
        )
    treated = [_compared(study, arm, question, gains) for arm in question.treatments]
    again, control = (_compared(study, arm, question, gains) for arm in (question.again, question.control))
    values = np.array(list(gains.values()))
    prompts = len(next(iter(study.sft.values())))
    faults = tuple(_faults(question, values, again, control))
    return Analysis(question, prompts, values, _corrected(treated), again, control, faults)


def gold_at(path: Sequence[Measurement], sft: Gold, kl: float) -> Gold | None:
    """The gold per prompt, [P], where a PPO run first reaches `kl` nats per sequence; None if it never does.

    path: its snapshots by step; it starts from SFT at a KL of 0. Between two snapshots gold is interpolated
    linearly in sqrt(KL), the distance over which it is nearly straight (see `evaluation.overoptimisation`).
    """
    target, before, gold = math.sqrt(kl), 0.0, sft
    for one in path:
        distance = math.sqrt(max(one.kl, 0.0))  # an estimate of a small KL can be negative
        if distance >= target:
            share = (target - before) / (distance - before)
            return gold + share * (one.gold - gold)
        before, gold = distance, one.gold
    return None


def matched(study: Study, arm: str, replicate: int, kl: float) -> dict[float, Gold]:
    """{kl_coef: gold per prompt at that KL} of the PPO runs of an arm that reach it."""
    paths = study.paths.get((replicate, arm), {})
    found = {coef: gold_at(path, study.sft[replicate], kl) for coef, path in paths.items()}
    return {coef: gold for coef, gold in found.items() if gold is not None}


def gain_at(study: Study, arm: str, replicate: int, kl: float) -> float | None:
    """The mean gain in gold over SFT at that KL, averaged over kl_coef; None if no run reaches it."""
    found = matched(study, arm, replicate, kl)
    if not found:
        return None
    return float(np.mean([gold.mean() for gold in found.values()]) - study.sft[replicate].mean())


def difference_at(study: Study, arm: str, reference: str, replicate: int, kl: float) -> float | None:
    """Mean gold of the arm minus that of the reference on the same prompts, at that KL.

    It is averaged over the values of kl_coef with which both reach the KL, so that each run is compared with
    a run under the same penalty; None if there is no such value.
    """
    ours, theirs = (matched(study, one, replicate, kl) for one in (arm, reference))
    both = [coef for coef in ours if coef in theirs]
    return float(np.mean([(ours[coef] - theirs[coef]).mean() for coef in both])) if both else None


def _compared(study: Study, arm: str, question: Question, gains: dict[int, float]) -> Comparison:
    """The comparison of an arm, without the correction for several arms."""
    known, unreached, absent = {}, [], []
    for replicate in study.sft:
        if any((replicate, one) not in study.paths for one in (arm, question.reference)):
            absent.append(replicate)
            continue
        found = difference_at(study, arm, question.reference, replicate, question.kl)
        if found is None:
            unreached.append(replicate)
        else:
            known[replicate] = found
    differences = np.array(list(known.values()))
    margins = question.margin * np.array([gains[replicate] for replicate in known])
    equal, different = tost(differences, margins), p_different(differences)
    return Comparison(
        arm, tuple(known), differences, margins, tuple(unreached), tuple(absent), equal, equal.p, different
    )


def _corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with Holm's correction, separately for equivalence and for difference."""
    equivalent = holm([one.equivalence.p for one in comparisons])
    different = holm([p_different(one.differences) for one in comparisons])
    pairs = zip(comparisons, equivalent, different, strict=True)
    return tuple(
        replace(one, p_equivalent_adjusted=float(equal), p_different_adjusted=float(other))
        for one, equal, other in pairs
    )


def _faults(
    question: Question, gains: NDArray[np.float64], again: Comparison, control: Comparison
) -> Iterable[str]:
    """The gates of the study: PPO helps, the two reference arms agree, and the control is found harmful."""
    if p_greater(gains) > question.alpha:
        yield f"PPO is not shown to gain gold in the {question.reference} arm"
    if again.n < 2:
        yield f"the arm {again.arm} has {again.n} comparable replicates"
    elif p_different(again.differences) <= question.alpha:
        yield f"the arms {question.reference} and {again.arm} differ although they are the same"
    if control.n < 2:
        yield f"the control {control.arm} has {control.n} comparable replicates"
    elif p_greater(-control.differences) > question.alpha:
        yield f"the control {control.arm} is not found harmful"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
