"""The judge's results for the reader: the tables of the evaluation tab, and the lines that `all` prints."""

import pytest

from pipeline.commands.comparison_table import comparison
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from ui.judged import judged_html
from ui.texts import Texts

ROW = {
    "policy": "ppo-int4", "score_gain_judge": 0.25, "win_rate_judge": 0.625, "win_rate_ci_judge": [0.45,
    0.78], "distinct_1": 0.4, "distinct_2": 0.8, "repetition": 0.125, "cut": 0.5, "refusal_rate": 0.25,
    "evasion_rate": 0.75,
}  # fmt: skip
POINTS = [
    {"step": 0, "judge_gain": 0.0, "judge_gain_ci": [0.0, 0.0], "own_gain": 0.0, "kl_per_token": 0.0},
    {"step": 4, "judge_gain": 0.5, "judge_gain_ci": [-0.1, 0.9], "own_gain": 0.3, "kl_per_token": 0.1},
    {"step": 8, "judge_gain": 0.25, "judge_gain_ci": None, "own_gain": 0.6, "kl_per_token": 0.2},
]
RESULTS = {
    "table": [ROW],
    "judge": {"run": "j", "accuracy": 0.61, "accuracy_ci": [0.54, 0.68]},
    "by_step": {"ppo-int4": POINTS},
    "best_step": {"ppo-int4": 4},
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_tab_shows_wins_variety_and_the_best_step(language):
    t = Texts(language)
    html = judged_html(RESULTS, t)
    assert "+0.25" in html and "62 % (45–78)" in html and "0.400 / 0.800" in html
    assert f"<b>+0.50 ({t('judged.best')})</b>" in html and html.count("<b>") == 1
    assert "−0.10 … +0.90" in html and "61 % (54–68)" in html


def test_the_tab_shows_nothing_without_a_judge():
    assert judged_html({"table": [ROW], "judge": None}, Texts("en")) == ""
    assert judged_html({}, Texts("en")) == ""


def done(workspace, stage, results):
    run = Run.create(workspace, stage, build(stage, "small", precision="int4" if stage == "ppo" else None))
    run.start_attempt()
    run.finish(results)
    return run.id


def test_all_prints_the_judges_line_of_a_policy(workspace):
    ppo = done(workspace, "ppo", {"score_gain": 0.5})
    assert "judge" not in comparison(workspace, "small")
    done(workspace, "evaluate", RESULTS | {"table": [ROW | {"run": ppo}]})
    assert comparison(workspace, "small").splitlines()[-1].split() == [
        "ppo-int4", "42", "0.250", "0.625", "(0.450", "to", "0.780)", "4"
    ]  # fmt: skip
