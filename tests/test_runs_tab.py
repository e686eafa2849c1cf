"""The runs tab and the status bar: lists, details, comparisons and states from records on disk."""

import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import Code, UserError
from pipeline.commands.housekeeping import delete
from pipeline.runs import labels
from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader, read_run
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents, RunRecord
from pipeline.settings.layers import build
from ui import header, job_card, parts, run_actions, run_detail, run_list, run_view
from ui.texts import TABLE, Texts

T = Texts("en")
PIPELINE = Path(__file__).resolve().parent.parent / "pipeline"


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace, runs=RunReader(workspace))


def make_run(
    workspace, stage="sft", overrides=(), rows=(), error=None, code=Code.UNEXPECTED, precision="bf16"
):
    run = Run.create(workspace, stage, build(stage, "tiny", precision=precision, overrides=list(overrides)))
    run.start_attempt()
    run.set_total(10)
    for row in rows:
        run.log(row)
    run.fail(error, code) if error else run.finish({"loss": 1.5})
    return run


def test_a_run_with_gold_as_its_reward_is_distinguished_from_the_others(services):
    runs = [make_run(services.workspace, "ppo", overrides) for overrides in ([], ["reward=gold"])]
    assert [parts.run_title(run.record, T) for run in runs] == ["PPO bf16", "PPO bf16 · gold"]


def test_a_failed_run_shows_its_error_and_the_advice_for_its_code(services):
    run = make_run(services.workspace, error="ppo: loss became inf in step 4", code=Code.UNSTABLE)
    card = run_detail.details(services, run.id, T)[0]
    assert "loss became inf" in card and T("advice.unstable") in card


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_lost_run_gets_the_advice_to_resume_in_the_language_of_the_page(services, language):
    run = make_run(services.workspace)
    run.change_attempt(process_started="another process")
    run.change(status="running", error=None)
    t = Texts(language)
    card, _, resume, *_ = run_detail.details(services, run.id, t)
    assert all(t(key) in card for key in ("status.lost", "error.lost", "advice.lost")) and resume.visible
    assert t("advice.out_of_memory") not in card


def test_an_event_is_named_in_the_language_of_the_page_with_its_recorded_message(services):
    run = make_run(services.workspace)
    run.event("early stopping", "no better validation loss in 3 evaluations; the <best> weights are kept")
    for language, name in (("en", "Stopped early with the best weights"), ("zh", "提前停止，保留最好的权重")):
        facts = run_detail.facts_html(read_run(services.workspace, run.id), Texts(language))
        assert name in facts and "in 3 evaluations; the &lt;best&gt; weights" in facts


def test_every_kind_of_event_has_a_name_on_the_page():
    source = "".join(path.read_text(encoding="utf-8") for path in PIPELINE.rglob("*.py"))
    kinds = set(re.findall(r'(?:\.event|\._fire)\(\s*"([^"]+)"', source))
    assert "early stopping" in kinds and "runaway KL" in kinds
    assert {f"event.{kind}" for kind in kinds} == {key for key in TABLE if key.startswith("event.")}


def test_text_in_a_record_cannot_become_markup(services):
    run = make_run(services.workspace, error="<script>alert(1)</script>")
    # a record from another source may hold such a name
    run.change(config={**run.record.config, "name": "<b>x"})
    shown = "".join(str(part) for part in run_detail.details(services, run.id, T)[:1])
    assert "<script>" not in shown and "<b>x" not in shown


def test_a_view_is_sent_again_only_when_something_changed(services):
    run = make_run(services.workspace, rows=[{"step": 1, "loss": 2.0}])
    first = run_view.show(services, "sft", "", "", T)
    again = run_view.show(services, "sft", "", first[1], T)
    assert run.id in first[1]
    assert all(part == {"__type__": "update"} for part in again)


def test_the_bar_distinguishes_running_done_failed_and_missing(services):
    fresh = SimpleNamespace(stale_reason=lambda run: "")
    stale = SimpleNamespace(stale_reason=lambda run: "why" if run.id == "1" else "")
    records = [
        RunRecord(id="3", stage="reward", precision="int8", status="running"),
        RunRecord(id="2", stage="reward", precision="int4", status="failed"),
        RunRecord(id="1", stage="sft", precision="bf16", status="done"),
    ]
    assert header.state_of(records, fresh, "sft", "") == "done"
    assert header.state_of(records, stale, "sft", "") == "stale"
    assert header.state_of(records, fresh, "reward", "int4") == "failed"
    assert header.state_of(records, fresh, "reward", "int8") == "running"
    assert header.state_of(records, fresh, "ppo", "int8") == "missing"


def test_the_bar_of_an_empty_workspace_points_at_the_first_step(services):
    assert "First step:" in header.next_text(Lineage(services.runs), "tiny", [], T)


