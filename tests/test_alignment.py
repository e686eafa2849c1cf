"""Win rates and KL summaries agree with published and hand-worked values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.alignment import (
    kl_summary,
    length_controlled_win_rate,
    standardised_gain,
    wilson_interval,
    win_rate,
)

scores = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_gives_newcombes_published_values(successes, n, low, high):
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    assert wilson_interval(successes, n) == pytest.approx([low, high], abs=5e-5)


def test_win_rate_counts_a_tie_as_half():
    result = win_rate([3, 1, 2, 5], [1, 1, 4, 0])
    assert (result["wins"], result["ties"], result["losses"], result["n"]) == (2, 1, 1, 4)
    assert result["win_rate"] == 0.625


@given(scores)
def test_win_rates_of_both_sides_add_up_to_one(pairs):
    a, b = zip(*pairs, strict=True)
    one, other = win_rate(a, b), win_rate(b, a)
    assert one["win_rate"] + other["win_rate"] == pytest.approx(1.0)
    assert one["ci"][0] <= one["win_rate"] <= one["ci"][1]
    assert one["ci"][0] == pytest.approx(1 - other["ci"][1])


@pytest.mark.parametrize(("a", "b"), [([], []), ([1], [1, 2]), ([float("nan")], [0.0])])
def test_win_rate_refuses_scores_that_are_not_paired_or_finite(a, b):
    with pytest.raises(ValueError):
        win_rate(a, b)


def test_length_control_removes_a_win_that_comes_from_length_alone():
    rng = np.random.default_rng(0)
    longer = rng.normal(3.0, 4.0, size=4000)
    margins = longer + rng.normal(size=4000)  # the judge prefers length and nothing else
    zeros = np.zeros(4000)
    assert win_rate(margins, zeros)["win_rate"] > 0.7
    assert length_controlled_win_rate(margins, zeros, longer, zeros) == pytest.approx(0.5, abs=0.04)


def test_length_control_keeps_a_win_that_is_independent_of_length():
    rng = np.random.default_rng(1)
    margins = rng.normal(0.5244, size=4000)  # positive with probability 0.7
    controlled = length_controlled_win_rate(margins, np.zeros(4000), rng.normal(size=4000), np.zeros(4000))
    assert controlled == pytest.approx(0.7, abs=0.03)


def test_gain_is_in_standard_deviations_of_sft():
    assert standardised_gain([4, 4, 4], [1, 2, 3]) == pytest.approx(2.0)
    assert standardised_gain([4, 4], [1, 1]) is None


def test_kl_by_hand():
    half = np.log(0.5)
    result = kl_summary([[half, half], [half]], [[np.log(0.25), half], [np.log(0.25)]])
    # log ratios ref/policy: -ln 2, 0 and -ln 2; k3 of -ln 2 is 1/2 - 1 + ln 2
    assert result["kl_per_token"] == pytest.approx(2 * np.log(2) / 3)
    assert result["kl_per_sequence"] == pytest.approx(np.log(2))
    assert result["k3_per_token"] == pytest.approx(2 * (np.log(2) - 0.5) / 3)
    assert result["k3_per_sequence"] == pytest.approx(np.log(2) - 0.5)
    assert (result["n_tokens"], result["n_sequences"]) == (3, 2)
    assert result["kl_per_sequence_se"] == pytest.approx(0.0)


def test_k1_and_k3_estimate_the_exact_kl_of_two_categoricals():
    p, q = np.array([0.6, 0.3, 0.1]), np.array([0.3, 0.3, 0.4])
    exact = float((p * np.log(p / q)).sum())
    drawn = np.random.default_rng(0).choice(3, size=(4000, 10), p=p)
    result = kl_summary(np.log(p)[drawn], np.log(q)[drawn])
    assert result["kl_per_token"] == pytest.approx(exact, abs=0.02)
    assert result["k3_per_token"] == pytest.approx(exact, abs=0.02)
    assert result["kl_per_sequence"] == pytest.approx(10 * exact, abs=4 * result["kl_per_sequence_se"])


@given(st.lists(st.tuples(st.floats(-8, 0), st.floats(-8, 0)), min_size=1, max_size=30))
def test_k3_is_never_negative_and_zero_for_equal_models(pairs):
    policy, reference = zip(*pairs, strict=True)
    assert kl_summary([policy], [reference])["k3_per_token"] >= 0
    same = kl_summary([policy], [policy])
    assert same["kl_per_token"] == same["k3_per_token"] == 0


def test_kl_refuses_answers_that_do_not_match():
    with pytest.raises(ValueError):
        kl_summary([[0.0]], [])
