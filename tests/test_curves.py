"""Curves of runs: axes, smoothing, and the mean of several seeds, with values worked out by hand."""

import pytest

from evaluation import curves
from evaluation.curves import Curve


def test_the_time_of_a_resumed_run_goes_on_from_that_of_its_first_attempt():
    seconds = (60, 120, 30)
    rows = [{"step": step, "wall_seconds": value} for step, value in enumerate(seconds, 1)]
    assert [row["minutes"] for row in curves.with_derived(rows)] == [1.0, 2.0, 2.5]


def test_tokens_and_throughput_of_a_trainer_come_from_its_own_count():
    rows = [
        {"step": 1, "num_tokens": 1000.0, "wall_seconds": 10.0},
        {"step": 2, "num_tokens": 1800.0, "wall_seconds": 12.0},
    ]
    first, second = curves.with_derived(rows)
    assert second["tokens"] == 1800 and second["tokens_per_second"] == 400
    assert "tokens_per_second" not in first  # the first row includes the start


def test_tokens_of_ppo_are_the_sampled_ones_and_distance_is_the_root_of_kl():
    rows = [
        {"step": 1, "response/length": 10.0, "objective/kl": 4.0, "wall_seconds": 1.0},
        {"step": 2, "response/length": 20.0, "objective/kl": -0.1, "wall_seconds": 3.0},
    ]
    found = curves.with_derived(rows, batch_size=8)
    assert [row["tokens"] for row in found] == [80, 240] and found[1]["tokens_per_second"] == 80
    assert [row["distance"] for row in found] == [2.0, 0.0]


def test_a_row_without_the_metric_is_left_out_and_a_bad_value_is_a_gap():
    rows = [{"step": 1, "a": 1.0}, {"step": 2}, {"step": 3, "a": float("nan")}, {"step": 4, "a": 2}]
    assert curves.curve(rows, "a") == Curve([1, 3, 4], [1.0, 3.0, 4.0], [1.0, None, 2.0])
    assert curves.curve(rows, "a", "minutes") == Curve([], [], [])


def test_smoothing_starts_at_the_first_value_and_keeps_gaps():
    # Weight 1/2: 4; then (4/4 + 0/2) / (3/4) = 4/3; then (4/8 + 0/4 + 8/2) / (7/8) = 36/7.
    first, second, gap, last = curves.smoothed([4.0, 0.0, None, 8.0], 0.5)
    assert (first, gap) == (4.0, None) and [second, last] == pytest.approx([4 / 3, 36 / 7])
    assert curves.smoothed([3.0, 1.0], 0.0) == [3.0, 1.0]


def test_seeds_are_joined_at_their_common_steps_on_both_axes():
    one = Curve([1, 2, 3], [1.0, 2.0, 3.0], [1.0, 2.0, 9.0])
    other = Curve([1, 2], [3.0, 4.0], [3.0, 2.0])
    found = curves.band([one, other])
    assert (found.x, found.mean, found.runs) == ([2.0, 3.0], [2.0, 2.0], 2)
    assert found.low == pytest.approx([2 - 2**0.5, 2.0]) and found.high == pytest.approx([2 + 2**0.5, 2.0])


def test_one_seed_has_no_spread_and_no_seeds_have_no_curve():
    one = curves.band([Curve([1], [1.0], [5.0])])
    assert (one.low, one.mean, one.high) == ([5.0], [5.0], [5.0])
    assert curves.band([]).mean == []
