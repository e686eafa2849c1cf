"""Charts and their descriptions: gaps stay gaps, live charts keep their size, the text matches the curves."""

import math

import pytest

from ui import plots, reading
from ui.texts import Texts

T = Texts("en")


def rows(key, values):
    return [{"step": step, key: value} for step, value in enumerate(values, start=1)]


def moods(stage, found):
    return [mood for mood, _ in reading.read(stage, found, T)]


def test_a_missing_or_infinite_value_is_a_gap():
    steps, values = plots.series(rows("loss", [1.0, None, math.nan, math.inf, 2.0]), ["loss"])
    assert steps == [1, 2, 3, 4, 5]
    assert values == [1.0, None, None, None, 2.0]


def test_rows_without_the_metric_are_left_out():
    found = [{"step": 1, "loss": 3.0}, {"step": 2, "eval_loss": 2.0}, {"step": 3, "loss": 1.0}]
    assert plots.series(found, ["loss"]) == ([1, 3], [3.0, 1.0])


def test_long_curves_are_thinned_but_keep_their_end_and_their_gaps():
    values = [float(i) for i in range(10_000)]
    values[777] = None
    steps, thin = plots.series(rows("loss", values), ["loss"])
    assert len(steps) < 1000
    assert steps[-1] == 10_000 and thin[-1] == 9999.0
    assert None in thin


@pytest.mark.parametrize("stage", plots.CHARTS)
def test_live_charts_keep_their_height_and_zoom(stage):
    before = plots.live_charts(stage, [], T)
    after = plots.live_charts(stage, [{"step": 1, "loss": 1.0, "objective/kl": 0.5, "accuracy": 0.6}], T)
    for old, new in zip(before, after, strict=True):
        assert old.layout.height == new.layout.height == plots.HEIGHT
        assert old.layout.uirevision == new.layout.uirevision == "keep"


def test_bars_leave_out_what_was_not_measured():
    figure = plots.bars("gold", {"sft": 0.5, "ppo-int4": None})
    assert list(figure.data[0].x) == ["sft"]


def test_frontier_shows_the_policies_that_have_both_values():
    figure = plots.frontier({"sft": (0.0, 0.5), "ppo-int4": (None, 0.8)}, "t", "x", "y", (0.2, "goal"))
    assert [trace.name for trace in figure.data] == ["sft"]


def test_falling_loss_is_good_and_rising_validation_loss_is_a_warning():
    assert moods("sft", rows("loss", [3.0, 2.0, 1.0])) == ["good"]
    found = rows("loss", [3.0, 2.0, 1.0]) + rows("eval_loss", [2.0, 1.0, 1.5])
    assert "warn" in moods("sft", found)


def test_reward_model_at_chance_is_a_warning():
    assert moods("reward", rows("accuracy", [0.5] * 9)) == ["warn"]
    assert moods("reward", rows("accuracy", [0.5, 0.6, 0.75]))[0] == "good"


def test_rising_score_with_falling_gold_is_described_as_over_optimisation():
    found = [{"step": i, "objective/scores": i / 10, "gold/mean": 0.8 - i / 50} for i in range(20)]
    said = " ".join(text for _, text in reading.read("ppo", found, T))
    assert "exploits its reward model" in said


def test_a_run_trained_on_gold_is_described_as_such():
    found = [{"step": i, "objective/scores": i / 10, "gold/mean": i / 10} for i in range(20)]
    ((mood, text),) = reading.read("ppo", found, T)
    assert mood == "good" and "directly on the gold reward" in text and "hidden from training" not in text


def test_kl_is_read_per_token():
    near = [{"step": i, "objective/kl": 4.0, "response/length": 40.0} for i in range(5)]
    far = [{"step": i, "objective/kl": 40.0, "response/length": 40.0} for i in range(5)]
    assert moods("ppo", near) == ["good"]
    assert moods("ppo", far) == ["warn"]


def test_zero_gradient_is_a_warning():
    found = [{"step": i, "loss": 1.0, "grad_norm": 0.0} for i in range(5)]
    assert "warn" in moods("sft", found)


def loss_reading(values):
    ((_, text),) = reading.read("sft", rows("loss", values), T)
    return text


def test_a_loss_that_fell_at_the_start_and_is_flat_now_has_learned():
    values = [1.2, 0.8, 0.5, 0.4, 0.365] + [0.361] * 55
    said = loss_reading(values)
    assert "fell from 1.000 to 0.361" in said and "hardly changed" in said


def test_a_loss_that_still_falls_is_said_to_fall():
    assert "still falling" in loss_reading([2.0 - 0.02 * i for i in range(60)])


@pytest.mark.parametrize("values", [[1.0, 1.01] * 20, [0.5] * 30])
def test_noise_around_a_level_is_no_learning(values):
    assert "has not fallen" in loss_reading(values)


def test_a_rising_loss_is_a_warning():
    assert moods("sft", rows("loss", [1.0 + 0.05 * i for i in range(30)])) == ["warn"]
