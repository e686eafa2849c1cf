"""The Study tab and its launcher: plan, progress, verdict, start and stop."""

import re
import sys
from types import SimpleNamespace

import pytest
from little_study import FakeProcesses
from waiting import eventually

from data.errors import UserError
from pipeline.commands import study_launch
from pipeline.commands.study import Share, recorded
from pipeline.commands.study_progress import begun, running
from pipeline.commands.study_run import run_study
from pipeline.runs import locks, processes
from pipeline.runs.reader import RunReader
from pipeline.settings.study import read_design
from ui import study_plan, study_tab
from ui.texts import Texts

pytest_plugins = ("little_study",)

T = Texts("en")


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace, runs=RunReader(workspace))


def test_every_ready_made_design_is_valid_and_has_its_plan(services):
    designs = study_launch.ready_made()
    assert {"mini", "pilot", "quantised"} <= set(designs)
    for name, path in designs.items():
        assert read_design(path).name == name
        for language in ("en", "zh"):
            plan = study_plan.plan_html(services, name, Texts(language))
            assert f"python -m pipeline study studies/{name}.yaml" in plan


def test_the_plan_counts_the_runs_of_each_kind_and_names_the_run_behind_an_estimate():
    shares = [Share("prepare", 3, None, ""), Share("ppo int4", 4, 1800.0, "20261126T205200Z-ppo-int4-22cb")]
    rows = re.findall(r"<tr>(.*?)</tr>", study_plan.runs_table(shares, T))
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows[1:]]
    assert cells == [
        ["Data", "3", "?", "no run like it yet"],
        ["PPO int4", "4", "2.00", "#22cb"],
        ["In all, one run at a time", "7", "2.00", "at least"],
    ]


def test_an_empty_workspace_has_nothing_to_show(services):
    assert "No study has been begun" in study_tab.show(services, {}, "", None, T)[3]


def test_progress_and_verdict_are_shown_and_unchanged_ones_are_skipped(services, file):
    with pytest.raises(KeyboardInterrupt):
        run_study(services.workspace, file, jobs=1, processes=FakeProcesses(stop_at=10))
    readers = {}
    seen, _, stop, card, body, *_ = study_tab.show(services, readers, "", None, T)
    assert "10 of 55 runs" in card and "0 of 3 replicates complete" in card
    assert not stop.visible and not body.visible
    assert study_tab.show(services, readers, seen, None, T)[3] == {"__type__": "update"}
    run_study(services.workspace, file, jobs=1, processes=FakeProcesses())
    _, _, _, card, body, forest, over_kl = study_tab.show(services, readers, seen, "two-arms", T)
    assert "55 of 55 runs" in card and "the same gold" in card and "report.html" in card
    assert body.visible and len(forest.data) > 0 and len(over_kl.data) > 0
    chinese = study_tab.show(services, {}, "", "two-arms", Texts("zh"))[3]
    assert "int4：与基准等效" in chinese and '<details lang="en">' in chinese


def test_the_chinese_page_words_a_report_itself():
    arm = {"arm": "int4", "role": "treatment", "outcome": "worse", "replicates": [1, 2, 3]}
    figures = {"mean": -0.0514, "low": -0.081, "high": -0.022}
    found = {"partial": "Partial.", "sentence": "At 2 nats.", "limits": ["One.", "Two.", "Three."]}
    told = study_tab.result_html(found | {"arms": [arm | figures]}, Texts("zh"))
    assert (
        "部分结果" in told
        and "int4：标准奖励低于基准。差 -0.051，95% 区间 -0.081 到 -0.022（3 次重复）" in told
    )
    assert told.index("int4") < told.index("At 2 nats.")
    unknown = arm | dict.fromkeys(figures) | {"replicates": [1]}
    assert "可比较的重复只有 1 次" in study_tab.result_html(found | {"arms": [unknown]}, Texts("zh"))
    assert "目前还没有结论" in study_tab.result_html(found | {"partial": "", "arms": []}, Texts("zh"))
    assert "结论" not in study_tab.result_html(found | {"arms": []}, T)


def test_a_damaged_design_is_reported(services, file):
    study_launch.study.record(services.workspace, read_design(file))
    (services.workspace.study("two-arms") / "design.json").write_text("{}")
    assert "is not the record of a design" in study_tab.show(services, {}, "", None, T)[3]


def waits(workspace, file):
    """A command that holds the lock as a study does, until it is asked to stop."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from data.workspace import Workspace\n"
        "from pipeline.runs import locks\n"
        "with locks.hold(locks.training_lock(Workspace(Path(sys.argv[1]))), stage='study two-arms'):\n"
        "    time.sleep(600)\n"
    )
    return [sys.executable, "-c", code, str(workspace.root)]


def test_a_study_is_started_in_the_background_and_stopped(workspace, file):
    pid = study_launch.start(workspace, file, command=waits)
    assert begun(workspace) == ("two-arms",) and recorded(workspace, "two-arms").name == "two-arms"
    eventually(lambda: running(workspace) == "two-arms")
    holder = locks.holder(locks.training_lock(workspace))
    with pytest.raises(UserError, match="study two-arms is running"):
        study_launch.start(workspace, file, command=waits)
    study_launch.stop(workspace)
    eventually(lambda: not processes.alive(pid, holder["process_started"]))
    assert running(workspace) == ""
    study_launch.stop(workspace)  # nothing runs: nothing happens
