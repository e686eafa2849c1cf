"""Does the way a reward model is stored change what PPO makes of it? The analysis of a study.

A study is a number of replicates. A replicate has its own data, SFT model and reward models, and each of its
arms, such as a reward model in int4, has PPO runs at one or more strengths of the KL penalty. All policies of
all replicates, snapshots of their training included, answer the same prompts. The primary outcome is the
difference in gold between an arm and the reference arm at the same KL from SFT. The replicate is the unit of
every test, so the conclusions are about further replicates on these prompts.

`evaluation.matched_kl` has the records and finds gold at a KL, `evaluation.equivalence` has the tests, and
`evaluation.study_verdict` puts the result into words.

    analyse(study, Question(treatments=("int8", "int4")))
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import Code, UserError
from evaluation.equivalence import Interval, Tost, holm, mean_interval, p_different, p_greater, tost
from evaluation.matched_kl import Study, difference_at, gain_at, trained

Outcome = Literal["equivalent", "worse", "better", "undecided"]
Points = Literal["snapshots", "trained"]
MOST_UNREACHED = 0.1  # the share of its replicates that an arm may lose before it is undecided


@dataclass(frozen=True)
class Question:
    """What a study asks, fixed before its first run.

    again: the reference arm once more, with other random numbers; no difference from it may be found.
    control: an arm that is known to harm; the study must find the harm; "" for a study without one.
    described: arms that are measured without a test. kl: nats per sequence at which the
    arms are compared. margin: the largest difference that still counts as none, as a share of the reference's
    gain in gold over SFT at that KL. alpha: the level of each family of tests. points: which points of a PPO
    run, besides SFT, gold at that KL is interpolated between: all snapshots, or the trained policy alone (see
    `evaluation.matched_kl`).
    """

    treatments: tuple[str, ...]
    reference: str = "bf16"
    again: str = "bf16-again"
    control: str = "2-bit"
    kl: float = 2.0
    margin: float = 0.1
    alpha: float = 0.05
    described: tuple[str, ...] = ()
    points: Points = "snapshots"

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms without which there is no conclusion."""
        control = (self.control,) if self.control else ()
        return (self.reference, self.again, *control, *self.treatments)


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
    KL. control: None for a study without one. described: of the arms that were measured. faults: why the
    study is not valid, as clauses; () if it is. prompts: their number."""

    question: Question
    prompts: int
    gains: NDArray[np.float64]
    comparisons: tuple[Comparison, ...]
    again: Comparison
    control: Comparison | None
    faults: tuple[str, ...]
    described: tuple[Comparison, ...] = ()

    def outcome(self, arm: str) -> Outcome | Literal["invalid"]:
        """The outcome of a treatment; "invalid" for all of them where the study is."""
        found = next(one for one in self.comparisons if one.arm == arm)
        return "invalid" if self.faults else found.outcome(self.question.alpha)


def analyse(study: Study, question: Question) -> Analysis:
    """Compare the arms of a study. Raises UserError for an arm without any measurement, and for fewer than
    two replicates in which the reference reaches the KL of the question."""
    for arm in question.arms:
        if arm not in study.arms:
            measured = ", ".join(study.arms) or "none"
            raise UserError(
                f"the study has no measurement of the arm {arm}; measured: {measured}", code=Code.REQUEST
            )
    if question.points == "trained":
        study = trained(study)
    found = {r: gain_at(study, question.reference, r, question.kl) for r in study.sft}
    gains = {replicate: gain for replicate, gain in found.items() if gain is not None}
    if len(gains) < 2:
        raise UserError(
            f"{len(gains)} of {len(study.sft)} replicates have a {question.reference} policy at "
            f"{question.kl:g} nats per sequence; an interval needs at least two",
            code=Code.REQUEST,
        )
    arms = (*question.arms, *(arm for arm in question.described if arm in study.arms))
    compared = {arm: _compared(study, arm, question, gains) for arm in arms if arm != question.reference}
    return conclude(question, np.array(list(gains.values())), compared, len(next(iter(study.sft.values()))))


def compare(
    arm: str,
    differences: NDArray[np.float64],
    margins: NDArray[np.float64],
    replicates: tuple[int, ...] = (),
    unreached: tuple[int, ...] = (),
    absent: tuple[int, ...] = (),
) -> Comparison:
    """The tests of one arm, without the correction for several arms; see `Comparison`."""
    equal, different = tost(differences, margins), p_different(differences)
    return Comparison(arm, replicates, differences, margins, unreached, absent, equal, equal.p, different)


def conclude(
    question: Question, gains: NDArray[np.float64], compared: Mapping[str, Comparison], prompts: int
) -> Analysis:
    """The analysis from the comparisons of all arms, {arm: comparison}; see `Analysis`."""
    treated = _corrected([compared[arm] for arm in question.treatments])
    again = compared[question.again]
    control = compared[question.control] if question.control else None
    described = tuple(compared[arm] for arm in question.described if arm in compared)
    faults = tuple(_faults(question, gains, again, control))
    return Analysis(question, prompts, gains, treated, again, control, faults, described)


def _compared(study: Study, arm: str, question: Question, gains: Mapping[int, float]) -> Comparison:
    known: dict[int, float] = {}
    unreached, absent = [], []
    for replicate in study.sft:
        if any((replicate, one) not in study.paths for one in (arm, question.reference)):
            absent.append(replicate)
            continue
        found = difference_at(study, arm, question.reference, replicate, question.kl)
        if found is None:
            unreached.append(replicate)
        else:
            known[replicate] = found
    margins = question.margin * np.array([gains[replicate] for replicate in known])
    return compare(
        arm, np.array(list(known.values())), margins, tuple(known), tuple(unreached), tuple(absent)
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
    question: Question, gains: NDArray[np.float64], again: Comparison, control: Comparison | None
) -> Iterable[str]:
    """The gates of the study: PPO helps, the two reference arms agree, and the control is found harmful."""
    if p_greater(gains) > question.alpha:
        yield f"PPO is not shown to gain gold in the {question.reference} arm"
    if again.n < 2:
        yield f"the arm {again.arm} has {again.n} comparable replicates"
    elif p_different(again.differences) <= question.alpha:
        yield f"the arms {question.reference} and {again.arm} differ although they are the same"
    if control is None:
        return
    if control.n < 2:
        yield f"the control {control.arm} has {control.n} comparable replicates"
    elif p_greater(-control.differences) > question.alpha:
        yield f"the control {control.arm} is not found harmful"