@pytest.mark.parametrize("seconds, text", [(35, "35 s"), (240, "4 min"), (4800, "1 h 20 min"), (None, "–")])
def test_durations_are_short(seconds, text):
    assert parts.duration(seconds, T) == text


def test_measured_numbers_are_shown_with_three_digits():
    assert [parts.measured(v) for v in (0.825, 0.84, 15.4, 256.0, 0.0, None)] == [
        "0.825", "0.840", "15.4", "256", "0", "–"
    ]  # fmt: skip


def test_differences_have_a_typographic_minus_and_zero_has_no_sign():
    assert [parts.signed(v) for v in (0.394, -0.4, -0.001, None)] == ["+0.39", "−0.40", "0.00", "–"]


@pytest.mark.faults(9)
def test_a_run_that_has_written_nothing_for_long_is_shown_with_a_warning(workspace):
    run = Run.create(workspace, "sft", build("sft"))
    run.start_attempt()
    run.log({"step": 1})
    warning = T("run.silent", time=parts.duration(600, T))
    assert warning not in job_card.card(read_run(workspace, run.id), T)
    for name in ("metrics.jsonl", "run.json"):
        os.utime(run.folder / name, (time.time() - 600,) * 2)
    assert warning in job_card.card(read_run(workspace, run.id), T)


def test_the_settings_of_a_run_travel_to_its_form(services):
    run = make_run(services.workspace, "reward", ["max_steps=7"], precision="int8")
    told = json.loads(run_detail.settings_of(services, run.id))
    assert (told["stage"], told["tab"], told["preset"]) == ("reward", "reward", "tiny")
    assert told["values"]["max_steps"] == 7 and told["values"]["precision"] == "int8"


def test_no_key_of_a_record_is_in_sight(services):
    run = make_run(services.workspace, "sft")
    facts, config = run_detail.details(services, run.id, T)[4:6]
    assert "Learning rate" in config and "learning_rate" not in config and "{" not in config
    assert "_" not in facts


def test_times_are_those_of_this_machine(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert parts.local_time("2026-11-26T13:05:09Z") == "11-26 21:05"
        assert parts.local_time("20261126T130509Z") == "11-26 21:05"
        assert parts.local_time(None) == "–"
    finally:
        monkeypatch.undo()
        time.tzset()


def listed(services, words="", picked=(), current=None):
    seen, table, count, choice, kept = run_list.show(services, "", current, list(picked), words, T)
    return [row[-1] for row in table.value["data"]], count, choice.value, kept.value


def test_the_filter_finds_runs_by_all_of_its_words(services):
    sft = make_run(services.workspace).id
    failed = make_run(services.workspace, "reward", error="x", precision="int8").id
    done = make_run(services.workspace, "reward", precision="int8", overrides=["seed=7"]).id
    labels.change(services.workspace, sft, name="First try", tags=["keep"])
    assert listed(services)[0] == [done, failed, sft]
    assert listed(services, "reward INT8 done")[0] == [done]
    assert listed(services, "seed=7")[0] == [done]
    assert listed(services, "#keep")[0] == listed(services, "first try")[0] == [sft]
    ids, count, *_ = listed(services, "nothing like this")
    assert ids == [] and T("runs.count", shown=0, all=3) in count


def test_runs_can_be_found_by_the_words_of_the_chinese_page(services):
    make_run(services.workspace, error="x")
    done = make_run(services.workspace)
    records = services.runs.list()
    zh = Texts("zh")
    assert [r.id for r in run_list.matching(records, zh("status.done"), zh)] == [done.id]


def test_a_deleted_run_leaves_the_choices(services):
    run, other = make_run(services.workspace), make_run(services.workspace)
    delete(services.workspace, other.id)
    _, _, choice, kept = listed(services, picked=[run.id, other.id], current=other.id)
    assert choice == run.id and kept == [run.id]


def test_what_depends_on_a_run_is_named_before_it_is_deleted(services):
    sft = make_run(services.workspace)
    reward = make_run(services.workspace, "reward", precision="int4")
    reward.change(parents=Parents.from_json({"sft": sft.id}, "int4"))
    warning, confirm = run_actions.ask(services, sft.id, T)
    assert confirm.visible and T("delete.depends") in warning and reward.id[-4:] in warning
    warning, _ = run_actions.ask(services, reward.id, T)
    assert T("delete.alone") in warning


def test_a_live_run_is_not_offered_for_deletion(services):
    run = Run.create(services.workspace, "sft", build("sft", "tiny"))
    run.start_attempt()
    with pytest.raises(UserError, match="cancel it first"):
        run_actions.ask(services, run.id, T)
