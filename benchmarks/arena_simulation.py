"""Checks the arena's statistics against known truths: simulated raters, and a look after every vote.

    python -m benchmarks.arena_simulation                       # 2,000 studies per row, minutes on one core
    python -m benchmarks.arena_simulation --studies 200 --json /tmp/arena.json

The raters are those of `benchmarks.simulated_raters`, with known preferences; no people and no vote database are
involved. docs/arena-statistics.md describes the table.
"""

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arena_power import interval_table, peeking_table, power_table
from benchmarks.simulated_raters import (
    CONTRASTS,
    MARGIN,
    Studies,
    World,
    lead_for,
    simulate,
)
from evaluation import sequential
from evaluation.contrasts import VOTES_EACH, holm
from evaluation.verdict import ALPHA, ENOUGH


@dataclass(frozen=True)
class Paths:
    """Log e-values after every vote, [S, N, C] each: `contrasts.Evidence` for all looks at once.

    present: whether there is evidence (for people: from two raters or more). different, ahead: the two-sided
    evidence and its direction.
    """

    present: np.ndarray
    different: np.ndarray
    ahead: np.ndarray
    not_worse: np.ndarray
    not_better: np.ndarray


def paths_of_raters(studies: Studies) -> Paths:
    """The evidence about the raters who vote: one observation per decisive vote."""
    wins, losses = np.cumsum(studies.sign > 0, axis=1), np.cumsum(studies.sign < 0, axis=1)
    counts = np.arange(max(wins.max(), losses.max()) + 1)
    half, low = (
        sequential.log_e_of_counts(counts[:, None], counts[None, :], bound) for bound in (0.5, 0.5 - MARGIN)
    )
    different = sequential.log_e_different(half, half.T)
    return Paths(
        np.ones(wins.shape, dtype=bool),
        different[wins, losses],
        wins >= losses,
        low[wins, losses],
        low[losses, wins],
    )


def completed_shares(studies: Studies, contrast: int, votes_each: int) -> tuple[np.ndarray, np.ndarray]:
    """(shares [S, R] in the order in which the raters complete, number completed after each vote [S, N]).

    If fewer than R raters complete, the rest of a row is 0.5; no look uses it.
    """
    count, rounds = studies.rater.shape
    raters = studies.rater.max() + 1
    shares, done = np.full((count, raters), 0.5), np.zeros((count, rounds), dtype=int)
    for study in range(count):
        sign, rater = studies.sign[study, :, contrast], studies.rater[study]
        when = np.flatnonzero(sign)
        order = when[np.argsort(rater[when], kind="stable")]
        start = np.searchsorted(rater[order], np.arange(raters))
        enough = np.append(start[1:], len(order)) - start >= votes_each
        total = np.concatenate([[0], np.cumsum(sign[order] > 0)])
        start = start[enough]
        last = order[start + votes_each - 1]
        sequence = np.argsort(last)
        shares[study, : len(last)] = ((total[start + votes_each] - total[start]) / votes_each)[sequence]
        done[study, last] = 1
    return shares, np.cumsum(done, axis=1)


def paths_of_people(studies: Studies, votes_each: int = VOTES_EACH) -> Paths:
    """The evidence about the population: one observation per rater who has enough decisive votes."""
    found = []
    for contrast in range(studies.sign.shape[2]):
        shares, done = completed_shares(studies, contrast, votes_each)

        def path(values: np.ndarray, bound: float, done: np.ndarray = done) -> np.ndarray:
            log_e = np.pad(sequential.log_e_above(values, bound), ((0, 0), (1, 0)))
            return np.take_along_axis(log_e, done, axis=1)

        above, below = path(shares, 0.5), path(1 - shares, 0.5)
        low, high = path(shares, 0.5 - MARGIN), path(1 - shares, 0.5 - MARGIN)
        different = sequential.log_e_different(above, below)
        found.append((done >= 2, different, above >= below, low, high))
    return Paths(*(np.stack(kind, axis=2) for kind in zip(*found, strict=True)))


