"""The benchmark of simulated raters at a small size: the app's statistics, with their stated error rates."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.arena_power import interval_coverage, peeking_table
from benchmarks.arena_simulation import claims_of, paths_of_people, paths_of_raters, rows_of
from benchmarks.simulated_raters import (
    CONTRASTS,
    MARGIN,
    POLICIES,
    World,
    lead_for,
    population_preference,
    simulate,
)
from evaluation.ballots import Ballot, VoteTable
from evaluation.contrasts import Contrast
from evaluation.verdict import verdicts

TWENTY = World(taste=0.5, pane=(0.4, 0.1, 0.0, -0.2), spammers=1)


def contrast_votes(studies, study, contrast):
    """The votes of one contrast of a simulated study, as ballots on two policies."""
    a, b, _ = CONTRASTS[contrast]
    panes, order = {"A": POLICIES[a], "B": POLICIES[b]}, {1: "A>B", 0: "A=B", -1: "B>A"}
    return [
        Ballot.from_order(order[int(sign)], panes, f"r{rater}", f"p{number}")
        for number, (rater, sign) in enumerate(
            zip(studies.rater[study], studies.sign[study, :, contrast], strict=True)
        )
    ]


@pytest.mark.parametrize("preference", [0.5, 0.65])
def test_the_evidence_after_the_last_vote_equals_the_apps(preference):
    world = replace(TWENTY, strengths=(0.0, 0.0, lead_for(TWENTY, preference), 0.0))
    studies = simulate(world, 2, np.random.default_rng(3))
    people, raters = paths_of_people(studies), paths_of_raters(studies)
    for study in range(2):
        table = VoteTable.of(contrast_votes(studies, study, 0))
        for votes_each, paths in ((10, people), (10_000, raters)):
            found = verdicts(table, [Contrast("ppo-int8", "ppo-bf16", MARGIN)], votes_each=votes_each)[0]
            if found.scope != ("people" if paths is people else "raters"):
                continue
            last = {
                "better": paths.different,
                "worse": paths.different,
                "not worse": paths.not_worse,
                "equivalent": np.minimum(paths.not_worse, paths.not_better),
            }[found.kind][study, -1, 0]
            assert found.e == pytest.approx(float(np.exp(last)))


def test_the_true_preference_is_that_of_a_very_large_number_of_raters():
    world = replace(TWENTY, raters=400, spammers=20, votes=10, strengths=(0.0, 0.0, -0.6, 0.3))
    studies = simulate(world, 20, np.random.default_rng(0))
    for contrast, (a, b, _) in enumerate(CONTRASTS):
        signs = studies.sign[:, :, contrast]
        share = (signs > 0).sum() / (signs != 0).sum()
        assert share == pytest.approx(population_preference(world, a, b), abs=0.01)
        assert studies.own[:, :, contrast][signs != 0].mean() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("raters", [5, 20])
def test_differing_tastes_pane_bias_and_a_spammer_cause_no_false_verdicts(raters):
    world = replace(TWENTY, raters=raters, votes=300 // raters, spammers=raters // 20)
    edges = (0.0, 0.0, lead_for(world, 0.5 - MARGIN), lead_for(world, 0.5 + MARGIN))
    for strengths in ((0.0,) * 4, edges):
        for row in rows_of("", replace(world, strengths=strengths), 60, seed=1):
            assert row.superior <= 0.05 and row.equal <= 0.05 and row.covered >= 0.95


def test_the_same_policy_four_times_is_never_better_than_itself():
    studies = simulate(World(taste=0.0, votes=15), 60, np.random.default_rng(5))
    for paths in (paths_of_people(studies), paths_of_raters(studies)):
        assert claims_of(paths).different.any(axis=(1, 2)).mean() <= 0.05


def test_repeated_looks_inflate_the_error_of_fixed_n_tests_but_not_of_e_values():
    rows = {(row.test, row.look_every): row for row in peeking_table(500, seed=0)}
    assert rows["sign test, TOST", 5].superior > 0.15 and rows["sign test, TOST", 5].equal > 0.10
    assert rows["e-values", 1].superior <= 0.05 and rows["e-values", 1].equal <= 0.05


def test_the_leaderboards_interval_holds_the_truth_with_five_raters():
    assert interval_coverage(5, 100, studies=80, seed=0).covered >= 0.90
