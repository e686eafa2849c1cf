"""Paired tests agree with hand-worked and published numbers, and err as rarely as they state."""

import math

import numpy as np
import pytest

from evaluation.alignment import wilson_interval
from evaluation.equivalence import (
    blinded_sd,
    holm,
    mean_interval,
    p_different,
    p_greater,
    power_of,
    replicates_for,
    tost,
    tost_power,
)

STUDIES = 1500
FIVE = [0.01, -0.01, 0.02, 0.0, -0.02]  # mean 0, standard error sqrt(0.00025 / 5) = 0.0070711


def test_the_interval_has_n_minus_one_degrees_of_freedom():
    interval = mean_interval([1, 2, 3, 4, 5])  # standard error 0.70711, t quantile 2.77645 with 4 degrees
    assert (interval.low, interval.high) == pytest.approx((3 - 1.96324, 3 + 1.96324), abs=1e-5)
    assert 1.04 in interval and 1.03 not in interval


def test_equivalence_by_hand():
    # t = 0.02 / 0.0070711 = 2.8284 with 4 degrees of freedom: p = 1/2 - 3/8 * 1.63299 * 7/9 = 0.02371
    found = tost(FIVE, 0.02)
    assert (found.p_above, found.p_below, found.p) == pytest.approx((0.02371,) * 3, abs=1e-5)
    assert tost(np.array(FIVE) + 0.015, 0.02).p_below == pytest.approx(p_greater(0.005 - np.array(FIVE)))


def test_the_uncertainty_of_a_measured_margin_counts():
    margins = [0.01, 0.03, 0.02, 0.03, 0.01]  # mean 0.02
    assert tost(FIVE, margins).p_above == pytest.approx(p_greater(np.add(FIVE, margins)))
    assert tost(FIVE, margins).p > tost(FIVE, 0.02).p


def test_holm_by_hand():
    # sorted: 0.005 * 4 = 0.02, 0.01 * 3 = 0.03, 0.03 * 2 = 0.06, 0.04 * 1 = 0.04, which may not be below 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def test_one_replicate_shows_nothing():
    assert (p_greater([0.5]), p_different([0.5]), tost([0.0], 1.0).p) == (1.0, 1.0, 1.0)
    assert mean_interval([0.5]).high == math.inf


def test_replicates_without_any_spread_decide_by_the_mean():
    assert (p_greater([0.1, 0.1]), p_greater([0.0, 0.0])) == (0.0, 1.0)


@pytest.mark.parametrize(("n", "power"), [(24, 0.7391155), (28, 0.807439)])
def test_the_power_is_that_of_a_published_program(n, power):
    # PowerTOST: power.TOST(CV = 0.25, theta0 = 0.95, n), a crossover trial with n - 2 degrees of freedom
    error = math.sqrt(2 * math.log(1 + 0.25**2) / n)
    assert power_of(error, n - 2, math.log(1.25), math.log(0.95)) == pytest.approx(power, abs=1e-5)


@pytest.mark.parametrize("tests", [1, 4])
def test_the_planned_number_is_the_smallest_that_suffices(tests):
    n = replicates_for(0.021, 0.02, tests=tests)
    assert tost_power(n, 0.021, 0.02, alpha=0.05 / tests) >= 0.8
    assert tost_power(n - 1, 0.021, 0.02, alpha=0.05 / tests) < 0.8


def test_a_plan_outside_the_margin_or_the_possible_is_refused():
    with pytest.raises(ValueError, match="not inside the margin"):
        replicates_for(0.02, 0.02, truth=0.02)
    with pytest.raises(ValueError, match="more than 10000"):
        replicates_for(10.0, 0.02)


def test_the_blinded_sd_by_hand_and_without_direction():
    differences = np.array([[0.03, -0.01], [0.01, 0.03]])  # mean square (9 + 1 + 1 + 9) / 4 = 5, in 1e-4
    assert blinded_sd(differences) == pytest.approx(math.sqrt(5e-4))
    assert blinded_sd(differences * [[-1], [1]]) == blinded_sd(differences)
    assert blinded_sd(differences, [0.02, 0.04]) == pytest.approx(math.sqrt(5e-4 + 2e-4))


@pytest.mark.parametrize("direction", [-1, 1])
def test_equivalence_is_rarely_claimed_at_the_margin(direction):
    """At the margin the error is 5 %; three standard errors of the simulation are 1.7 points."""
    rng = np.random.default_rng(1)
    gains = rng.normal(0.2, 0.03, (STUDIES, 12))
    differences = rng.normal(direction * 0.02, 0.021, (STUDIES, 12))
    claimed = np.mean([tost(d, 0.1 * g).p <= 0.05 for d, g in zip(differences, gains, strict=True)])
    assert claimed <= 0.067


def test_power_is_as_planned_and_coverage_as_stated():
    rng = np.random.default_rng(2)
    n = replicates_for(0.021, 0.02)
    differences = rng.normal(0, 0.021, (STUDIES, n))
    power = np.mean([tost(d, 0.02).p <= 0.05 for d in differences])
    assert power == pytest.approx(tost_power(n, 0.021, 0.02), abs=0.03)
    covered = sum(0.0 in mean_interval(d) for d in differences)
    low, high = wilson_interval(covered, STUDIES, 0.99)
    assert low <= 0.95 <= high and 0.93 <= covered / STUDIES <= 0.97
