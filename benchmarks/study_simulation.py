"""Checks the analysis of a study against known truths: how often it errs, and how often it finds what is there.

    python -m benchmarks.study_simulation                         # 2,000 studies per row, minutes on one core
    python -m benchmarks.study_simulation --studies 200 --json /tmp/study.json

The studies are those of `benchmarks.simulated_studies`; nothing is trained. Most rows start from the gold of
each arm at the common KL; the last three make complete studies, with PPO runs and snapshots, and compare them at
that KL first, two of them by the trained policies alone (`points: trained`). docs/study.md has the table.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.simulated_studies import Matched, Truth
from evaluation.alignment import wilson_interval
from evaluation.equivalence import blinded_sd, p_different, replicates_for, tost_power
from evaluation.study import Points, Question, analyse

PILOT, POWER, MOST = 8, 0.8, 40
CONTROL = -0.08  # the control's true difference in gold
TRUTH = Truth()


@dataclass(frozen=True)
class Case:
    """One row: a truth, the arms under test, and the number of replicates (0 = from a blinded pilot). complete:
    whether PPO runs with snapshots are made, too. points: which of their snapshots count."""

    name: str
    truth: Truth
    arms: tuple[str, ...] = ("int4",)
    replicates: int = 16
    complete: bool = False
    points: Points = "snapshots"


@dataclass(frozen=True)
class Row:
    """Shares of the studies, about the first arm: outcome equivalent, worse or better (whether or not the study is
    valid), the 95 % interval contains the truth; the two reference arms differ; the study is invalid. planned: the
    power of an equivalent outcome by calculation, where the arms are truly the same. equivalent_ci: 95 %, Wilson."""

    case: str
    studies: int
    replicates: float
    equivalent: float
    equivalent_ci: list[float]
    planned: float | None
    different: float
    coverage: float
    again_differs: float
    invalid: float


def cases() -> list[Case]:
    """The rows of the table."""
    margin = Question(()).margin * TRUTH.gain
    none, worse, better = (
        {"2-bit": CONTROL},
        {"2-bit": CONTROL, "int4": -margin},
        {"2-bit": CONTROL, "int4": margin},
    )
    question = Question(("int4",))
    sd = TRUTH.sd_of_contrast(question)
    single, double = (replicates_for(sd, margin, power=POWER, tests=tests) for tests in (1, 2))
    return [
        Case("at the margin, worse", replace(TRUTH, effects=worse)),
        Case("at the margin, better", replace(TRUTH, effects=better)),
        Case("at the margin, heavy tails", replace(TRUTH, effects=worse, shape="heavy")),
        Case("at the margin, skewed", replace(TRUTH, effects=worse, shape="skewed")),
        Case("at the margin, blinded pilot of 8", replace(TRUTH, effects=worse), replicates=0),
        Case("the same, planned for 80 %", replace(TRUTH, effects=none), replicates=single),
        Case("the same, two arms, planned for 80 %", replace(TRUTH, effects=none), ("int4", "int8"), double),
        Case("the same, blinded pilot of 8", replace(TRUTH, effects=none), replicates=0),
        Case("harm of three margins", replace(TRUTH, effects=none | {"int4": -3 * margin})),
        Case("a control that does no harm", replace(TRUTH, effects={})),
        Case(
            "at the margin, worse, complete studies", replace(TRUTH, effects=worse, prompts=8), complete=True
        ),
        *(
            Case(
                f"{name}, trained policies",
                replace(TRUTH, effects=effects, prompts=8),
                complete=True,
                points="trained",
            )
            for name, effects in (("at the margin, worse", worse), ("the same", none))
        ),
    ]


def replicates_after(pilot: Matched, question: Question) -> int:
    """The number of replicates from a pilot, by `blinded_sd`, and within PILOT and MOST."""
    seen = pilot.analyse(question)
    sd = blinded_sd(
        np.stack([one.differences for one in (*seen.comparisons, seen.again)]), seen.comparisons[0].margins
    )
    try:
        need = replicates_for(
            sd, float(seen.comparisons[0].margins.mean()), power=POWER, tests=len(question.treatments)
        )
    except ValueError:
        return MOST
    return int(np.clip(need, PILOT, MOST))


def row(case: Case, studies: int, seed: int) -> Row:
    """Simulate and analyse the studies of a row."""
    rng, question = np.random.default_rng(seed), Question(case.arms, points=case.points)
    arm, found, sizes = case.arms[0], [], []
    true = case.truth.effects.get(arm, 0.0) * case.truth.share(question)
    for _ in range(studies):
        if case.complete:
            size = case.replicates
            analysis = analyse(case.truth.study(question, size, rng), question)
        else:
            study = case.truth.matched(question, case.replicates or MOST, rng)
            size = case.replicates or replicates_after(study.first(PILOT), question)
            analysis = study.first(size).analyse(question)
        comparison = analysis.comparisons[0]
        outcome = comparison.outcome(question.alpha)
        again = p_different(analysis.again.differences) <= question.alpha
        found.append(
            (
                outcome == "equivalent",
                outcome in ("worse", "better"),
                true in comparison.interval(),
                again,
                bool(analysis.faults),
            )
        )
        sizes.append(size)
    equivalent, different, coverage, again_differs, invalid = map(float, np.mean(found, axis=0))
    planned = None
    if not true and not case.complete:  # the distances of complete runs add noise that has no formula here
        planned = POWER
        if case.replicates:
            sd = case.truth.sd_of_contrast(question)
            margin = question.margin * case.truth.gain
            planned = tost_power(case.replicates, sd, margin, alpha=question.alpha / len(case.arms))
    interval = wilson_interval(round(equivalent * studies), studies)
    return Row(
        case.name,
        studies,
        float(np.mean(sizes)),
        equivalent,
        interval,
        planned,
        different,
        coverage,
        again_differs,
        invalid,
    )


HEADER = """| truth | replicates | equivalent, % (95 %) | planned | different | coverage | A/A differs | invalid |
|---|---|---|---|---|---|---|---|"""


def line(one: Row) -> str:
    """A row of the Markdown table; shares in percent."""

    def percent(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f}"

    low, high = one.equivalent_ci
    cells = (one.planned, one.different, one.coverage, one.again_differs, one.invalid)
    return (
        f"| {one.case} | {one.replicates:.1f} | {percent(one.equivalent)} ({percent(low)} to {percent(high)}) | "
        f"{' | '.join(map(percent, cells))} |"
    )


def main() -> None:
    """Print the table; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--rows", help="only the cases whose name contains this text", default="")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    print(f"{options.studies} studies per row, seed {options.seed}\n\n{HEADER}", flush=True)
    rows = []
    for case in cases():
        if options.rows in case.name:
            rows.append(row(case, options.studies, options.seed))
            print(line(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(
            json.dumps({"rows": [asdict(one) for one in rows]}, indent=1), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
