"""The planner agrees with published and hand-worked numbers, and a plan has the stated power."""

import numpy as np
import pytest
from scipy.stats import binom

from evaluation import planning
from evaluation.sequential import fewest_wins


@pytest.mark.parametrize(("preference", "single", "of_six"), [(0.7, 54, 79), (0.75, 35, 50), (0.65, 97, 141)])
def test_votes_of_the_sign_test(preference, single, of_six):
    assert planning.votes_for_difference(preference) == single
    assert planning.votes_for_difference(preference, questions=6) == of_six


@pytest.mark.parametrize("preference", [0.5, 0.3, 1.2, 0.5001])
def test_a_claim_that_no_number_of_votes_would_show_is_refused(preference):
    with pytest.raises(ValueError):
        planning.votes_for_difference(preference)


@pytest.mark.parametrize("margin", [0.05, 0.10, 0.15, 0.20])
def test_tost_has_its_power_at_the_planned_n_and_from_there_on(margin):
    n = planning.votes_for_equivalence(margin)
    assert 0.8 <= planning.equivalence_power(n, margin) <= 0.83
    assert all(planning.equivalence_power(more, margin) >= 0.8 for more in range(n, n + 60))


def test_the_power_of_tost_is_that_of_its_definition():
    n, low, high = 100, 0.35, 0.65
    power = sum(
        binom.pmf(wins, n, 0.5)
        for wins in range(n + 1)
        if binom.sf(wins - 1, n, low) < 0.05 and binom.cdf(wins, n, high) < 0.05
    )
    assert planning.equivalence_power(n, 0.15) == pytest.approx(power)


def test_the_chance_of_a_verdict_agrees_with_simulated_votes():
    need = planning.decisive_needed("not worse", 0.5, 0.15)
    votes = np.random.default_rng(0).random((4000, need.n)) < 0.5
    reached = np.cumsum(votes, axis=1) >= fewest_wins(need.n, 0.35, np.log(20))[1:]
    assert reached.any(axis=1).mean() == pytest.approx(need.power, abs=0.025)


def test_the_chance_by_hand_of_three_wins_in_a_row():
    # with a preference of 1, the verdict is reached at the first n for which n wins suffice
    chance = planning.chance_by(10, 1.0, "not worse")
    few = fewest_wins(10, 0.35, np.log(20))
    first = next(n for n in range(11) if few[n] <= n)
    assert chance.tolist() == [0.0] * first + [1.0] * (11 - first)


def test_a_plan_needs_more_where_more_is_asked():
    one, two = (planning.decisive_needed("equivalent", 0.5, 0.2, questions=q).n for q in (1, 2))
    assert one < two
    alike, apart = (planning.raters_needed("equivalent", 0.5, 0.2, taste=taste).n for taste in (0.01, 1.2))
    assert alike < apart


def test_raters_of_a_plan_prefer_the_first_policy_as_often_as_planned():
    lead = planning.lead_of(0.65, 0.7)
    own = 1 / (1 + np.exp(-(lead + 0.7 * np.random.default_rng(0).standard_normal(200_000))))
    assert own.mean() == pytest.approx(0.65, abs=0.002)


def test_taste_is_recovered_from_the_shares_of_many_raters():
    rng = np.random.default_rng(0)
    own = 1 / (1 + np.exp(-0.9 * rng.standard_normal(2000)))
    assert planning.taste_of(rng.binomial(10, own) / 10) == pytest.approx(0.9, abs=0.15)
    assert planning.taste_of(rng.binomial(10, 0.5, 2000) / 10) < 0.2
    assert planning.taste_of(np.array([0.5])) == planning.TASTE


def test_rankings_allow_for_ties_so_that_nearly_every_rater_has_the_votes():
    found = planning.plan(decisive_share=0.5, margin=0.2)
    assert binom.sf(found.votes_each - 1, found.rankings_each, 0.5) >= 0.95
    assert found.rankings == found.raters_equal.n * found.rankings_each
