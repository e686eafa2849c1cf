"""E-values and confidence sequences: hand-worked values, and error rates that hold under repeated looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.sequential import (
    FRACTIONS,
    fewest_wins,
    interval,
    interval_of_counts,
    log_e_above,
    log_e_different,
    log_e_of_counts,
)


def test_one_observation_by_hand():
    # the mean over f of 1 + f (1 - m) / m is 1 + (1 - m) / 2 m, because the fractions average to one half
    assert np.exp(log_e_of_counts(1, 0, 0.5)) == pytest.approx(1.5)
    assert np.exp(log_e_of_counts(0, 1, 0.5)) == pytest.approx(0.5)
    assert np.exp(log_e_above(np.array([1.0]), 0.25)) == pytest.approx([2.5])


def test_two_wins_by_hand():
    # the mean over f of (1 + f)^2
    assert np.exp(log_e_of_counts(2, 0, 0.5)) == pytest.approx(np.mean((1 + FRACTIONS) ** 2))


def test_an_e_value_has_mean_one_under_the_boundary_of_its_hypothesis():
    # every sequence of six votes with a preference of 0.35, each with its probability
    total = 0.0
    for wins in range(7):
        ways = len([n for n in range(64) if n.bit_count() == wins])
        total += ways * 0.35**wins * 0.65 ** (6 - wins) * np.exp(log_e_of_counts(wins, 6 - wins, 0.35))
    assert total == pytest.approx(1.0)


def test_raters_of_different_tastes_only_lower_the_mean():
    # three votes with preferences 0.1, 0.5 and 0.9, which average to one half
    own, total = (0.1, 0.5, 0.9), 0.0
    for votes in np.ndindex(2, 2, 2):
        chance = np.prod([p if vote else 1 - p for p, vote in zip(own, votes, strict=True)])
        total += chance * np.exp(log_e_of_counts(sum(votes), 3 - sum(votes), 0.5))
    assert total < 1.0


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.floats(0.05, 0.95))
@settings(max_examples=50, deadline=None)
def test_counts_and_streams_agree(votes, bound):
    stream = log_e_above(np.array(votes, dtype=float), bound)
    assert stream[-1] == pytest.approx(float(log_e_of_counts(sum(votes), len(votes) - sum(votes), bound)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_the_interval_contains_the_sample_mean_and_mirrors(values):
    low, high = interval(values)
    assert low <= np.mean(values) <= high
    mirrored = interval([1 - value for value in values])
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-8)


def test_the_interval_is_where_neither_side_has_evidence_of_forty():
    low, high = interval_of_counts(31, 27)
    assert float(log_e_of_counts(31, 27, low)) == pytest.approx(np.log(40), abs=1e-6)
    assert float(log_e_of_counts(27, 31, 1 - high)) == pytest.approx(np.log(40), abs=1e-6)
    assert interval_of_counts(31, 27) == pytest.approx(interval([1] * 31 + [0] * 27))
    assert interval([]) == interval_of_counts(0, 0) == (0.0, 1.0)


def test_fewest_wins_is_the_edge_of_the_claim():
    few = fewest_wins(60, 0.35, np.log(20))
    for n in range(61):
        wins = np.arange(n + 1)
        reached = np.flatnonzero(log_e_of_counts(wins, n - wins, 0.35) >= np.log(20))
        assert few[n] == (reached[0] if len(reached) else n + 1)


@pytest.mark.parametrize("bound", [0.35, 0.5])
def test_looking_after_every_vote_errs_in_at_most_five_percent_of_studies(bound):
    votes = np.random.default_rng(1).random((2000, 300)) < bound
    wins = np.cumsum(votes, axis=1)
    crossed = wins >= fewest_wins(300, bound, np.log(20))[1:]
    assert crossed.any(axis=1).mean() <= 0.05


def test_the_confidence_sequence_holds_the_truth_at_every_look():
    votes = np.random.default_rng(2).random((2000, 200)) < 0.6
    wins = np.cumsum(votes, axis=1)
    losses = np.arange(1, 201) - wins
    above = wins >= fewest_wins(200, 0.6, np.log(40))[1:]
    below = losses >= fewest_wins(200, 0.4, np.log(40))[1:]
    assert (above | below).any(axis=1).mean() <= 0.05


def test_the_evidence_for_different_is_the_average_of_both_sides():
    assert np.exp(log_e_different(np.log(30.0), np.log(10.0))) == pytest.approx(20.0)