@dataclass(frozen=True)
class Claims:
    """The claims at every look, [S, N, C] each: `verdict.claimed` for all looks at once."""

    better: np.ndarray
    worse: np.ndarray
    not_worse: np.ndarray
    not_better: np.ndarray

    @property
    def different(self) -> np.ndarray:
        return self.better | self.worse

    @property
    def equivalent(self) -> np.ndarray:
        return self.not_worse & self.not_better


def claims_of(paths: Paths) -> Claims:
    """The claims with Holm's correction over CONTRASTS; only those with a margin can claim "not worse"."""
    asked = np.array([margin for *_, margin in CONTRASTS])
    different = holm(np.where(paths.present, paths.different, -np.inf)) >= ENOUGH

    def bounded(log_e: np.ndarray) -> np.ndarray:
        reached = np.zeros(log_e.shape, dtype=bool)
        present = paths.present[:, :, asked]
        reached[:, :, asked] = holm(np.where(present, log_e[:, :, asked], -np.inf)) >= ENOUGH
        return reached

    not_worse, not_better = bounded(paths.not_worse), bounded(paths.not_better)
    return Claims(different & paths.ahead, different & ~paths.ahead, not_worse, not_better)


def raters_truth(studies: Studies) -> np.ndarray:
    """[S, N, C]: the raters' own preference averaged over the decisive votes up to each look."""
    decisive = studies.sign != 0
    total = np.cumsum(np.where(decisive, studies.own, 0.0), axis=1)
    return total / np.maximum(np.cumsum(decisive, axis=1), 1)


def ever(claimed: np.ndarray) -> float:
    """Share of the studies with a claim at any look on any contrast."""
    return float(claimed.any(axis=(1, 2)).mean())


@dataclass(frozen=True)
class Row:
    """Shares of studies, over all looks and contrasts. superior, equal: with a false "better" or "worse", or with
    a false "not worse" or "not better", according to the truth of the scope. covered: the confidence sequence of
    the first contrast contains the truth at every look. mistaken: with a false claim if the claims about these
    raters are read as claims about people. decided: with a verdict on the first contrast. rankings: median number
    until that verdict (over all studies; None if fewer than half decide)."""

    name: str
    scope: str
    superior: float
    equal: float
    covered: float
    mistaken: float
    decided: float
    rankings: float | None


