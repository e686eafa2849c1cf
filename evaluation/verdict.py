"""The verdict on each contrast as data, the number of votes still needed, and the stopping rule.

A claim is made when its e-value, corrected over the contrasts (`contrasts.holm`), reaches 1 / ALPHA.
Differences are corrected over all contrasts, "not worse" and "not better" over those with a margin. A false
claim of either kind is then made in at most 5 % of the studies, over all looks. A verdict applies to people
in general if there are enough raters for that, and otherwise to the raters who voted; `Verdict.scope` holds
which. The sentences are in `ui.verdicts`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np

from evaluation import sequential
from evaluation.ballots import VoteTable
from evaluation.contrasts import (
    VOTES_EACH,
    Contrast,
    DecisiveVotes,
    Evidence,
    Scope,
    decisive_votes,
    holm,
    of_people,
    of_raters,
)

ALPHA = 0.05
ENOUGH = float(np.log(1 / ALPHA))
MOST_VOTES, MOST_RATERS = 20_000, 300  # no larger number is predicted

Kind = Literal["better", "worse", "equivalent", "not worse", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """The claim on a against b that the evidence supports.

    kind: "better" and "worse" are differences; "equivalent" is a difference of less than the margin in either
    direction; "not worse" leaves open whether a is better. small: whether a difference is shown to be less
    than the margin. scope: the population to which the claim applies; raters: the number of raters counted
    for it. wins, decisive: their votes. e: the corrected e-value of the claim (of the nearest claim, if
    undecided). low, high: confidence sequence of the preference for a. more_rankings, more_raters: estimates
    of what a verdict on these raters, and one on people, still needs (each new rater with `VOTES_EACH`
    decisive votes); 0 if it has been reached, None if no realistic number would suffice.
    """

    kind: Kind
    scope: Scope
    a: str
    b: str
    margin: float | None
    small: bool
    raters: int
    wins: int
    decisive: int
    e: float
    low: float
    high: float
    more_rankings: int | None
    more_raters: int | None


@dataclass(frozen=True)
class Stop:
    """Whether voting should continue.

    reason: "decided" (every contrast with a margin has its verdict for people), "target" (the planned number
    of rankings is reached) or "go on". rankings, target: the votes so far and the planned ones (None: no
    plan).
    """

    stop: bool
    reason: Literal["decided", "target", "go on"]
    rankings: int
    target: int | None


def verdicts(
    table: VoteTable, contrasts: Sequence[Contrast], *, votes_each: int = VOTES_EACH
) -> list[Verdict]:
    """One verdict per contrast whose two policies were voted on, in the given order."""
    asked = [c for c in contrasts if c.a in table.policies and c.b in table.policies]
    votes = [decisive_votes(table, c.a, c.b) for c in asked]
    raters = [of_raters(v, c.margin) for c, v in zip(asked, votes, strict=True)]
    people = [of_people(v, c.margin, votes_each) for c, v in zip(asked, votes, strict=True)]
    claims = {"raters": claimed(raters), "people": claimed(people)}
    questions = _questions(asked)
    rows = []
    for i, contrast in enumerate(asked):
        scope: Scope = "people" if claims["people"][i].kind != "undecided" else "raters"
        evidence = people[i] if scope == "people" else raters[i]
        if evidence is None:
            raise RuntimeError("a claim about people needs evidence on them")
        done = {name: found[i].kind != "undecided" for name, found in claims.items()}
        rows.append(
            _verdict(
                contrast,
                evidence,
                claims[scope][i],
                0 if done["raters"] else missing_rankings(votes[i], contrast.margin, questions),
                0 if done["people"] else missing_raters(votes[i], contrast.margin, questions, votes_each),
            )
        )
    return rows


def stop_rule(found: Sequence[Verdict], rankings: int, target: int | None) -> Stop:
    """Stop when every contrast with a margin is decided for people, or the planned rankings are reached."""
    asked = [verdict for verdict in found if verdict.margin is not None]
    if asked and all(verdict.scope == "people" and verdict.kind != "undecided" for verdict in asked):
        return Stop(True, "decided", rankings, target)
    reached = target is not None and rankings >= target
    return Stop(reached, "target" if reached else "go on", rankings, target)


@dataclass(frozen=True)
class Claim:
    """The claim that the corrected evidence on one contrast supports, with its e-value."""

    kind: Kind
    small: bool
    log_e: float


def claimed(evidence: Sequence[Evidence | None]) -> list[Claim]:
    """The claim on each contrast of a family, corrected over the family; None if there is no evidence yet."""
    different = _corrected([None if e is None else max(e.better, e.worse) for e in evidence])
    not_worse = _corrected([None if e is None else e.not_worse for e in evidence])
    not_better = _corrected([None if e is None else e.not_better for e in evidence])
    return [_claim(*row) for row in zip(evidence, different, not_worse, not_better, strict=True)]


def _corrected(log_e: Sequence[float | None]) -> list[float]:
    """Holm's correction over the values that are not None; minus infinity for the others."""
    found, there = np.full(len(log_e), -np.inf), [i for i, value in enumerate(log_e) if value is not None]
    found[there] = holm(np.array([log_e[i] for i in there]))
    return found.tolist()


