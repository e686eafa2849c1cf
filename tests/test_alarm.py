"""The alarm for over-optimisation: signals of made-up curves, and rates worked out by hand."""

import math

import pytest

from evaluation import alarm
from evaluation.alarm import Point


def curve(n=20, *, score=0.1, gold=None, judge=None, kl=0.0, length=20.0, entropy=1.0):
    """n steps; each value is a constant, or a function of the step."""

    def at(value, step):
        return value(step) if callable(value) else value

    return [
        Point(s, *(at(v, s) for v in (score, kl, length, entropy)), at(gold, s), at(judge, s))
        for s in range(1, n + 1)
    ]


def test_gold_that_falls_while_the_score_rises_sounds_with_the_size_of_the_fall():
    points = curve(score=lambda s: 0.1 * s, gold=lambda s: 0.8 if s <= 10 else 0.5)
    values = alarm.signals(points)["gold"]
    # The mean of the last five steps is 0.5 from step 15 on, its maximum was 0.8.
    assert values[9] == pytest.approx(0.0) and values[-1] == pytest.approx(0.3)
    assert alarm.first_above(points, values, 0.05) == 11  # (4 * 0.8 + 0.5) / 5 = 0.74


def test_gold_that_falls_without_a_rising_score_is_no_over_optimisation():
    points = curve(score=0.0, gold=lambda s: 0.8 - 0.02 * s)
    assert max(alarm.signals(points)["gold"]) == 0.0  # whatever gold does


def test_the_judge_counts_at_the_steps_where_it_was_asked():
    judge = {8: 0.5, 16: 0.1}
    points = curve(score=lambda s: 0.1 * s, judge=judge.get)
    values = alarm.signals(points)["judge"]
    assert values[14] == 0.0 and values[15:] == pytest.approx([0.4] * 5)


def test_the_other_signals_look_at_the_policy_alone():
    points = curve(
        score=lambda s: 0.0 if s <= 5 else 1.0,
        kl=lambda s: 0.0 if s <= 5 else 4.0,
        length=lambda s: 10.0 if s <= 5 else 20.0,
        entropy=lambda s: 2.0 if s <= 5 else 0.5,
    )
    last = {name: values[-1] for name, values in alarm.signals(points).items()}
    assert last == pytest.approx({"distance": 2.0, "score": 1.0, "length": math.log(2), "entropy": 0.75})


def test_what_was_never_measured_is_no_signal():
    assert set(alarm.signals(curve())) == {"distance", "score", "length", "entropy"}
    assert alarm.signals([]) == {}


def test_harm_is_a_fall_that_lasts_until_the_end():
    steps = [0, 8, 16, 24]
    assert alarm.harm(steps, [0.5, 0.7, 0.6, 0.5], 0.1) == 16
    assert alarm.harm(steps, [0.5, 0.7, 0.6, 0.68], 0.1) is None  # it recovered
    assert alarm.harm(steps, [0.5, 0.6, 0.7, 0.8], 0.1) is None


def test_the_area_under_the_roc_counts_pairs_of_runs():
    # Of the six pairs, the harmed run is ahead in four, behind in one, and one is a tie.
    assert alarm.roc([3, 1], [0, 1, 2]).auc == pytest.approx(4.5 / 6)
    assert alarm.roc([], [1]).auc is None


def test_the_threshold_allows_a_tenth_of_false_alarms():
    assert alarm.threshold_for([0.1 * i for i in range(10)]) == pytest.approx(0.8)  # 0.9 alone is above it
    assert alarm.threshold_for([1.0, 2.0]) == 2.0


def test_rates_and_lead_time():
    found = alarm.rates(1.0, [(10, 16), (14, 16), (None, 8)], [None, None, 5, None])
    assert (found.caught, found.false_alarms, found.lead) == (2 / 3, 1 / 4, 4.0)
    # Wilson's interval of 1 of 4, as the textbook formula gives it.
    assert found.false_alarms_ci == pytest.approx([0.0456, 0.6994], abs=1e-3)


def test_a_row_without_a_rollout_is_no_point():
    row = {"step": 3, "objective/scores_standardised": 0.5, "objective/kl": 1.0, "response/length": 9.0}
    assert Point.from_metrics(row) is None
    assert Point.from_metrics({**row, "policy/entropy_avg": 2.0}) == Point(3, 0.5, 1.0, 9.0, 2.0)


def test_the_shipped_measurement_says_on_how_many_runs_it_stands(tmp_path):
    found = alarm.measured()
    assert found.runs == found.row("gold")["positives"] + found.row("gold")["negatives"]
    assert found.threshold("gold") == found.row("gold")["threshold"] > 0 and found.command and found.date
    assert alarm.measured(tmp_path / "nothing.json") is None
