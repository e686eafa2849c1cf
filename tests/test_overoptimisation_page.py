"""Over-optimisation on the page: score and gold over distance, the alarm, and the step to use instead."""

from types import SimpleNamespace

import pytest
from test_promote import evaluated, ppo

from evaluation import alarm
from pipeline.runs.reader import RunReader
from ui import overoptimisation
from ui.texts import Texts
from ui.theme import COLOURS

__all__ = ["ppo"]  # a fixture
T = Texts("en")


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch):
    """The alarm with its thresholds before any measurement, so that these tests do not follow the shipped
    one."""
    monkeypatch.setattr(alarm, "measured", lambda: None)


def rows(n=20, gold=None):
    return [
        {
            "step": s, "objective/scores_standardised": 0.1 * s, "objective/kl": 0.01 * s * s,
            "response/length": 20.0, "policy/entropy_avg": 1.0,
        } | ({"gold/mean": gold(s)} if gold else {})
        for s in range(1, n + 1)
    ]  # fmt: skip


def points(found):
    return [alarm.Point.from_metrics(row) for row in found]


def reading(found, judged=(), best=None):
    return overoptimisation.reading(points(found), judged, best, T)


def test_score_and_gold_are_drawn_over_the_root_of_kl():
    figure = overoptimisation.figure(rows(gold=lambda s: 0.5), [], T)
    score, path, gold, _ = figure.data
    assert list(score.x)[:3] == pytest.approx([0.1, 0.2, 0.3]) and score.yaxis == "y" and gold.yaxis == "y2"
    assert gold.marker.color == COLOURS["gold"]
    assert path.y[4] == pytest.approx(0.3)  # the mean of 0.1 to 0.5


def test_without_gold_there_is_no_second_axis():
    figure = overoptimisation.figure(rows(), [], T)
    assert len(figure.data) == 2 and not figure.layout.yaxis2.visible


def test_the_judge_stands_at_its_distance_with_its_interval():
    judged = [
        {"step": 4, "judge_gain": 0.5, "judge_gain_ci": [0.3, 0.9], "own_gain": 0.6, "kl_per_sequence": 4.0},
        {
            "step": 8,
            "judge_gain": 0.2,
            "judge_gain_ci": None,
            "own_gain": 0.8,
            "kl_per_token": 0.45,
            "length": 20,
        },
    ]
    judge, own = overoptimisation.figure(rows(), judged, T).data[2:]
    assert list(judge.x) == [2.0, 3.0] and list(judge.error_y.array) == pytest.approx([0.4, 0.0])
    assert list(own.y) == [0.6, 0.8]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_falling_gold_is_an_alarm_with_the_step_at_which_it_began(language):
    t = Texts(language)
    found = rows(gold=lambda s: 0.8 if s <= 10 else 0.4)
    (mood, text), *_ = overoptimisation.reading(points(found), [], None, t)
    assert mood == "warn" and "11" in text and "0.40" in text


def test_steady_gold_is_no_alarm():
    assert reading(rows(gold=lambda s: 0.7))[0] == ("good", T("over.calm.gold"))


def test_the_judge_goes_before_gold():
    judged = [{"step": s, "judge_gain": g} for s, g in ((0, 0.0), (8, 1.0), (20, 0.1))]
    (mood, text), *_ = reading(rows(gold=lambda s: 0.7), judged)
    assert mood == "warn" and "judge" in text and "0.90" in text


def test_with_the_score_alone_nothing_is_claimed():
    assert reading(rows()) == [("note", T("over.unknown"))]


def test_the_button_takes_the_best_step(workspace, ppo):
    for row in rows(6):
        ppo.log({**row, "gold/mean": 0.8 if row["step"] <= 2 else 0.2})
    services = SimpleNamespace(workspace=workspace, runs=RunReader(workspace))
    evaluated(workspace, ppo, [{"step": s, "judge_gain": g} for s, g in ((2, 0.7), (4, 0.2), (6, 0.1))])
    now, body, _, said, use, command, step = overoptimisation.show(services, ppo.id, "", T)
    assert body.visible and use.visible and use.value == T("over.use", step=2) and step == 2
    assert f"promote {ppo.id} --step 2" in command and "Best judge" in said
    again = overoptimisation.show(services, ppo.id, now, T)
    assert all(part == {"__type__": "update"} for part in again)


def test_how_often_the_alarm_was_right_is_told_with_intervals(monkeypatch):
    shares = {"caught": 0.75, "caught_ci": [0.3, 0.95], "false_alarms": 0.0, "false_alarms_ci": [0.0, 0.39]}
    shipped = alarm.Measured(10, ({"signal": "gold", "threshold": 0.1, "positives": 4, **shares},))
    monkeypatch.setattr(alarm, "measured", lambda: shipped)
    _, (mood, text) = reading(rows(gold=lambda s: 0.7))
    assert mood == "note" and "10 runs" in text and "75 % (30–95)" in text and "0 % (0–39)" in text