def _claim(evidence: Evidence | None, different: float, not_worse: float, not_better: float) -> Claim:
    if evidence is None:
        return Claim("undecided", False, 0.0)
    ahead = evidence.better > evidence.worse
    if different >= ENOUGH:
        small = (not_better if ahead else not_worse) >= ENOUGH
        return Claim("better" if ahead else "worse", small, different)
    if min(not_worse, not_better) >= ENOUGH:
        return Claim("equivalent", True, min(not_worse, not_better))
    if not_worse >= ENOUGH:
        return Claim("not worse", False, not_worse)
    return Claim("undecided", False, max(different, not_worse))


def _verdict(
    contrast: Contrast, evidence: Evidence, claim: Claim, rankings: int | None, raters: int | None
) -> Verdict:
    return Verdict(
        claim.kind,
        evidence.scope,
        contrast.a,
        contrast.b,
        contrast.margin,
        claim.small,
        evidence.raters,
        evidence.wins,
        evidence.decisive,
        float(np.exp(claim.log_e)),
        evidence.low,
        evidence.high,
        rankings,
        raters,
    )


def _questions(contrasts: Sequence[Contrast]) -> tuple[int, int]:
    """The number of contrasts that test a difference, and the number with a margin."""
    return len(contrasts), sum(contrast.margin is not None for contrast in contrasts)


def missing_rankings(votes: DecisiveVotes, margin: float | None, questions: tuple[int, int]) -> int | None:
    """The approximate number of further rankings for a verdict on these raters at an unchanged preference.

    The preference is assumed to be the observed one, shrunk towards one half by ten imaginary votes, and the
    correction is the strictest of Holm's.
    """
    wins, losses = int(votes.won.sum()), int((~votes.won).sum())
    preference = (wins + 5) / (wins + losses + 10)
    more = _trial_numbers(MOST_VOTES)
    ours, theirs = wins + more * preference, losses + more * (1 - preference)
    reached = _projected(sequential.log_e_of_counts, ours, theirs, margin, questions)
    return ceil(more[reached.argmax()] / votes.share) if reached.any() else None


def missing_raters(
    votes: DecisiveVotes, margin: float | None, questions: tuple[int, int], votes_each: int = VOTES_EACH
) -> int | None:
    """The approximate number of further raters (`votes_each` decisive votes each) for a verdict on people.

    The new raters' shares are assumed to lie one standard deviation to either side of the mean; both are the
    observed ones, shrunk towards one half and a standard deviation of 0.2 by two imaginary raters.
    """
    shares = votes.shares(votes_each)
    mean = (shares.sum() + 1) / (len(shares) + 2)
    spread = np.sqrt((((shares - mean) ** 2).sum() + 2 * 0.2**2) / (len(shares) + 2))
    new = np.resize((mean - spread, mean + spread), MOST_RATERS).clip(0, 1)
    values = np.concatenate([shares, new])

    def log_e(ours: np.ndarray, _: np.ndarray, bound: float) -> np.ndarray:
        return sequential.log_e_above(ours, bound)

    reached = _projected(log_e, values, 1 - values, margin, questions)[len(shares) :]
    return int(reached.argmax()) + 1 if reached.any() else None


def _projected(
    log_e: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
    ours: np.ndarray,
    theirs: np.ndarray,
    margin: float | None,
    questions: tuple[int, int],
) -> np.ndarray:
    """A mask of the entries of `ours` and `theirs` that reach a verdict: a difference, or "not worse"."""
    above, below = log_e(ours, theirs, 0.5), log_e(theirs, ours, 0.5)
    reached = sequential.log_e_different(above, below) >= ENOUGH + np.log(questions[0])
    if margin is not None:
        reached |= log_e(ours, theirs, 0.5 - margin) >= ENOUGH + np.log(questions[1])
    return reached


def _trial_numbers(most: int) -> np.ndarray:
    """1, 2, 3, …, with steps of at most 5 %."""
    return np.unique(np.geomspace(1, most, 250).astype(int))