def judged(
    name: str, scope: str, claims: Claims, truth: np.ndarray, people: np.ndarray, covered: float
) -> Row:
    """One row of the table. truth: that of the scope, [S, N, C] or [C]."""

    def false(of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tiny = 1e-9
        superior = claims.better & (of <= 0.5 + tiny) | claims.worse & (of >= 0.5 - tiny)
        low, high = of <= 0.5 - MARGIN + tiny, of >= 0.5 + MARGIN - tiny
        return superior, claims.not_worse & low | claims.not_better & high

    superior, equal = false(truth)
    wrong_superior, wrong_equal = false(people)
    first = (claims.different | claims.not_worse)[:, :, 0]
    when = np.where(first.any(axis=1), first.argmax(axis=1) + 1, np.inf)
    median = float(np.median(when))
    return Row(
        name,
        scope,
        ever(superior),
        ever(equal),
        covered,
        ever(wrong_superior | wrong_equal),
        float(np.isfinite(when).mean()),
        median if np.isfinite(median) else None,
    )


def covered_raters(studies: Studies) -> float:
    """Share of the studies in which the raters' confidence sequence of the first contrast never misses."""
    sign, truth = studies.sign[:, :, 0], raters_truth(studies)[:, :, 0].clip(1e-6, 1 - 1e-6)
    wins, losses = np.cumsum(sign > 0, axis=1), np.cumsum(sign < 0, axis=1)
    limit = np.log(2 / ALPHA)
    missed = np.zeros(len(sign), dtype=bool)
    for look in range(sign.shape[1]):
        w, n, m = wins[:, look], losses[:, look], truth[:, look]
        missed |= sequential.log_e_of_counts(w, n, m) >= limit
        missed |= sequential.log_e_of_counts(n, w, 1 - m) >= limit
    return float(1 - missed.mean())


def covered_people(studies: Studies, votes_each: int = VOTES_EACH) -> float:
    """Share of the studies in which the people's confidence sequence of the first contrast never misses."""
    shares, done = completed_shares(studies, 0, votes_each)
    truth, limit = studies.people[0], np.log(2 / ALPHA)
    missed = sequential.log_e_above(shares, truth) >= limit
    missed |= sequential.log_e_above(1 - shares, 1 - truth) >= limit
    reached = np.arange(shares.shape[1]) < done[:, -1:]
    return float(1 - (missed & reached).any(axis=1).mean())


def rows_of(name: str, world: World, studies: int, seed: int) -> list[Row]:
    """The rows for people and for these raters, computed in batches that fit into memory."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Row]] = {"people": [], "raters": []}
    batch = 250
    for start in range(0, studies, batch):
        drawn = simulate(world, min(batch, studies - start), rng)
        people, raters = claims_of(paths_of_people(drawn)), claims_of(paths_of_raters(drawn))
        covered = covered_people(drawn), covered_raters(drawn)
        found["people"].append(judged(name, "people", people, drawn.people, drawn.people, covered[0]))
        found["raters"].append(judged(name, "raters", raters, raters_truth(drawn), drawn.people, covered[1]))
    return [averaged(rows) for rows in found.values()]


def averaged(rows: list[Row]) -> Row:
    """The mean of batches of equal size; for rankings the median of the batches' medians, if each has one."""
    medians = [row.rankings for row in rows if row.rankings is not None]
    means: dict[str, Any] = {
        key: float(np.mean([getattr(row, key) for row in rows]))
        for key in ("superior", "equal", "covered", "mistaken", "decided")
    }
    median = float(np.median(medians)) if len(medians) == len(rows) else None
    return replace(rows[0], **means, rankings=median)


def worlds() -> dict[str, World]:
    """The worlds of the table."""
    twenty = World(taste=0.5, pane=(0.4, 0.1, 0.0, -0.2), spammers=1)
    five = replace(twenty, raters=5, votes=100, spammers=0)
    found = {
        "A/A: the same policy four times, 20 raters": World(taste=0.0),
        "equal on average, 20 raters": twenty,
        "equal on average, 5 raters": five,
        "equal on average, 60 raters": replace(twenty, raters=60, votes=15, spammers=3),
    }
    for name, world in (("20", twenty), ("5", five)):
        edges = (0.0, 0.0, lead_for(world, 0.5 - MARGIN), lead_for(world, 0.5 + MARGIN))
        found[f"on the margin, {name} raters"] = replace(world, strengths=edges)
    better = (0.0, 0.0, lead_for(twenty, 0.65), 0.0)
    found["int8 preferred in 65 %, 40 raters"] = replace(
        twenty, raters=40, votes=15, spammers=2, strengths=better
    )
    return found


def printed(rows: list) -> None:
    """A table in Markdown, one column per field."""
    names = list(asdict(rows[0]))
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        cells = (asdict(row)[name] for name in names)
        print("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    print(flush=True)


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Print the four tables; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    print(f"Simulated raters, no people. {options.studies} studies per row, seed {options.seed}.\n")
    errors = []
    for name, world in worlds().items():
        errors += rows_of(name, world, options.studies, options.seed)
    printed(errors)
    tables: list[Any] = [errors]
    for table in (peeking_table, power_table, interval_table):
        tables.append(table(options.studies, options.seed))
        printed(tables[-1])
    if options.json:
        rows = [asdict(row) for table in tables for row in table]
        options.json.write_text(json.dumps({"rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
