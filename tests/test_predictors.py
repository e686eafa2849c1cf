"""Which measures of a reward model predict the gain in gold: rank correlations worked out by hand."""

import pytest

from evaluation.predictors import predictors


def card(accuracy, ece=0.1):
    return {"accuracy": {"value": accuracy}, "ece": ece, "specificity": None}


def test_the_measure_that_ranks_the_gains_comes_first():
    cards = [card(0.7, 0.2), card(0.8, 0.1), card(0.9, 0.3), card(0.95, 0.15)]
    first, second, *rest = predictors(cards, [0.1, 0.2, 0.3, 0.4], "abcd")
    assert (first.measure, first.rho, first.n) == ("accuracy", pytest.approx(1.0), 4)
    # Ranks of ece 3, 1, 4, 2 against 1, 2, 3, 4: rho = 1 - 6 * (4 + 1 + 1 + 4) / (4 * 15) = 0.
    assert second.rho == pytest.approx(0.0) or second.rho is None
    assert {row.rho for row in rest if row.n == 0} == {None}


def test_reward_models_of_one_replicate_are_drawn_together():
    cards = [card(0.1 * k) for k in range(1, 9)]
    gains = [1, 2, 4, 3, 6, 5, 8, 7]
    alone = predictors(cards, gains, range(8))[0]
    together = predictors(cards, gains, [0, 0, 0, 0, 1, 1, 1, 1])[0]
    # Ranks differ by one in six places: rho = 1 - 6 * 6 / (8 * 63).
    assert alone.rho == together.rho == pytest.approx(1 - 36 / 504)
    assert alone.low < alone.rho and together.low != alone.low


def test_too_few_reward_models_show_nothing():
    rows = predictors([card(0.7), card(0.8), card(0.9)], [1, 2, 3], "abc")
    assert all(row.rho is None for row in rows) and rows[0].n in (0, 3)


def test_every_card_needs_its_gain():
    with pytest.raises(ValueError):
        predictors([card(0.7)], [1.0, 2.0], "ab")
