"""Checks the analysis of a study against known truths: how often it errs, and how often it finds what is there.

    python -m benchmarks.study_simulation                         # 2,000 studies per row, minutes on one core
    python -m benchmarks.study_simulation --studies 200 --json /tmp/study.json

The studies are those of `benchmarks.simulated_studies`; nothing is trained. Every row makes complete studies and
analyses them with `evaluation.study`, from the snapshots' gold and KL to the outcome. docs/study.md has the table.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.simulated_studies import Truth
from evaluation.alignment import wilson_interval
from evaluation.equivalence import blinded_sd, p_different, replicates_for, tost_power
from evaluation.study import Question, Study, analyse

PILOT, POWER, MOST = 8, 0.8, 40
CONTROL = -0.08  # the control's true difference in gold
LIGHT = Truth(kl_coefs=(0.05,), snapshots=3, prompts=4, sd_prompt=0.02)  # small, so that a row takes seconds


@dataclass(frozen=True)
class Case:
    """One row: a truth, the arms under test, and the number of replicates (0 = from a blinded pilot)."""

    name: str
    truth: Truth
    arms: tuple[str, ...] = ("int4",)
    replicates: int = 16


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
    margin = Question(()).margin * LIGHT.gain
    none, worse, better = (
        {"2-bit": CONTROL},
        {"2-bit": CONTROL, "int4": -margin},
        {"2-bit": CONTROL, "int4": margin},
    )
    question = Question(("int4",))
    sd = LIGHT.sd_of_contrast(question, np.random.default_rng(0))
    single, double = (replicates_for(sd, margin, power=POWER, tests=tests) for tests in (1, 2))
    return [
        Case("at the margin, worse", replace(LIGHT, effects=worse)),
        Case("at the margin, better", replace(LIGHT, effects=better)),
        Case("at the margin, heavy tails", replace(LIGHT, effects=worse, shape="heavy")),
        Case("at the margin, skewed", replace(LIGHT, effects=worse, shape="skewed")),
        Case("at the margin, blinded pilot of 8", replace(LIGHT, effects=worse), replicates=0),
        Case("the same, planned for 80 %", replace(LIGHT, effects=none), replicates=single),
        Case("the same, two arms, planned for 80 %", replace(LIGHT, effects=none), ("int4", "int8"), double),
        Case("the same, blinded pilot of 8", replace(LIGHT, effects=none), replicates=0),
        Case("harm of three margins", replace(LIGHT, effects=none | {"int4": -3 * margin})),
        Case("a control that does no harm", replace(LIGHT, effects={})),
    ]


def replicates_after(pilot: Study, question: Question) -> int:
    """The number of replicates from a pilot, by `blinded_sd`, and within PILOT and MOST."""
    seen = analyse(pilot, question)
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
    rng, question = np.random.default_rng(seed), Question(case.arms)
    arm, found, sizes = case.arms[0], [], []
    true = case.truth.effects.get(arm, 0.0)
    for _ in range(studies):
        study = case.truth.study(question, case.replicates or MOST, rng)
        size = case.replicates or replicates_after(first(study, PILOT), question)
        analysis = analyse(first(study, size), question)
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
    if case.replicates and not true:
        sd = case.truth.sd_of_contrast(question, np.random.default_rng(0))
        margin = question.margin * case.truth.gain
        planned = tost_power(case.replicates, sd, margin, alpha=question.alpha / len(case.arms))
    elif not true:
        planned = POWER
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


def first(study: Study, replicates: int) -> Study:
    """The first replicates of a study."""
    kept = list(study.sft)[:replicates]
    return Study(
        {r: study.sft[r] for r in kept}, tuple(one for one in study.measurements if one.replicate in kept)
    )


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table; shares in percent."""

    def percent(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f}"

    lines = [
        "| truth | replicates | equivalent, % (95 %) | planned | different | coverage | A/A differs | invalid |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        low, high = one.equivalent_ci
        cells = (one.planned, one.different, one.coverage, one.again_differs, one.invalid)
        lines.append(
            f"| {one.case} | {one.replicates:.1f} | {percent(one.equivalent)} ({percent(low)} to {percent(high)}) | "
            f"{' | '.join(map(percent, cells))} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--rows", help="only the cases whose name contains this text", default="")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    rows = []
    for case in cases():
        if options.rows in case.name:
            rows.append(row(case, options.studies, options.seed))
            print(f"{case.name}: done", flush=True)
    print(table(rows))
    if options.json:
        options.json.write_text(
            json.dumps({"rows": [asdict(one) for one in rows]}, indent=1), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
