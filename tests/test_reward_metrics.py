"""Reward-model metrics and process resources agree with hand-worked values."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import resources
from evaluation.reward_metrics import (
    calibration,
    cluster_bootstrap,
    credit,
    expected_calibration_error,
    fitted_temperature,
    pooled_auc,
    rank_correlation,
    reward_metrics,
)

LN3 = math.log(3)  # sigmoid(ln 3) = 0.75
margins = st.lists(st.floats(-20, 20), min_size=1, max_size=40)


def metrics(chosen, rejected, prompts=None, **extra):
    return reward_metrics(chosen, rejected, prompts or [str(i) for i in range(len(chosen))], **extra)


def test_accuracy_counts_a_tie_as_half():
    assert metrics([1, 2, 3, 4], [0, 3, 3, 1])["accuracy"] == pytest.approx((1 + 0 + 0.5 + 1) / 4)


def test_auc_is_pooled_over_prompts_and_depends_on_offsets_that_accuracy_ignores():
    # 3 > 2, 3 > 0, 1 > 0, but 1 < 2
    assert pooled_auc(np.array([3.0, 1.0]), np.array([2.0, 0.0])) == 0.75
    offset = metrics([1.0, 101.0], [0.0, 100.0])
    assert offset["accuracy"] == 1.0 and offset["auc"] == 0.75


def test_ece_is_zero_when_confidence_is_right_and_the_gap_when_not():
    right = metrics([LN3] * 4, [0, 0, 0, 2 * LN3])  # margins ln 3, ln 3, ln 3, -ln 3
    assert right["ece"] == pytest.approx(0.0)
    over = metrics([LN3] * 4, [0, 0, 2 * LN3, 2 * LN3])
    assert over["ece"] == pytest.approx(0.25)


def test_ece_weighs_bins_by_their_count():
    # one bin at confidence 0.75 (3 pairs, all right), one at 0.9 (1 pair, wrong)
    bins = calibration(np.array([LN3, LN3, LN3, -math.log(9)]))
    assert [row["count"] for row in bins] == [3, 1]
    assert expected_calibration_error(bins) == pytest.approx(0.75 * 0.25 + 0.25 * 0.9)


def test_ten_bins_cover_confidence_from_a_half_to_one():
    bins = calibration(np.array([0.0, 1e-9, 50.0]))
    assert [(row["low"], row["high"]) for row in bins] == [(0.5, 0.55), (0.95, 1.0)]
    assert bins[0]["accuracy"] == 0.5  # a tie is not correct
    assert bins[1]["confidence"] == pytest.approx(1.0)


def test_brier_is_the_squared_error_of_the_preference_probability():
    assert metrics([LN3, 0.0], [0.0, LN3])["brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)


def test_temperature_recovers_a_known_overconfidence():
    # three of four are right, so the best confidence is 0.75 = sigmoid(2 ln 3 / T) at T = 2
    assert fitted_temperature(np.array([2, 2, 2, -2]) * LN3) == pytest.approx(2.0, rel=1e-4)


def test_temperature_is_none_where_the_pairs_do_not_determine_it():
    assert fitted_temperature(np.array([1.0, 2.0])) is None
    assert fitted_temperature(np.array([1.0, -2.0])) is None


def test_length_metrics_find_a_model_that_scores_length():
    result = metrics(
        [10, 20, 30, 10], [20, 10, 29, 15],
        chosen_lengths=[10, 20, 30, 10], rejected_lengths=[20, 10, 29, 15],
    )  # fmt: skip
    assert result["length_correlation"] == pytest.approx(1.0)
    assert result["longer_chosen_accuracy"] == 1.0 and result["shorter_chosen_accuracy"] == 0.0
    assert result["length_matched_pairs"] == 1 and result["length_matched_accuracy"] == 1.0


def test_without_lengths_the_length_metrics_are_none():
    assert metrics([1], [0])["length_correlation"] is None


def test_pairs_of_one_prompt_are_one_cluster_and_widen_the_interval():
    values = [1, 0] * 50
    separate = cluster_bootstrap(values, range(100))
    paired = cluster_bootstrap([1] * 50 + [0] * 50, [i // 10 for i in range(100)])
    assert paired[1] - paired[0] > 2 * (separate[1] - separate[0])
    assert cluster_bootstrap([1, 0, 1, 0], ["a"] * 4) == [0.5, 0.5]


def test_bootstrap_interval_matches_the_binomial_one():
    values = np.arange(2000) % 10 < 7
    low, high = cluster_bootstrap(values, range(2000))
    half = 1.96 * math.sqrt(0.7 * 0.3 / 2000)
    assert low == pytest.approx(0.7 - half, abs=0.004) and high == pytest.approx(0.7 + half, abs=0.004)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).integers(0, 2, 60)
    assert cluster_bootstrap(values, range(60), seed=1) == cluster_bootstrap(values, range(60), seed=1)
    assert cluster_bootstrap(values, range(60), seed=1) != cluster_bootstrap(values, range(60), seed=2)


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompts", "message"),
    [
        ([], [], [], "no pairs"),
        ([1.0], [1.0, 2.0], ["p"], "a score for chosen"),
        ([1.0], [0.0], [], "and a prompt"),
        ([float("nan")], [0.0], ["p"], "finite"),
    ],
)
def test_bad_input_is_refused(chosen, rejected, prompts, message):
    with pytest.raises(ValueError, match=message):
        reward_metrics(chosen, rejected, prompts)


@given(margins)
def test_swapping_chosen_and_rejected_mirrors_accuracy(values):
    values = np.array(values)
    assert credit(values).mean() + credit(-values).mean() == pytest.approx(1.0)


@given(margins, st.floats(-5, 5))
def test_a_constant_added_to_every_score_changes_nothing(values, constant):
    values = np.round(values, 3)
    zeros = np.zeros(len(values))
    prompts = list(range(len(values)))
    plain = reward_metrics(values, zeros, prompts, resamples=10)
    moved = reward_metrics(values + round(constant, 3), zeros + round(constant, 3), prompts, resamples=10)
    assert moved["brier"] == pytest.approx(plain["brier"])
    assert 0 <= plain["ece"] <= 1 and 0 <= plain["auc"] <= 1


def test_metrics_are_plain_json():
    result = metrics([1.0, 2.0], [0.5, 3.0], chosen_lengths=[1, 2], rejected_lengths=[2, 1])
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_rank_correlation_of_a_constant_is_none():
    assert rank_correlation([1, 2, 3], [5, 5, 5]) is None
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)


def test_peak_memory_belongs_to_this_process_and_is_at_least_its_current_memory():
    assert resources.peak_rss_bytes() >= 0.95 * resources.rss_bytes() > 1e6
    code = "from evaluation import resources; print(resources.peak_rss_bytes(), resources.rss_bytes())"
    ballast = np.ones(40_000_000)  # 320 MB in the parent must not count in the child
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, now = map(int, done.stdout.split())
    assert ballast.size and peak < now + 100e6


def test_adapter_bytes_count_weights_and_head_only(tmp_path):
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x" * 100)
    (tmp_path / "head.safetensors").write_bytes(b"x" * 20)
    (tmp_path / "model.json").write_bytes(b"x" * 7)
    assert resources.adapter_bytes(tmp_path) == 120
    assert resources.folder_bytes(tmp_path) == 127
    assert resources.folder_bytes(tmp_path / "absent") == 0
