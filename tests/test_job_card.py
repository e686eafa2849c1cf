"""The card of a run says what the run does now, how long that takes, and what to do about a failure."""

import dataclasses

import pytest

from data.errors import Code
from pipeline.runs.record_file import Progress, RunRecord
from ui import job_card
from ui.texts import Texts

EN, ZH = Texts("en"), Texts("zh")
RUN = RunRecord(id="20261126T100000Z-ppo-int4-ab12", stage="ppo", precision="int4", status="running")


def at(phase, **more):
    return dataclasses.replace(RUN, progress=Progress(12, 40, more.pop("left", None), 0.0, phase, **more))


@pytest.mark.parametrize(
    "progress, said",
    [
        (dict(phase="loading", phase_seconds=8.0), ["loading data and model", "for 8 s"]),
        (dict(phase="loading", left=20.0), ["loading data and model", "20 s left"]),
        (dict(phase="standardising", phase_seconds=3.0), ["standardising the scores", "for 3 s"]),
        (dict(phase="steps", left=65.0), ["step 12 of 40", "1 min left"]),
        (dict(phase="evaluating", count=256, left=200.0), ["evaluating 256 prompts", "3 min left"]),
        (dict(phase="evaluating", count=256, cancelling=True), ["cancelling …"]),
    ],
)
def test_each_phase_has_its_words_and_its_own_time(progress, said):
    assert job_card.now(at(**progress), EN) == said


def test_reward_models_are_evaluated_on_pairs():
    run = dataclasses.replace(at("evaluating", count=2000), stage="reward")
    assert job_card.now(run, ZH)[0] == "正在评测 2000 对测试数据"


def test_no_finished_bar_is_shown_while_a_run_still_evaluates():
    assert "width:30.0%" in job_card.card(at("steps"), EN)
    assert "width" not in job_card.card(at("evaluating", count=256), EN)


def test_a_queued_run_says_whether_it_is_next():
    queued = dataclasses.replace(RUN, status="queued")
    assert job_card.now(queued, EN, next_to_run=True) == ["starting"]
    assert job_card.now(queued, EN) == ["waiting in the queue"]


@pytest.mark.parametrize("t", [EN, ZH])
@pytest.mark.parametrize("code", [Code.PARENT, Code.DATASET, Code.OUT_OF_MEMORY, Code.UNSTABLE])
def test_a_failure_is_told_in_the_language_of_the_page_with_the_message_to_unfold(code, t):
    failed = dataclasses.replace(RUN, status="failed", error="no <data> set", error_code=code)
    card = job_card.card(failed, t)
    assert t.cause(code) in card and t.advice(code) in card
    assert "<details>" in card and "no &lt;data&gt; set" in card


def test_the_line_of_the_header_leads_to_the_tab_of_the_run():
    assert 'href="#ppo"' in job_card.line(at("steps"), EN)
    evaluation = dataclasses.replace(at("steps"), stage="evaluate")
    assert 'href="#evaluation"' in job_card.line(evaluation, EN)
