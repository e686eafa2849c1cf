"""The result of a study in words: the verdict in one sentence, its limits in three.

`evaluation.study` computes what is shown; this module only words it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.study import Analysis, Comparison

_ORDER = ("equivalent", "worse", "better", "undecided")


@dataclass(frozen=True)
class StudyVerdict:
    """outcomes: {arm: "equivalent", "worse", "better", "undecided" or "invalid"}. limits: the precision, what
    the study covers, and how sure the tests are."""

    outcomes: dict[str, str]
    sentence: str
    limits: tuple[str, str, str]


def verdict(analysis: Analysis) -> StudyVerdict:
    """Word the result of a study."""
    outcomes = {one.arm: str(analysis.outcome(one.arm)) for one in analysis.comparisons}
    limits = (_precision(analysis), _scope(analysis), _certainty(analysis))
    return StudyVerdict(outcomes, _sentence(analysis, outcomes), limits)


def _sentence(analysis: Analysis, outcomes: dict[str, str]) -> str:
    question = analysis.question
    if analysis.faults:
        return f"The study is not valid and answers nothing: {_joined(analysis.faults, '; ')}."
    clauses = []
    for outcome in _ORDER:
        found = [one for one in analysis.comparisons if outcomes[one.arm] == outcome]
        if found:
            clauses.append(_clause(analysis, outcome, found))
    line = " (on the line to the trained policy)" if question.points == "trained" else ""
    return (
        f"At {question.kl:g} nats per sequence from SFT{line}, compared with PPO against the "
        f"{question.reference} reward model, {'; '.join(clauses)}."
    )


def _clause(analysis: Analysis, outcome: str, found: Sequence[Comparison]) -> str:
    names = _joined([f"{one.arm} ({_figures(one)})" for one in found], " and ")
    share = f"{analysis.question.margin:.0%} of PPO's gain of {analysis.gains.mean():.3f}"
    return {
        "equivalent": f"the same gold, to within {share}, is reached against {names}",
        "worse": f"less gold is reached against {names}",
        "better": f"more gold is reached against {names}",
        "undecided": f"it stays undecided whether gold is the same, to within {share}, against {names}",
    }[outcome]


def _figures(one: Comparison) -> str:
    if one.n < 2:
        return f"{one.n} comparable replicates"
    interval = one.interval()
    return f"{one.mean:+.3f}, 95 % interval {interval.low:+.3f} to {interval.high:+.3f}"


def _precision(analysis: Analysis) -> str:
    counts = sorted({one.n for one in analysis.comparisons})
    span = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    known = [one.interval(0.9) for one in analysis.comparisons if one.n > 1]
    widest = max(((one.high - one.low) / 2 for one in known), default=float("inf"))
    lost = [
        f"{len(one.unreached)} of {one.arm}" + (" (too many for a verdict)" if one.too_many_unreached else "")
        for one in (*analysis.comparisons, analysis.again, analysis.control)
        if one and one.unreached
    ]
    missing = sum(len(one.absent) for one in analysis.comparisons)
    return (
        f"Precision: {span} replicates per arm leave an uncertainty of up to {widest:.3f} in gold (90 %)"
        + (f"; replicates that never reach the common KL are left out: {', '.join(lost)}" if lost else "")
        + (f"; {missing} comparisons have not been run" if missing else "")
        + "."
    )


def _scope(analysis: Analysis) -> str:
    return (
        f"Scope: the intervals are about further replicates (data, SFT, reward models and PPO) with the same "
        f"base, settings and {analysis.prompts:,} prompts, about gold, which a program computes, and about "
        f"one distance from SFT; they say nothing about other models, people's judgement or other distances."
    )


def _certainty(analysis: Analysis) -> str:
    question, again, control = analysis.question, analysis.again, analysis.control
    found = (
        f"the control {control.arm} differs by {_figures(control)}"
        if control
        else "no control arm shows that this study would have found harm"
    )
    same = "shown to be the same" if again.equivalence.p <= question.alpha else "not shown to be the same"
    return (
        f"Certainty: equivalence and difference are each tested at {question.alpha:.0%} with Holm's "
        f"correction over {len(analysis.comparisons)} arms, while the intervals are not corrected; the two "
        f"{question.reference} arms differ by {_figures(again)} and are {same} within the margin, and "
        f"{found}."
    )


def _joined(parts: Sequence[str], last: str) -> str:
    return last.join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])}{last}{parts[-1]}"
