"""`study FILE.yaml`: the order of runs, what is kept and resumed, and the report; the stages are stubs."""

import dataclasses
import json
import re
import shutil

import little_study
import pytest
from little_study import DESIGN, FakeProcesses

from data.errors import UserError
from data.files import read_json
from data.workspace import Workspace
from pipeline.commands import execute as stages
from pipeline.commands.cli import main
from pipeline.commands.study import folder_of
from pipeline.commands.study_progress import newest, progress
from pipeline.commands.study_report import findings_of, report_file
from pipeline.commands.study_run import run_study
from pipeline.runs import locks
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from pipeline.settings.study import read_design

pytest_plugins = ("little_study",)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """The workspace and the processes of a study that ran to its end, two stages at a time."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "study.yaml").write_text(DESIGN)
    workspace, processes = Workspace(folder / "workspace").create(), FakeProcesses()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "_call", little_study.result)
        assert run_study(workspace, folder / "study.yaml", jobs=2, processes=processes) == 0
    return workspace, processes


@pytest.fixture
def finished(first_run, workspace):
    """A copy of that workspace, for one test."""
    shutil.copytree(first_run[0].root, workspace.root, dirs_exist_ok=True)
    return workspace


def runs_of(workspace):
    return newest(list_runs(folder_of(workspace, "two-arms")))


def test_a_study_runs_replicate_by_replicate(workspace, file, capsys):
    processes = FakeProcesses()
    assert run_study(workspace, file, jobs=1, processes=processes) == 0
    assert processes.began == [run.name for run in read_design(file).runs(3)]
    assert "== 0 of 55 done; now common prompts: prepare" in capsys.readouterr().out
    assert list_runs(workspace) == []  # the runs of a study are its own


def test_every_run_of_a_study_has_one_thread_whatever_runs_beside_it(workspace, file, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with pytest.raises(KeyboardInterrupt):
        run_study(workspace, file, jobs=1, processes=FakeProcesses(stop_at=5))
    runs = list_runs(folder_of(workspace, read_design(file).name))
    assert len(runs) == 5 and {run.attempt.threads for run in runs} == {1}


def test_a_finished_study_is_not_run_again(finished, file):
    again = FakeProcesses()
    assert run_study(finished, file, jobs=1, processes=again) == 0
    assert again.began == []


def test_each_run_has_the_parents_of_its_arm(first_run):
    workspace, processes = first_run
    assert processes.most == 2
    found = runs_of(workspace)

    def names(run, *roles):
        parents = found[run].parents.to_json()
        by_id = {record.id: name for name, record in found.items()}
        return [by_id[parents[role]] for role in roles]

    assert names("r001-ppo-int4-kl0.1", "sft", "reward") == ["r001-sft", "r001-reward-int4"]
    assert names("r001-ppo-post-int8-kl0.1", "reward") == ["r001-reward-bf16"]
    assert found["r001-ppo-post-int8-kl0.1"].config["scoring"] == "int8"
    assert "reward" not in found["r001-ppo-bag-of-words-kl0.1"].parents.to_json()
    assert names("r001-measure-2-bit-kl0.1", "sft", "ppo") == ["r001-sft", "r001-ppo-2-bit-kl0.1"]
    assert names("r001-measure", "sft") == ["r001-sft"]


def test_a_stopped_study_goes_on_where_it_was(workspace, file):
    with pytest.raises(KeyboardInterrupt):
        run_study(workspace, file, jobs=1, processes=FakeProcesses(stop_at=9))
    inner = folder_of(workspace, "two-arms")
    lost = Run.create(
        inner,
        "reward",
        build("reward", precision="int4", overrides=["name=r000-reward-int4", "dataset=r000"]),
    )
    lost.start_attempt()
    lost.cancel()
    later = FakeProcesses()
    assert run_study(workspace, file, jobs=1, processes=later) == 0
    everything = [run.name for run in read_design(file).runs(3)]
    assert [name.removeprefix("resume ") for name in later.began] == sorted(
        set(everything) - set(everything[:9]) | {"r000-reward-int4"}, key=everything.index
    )
    assert "resume r000-reward-int4" in later.began


def test_a_failed_arm_costs_its_replicate_only_that_arm(workspace, file, capsys):
    processes = FakeProcesses(fail={"r001-reward-int4"})
    assert run_study(workspace, file, jobs=1, processes=processes) == 1
    assert "r001-ppo-int4-kl0.1" not in processes.began
    assert "replicate 1: ppo int4 kl_coef 0.1: left out" in capsys.readouterr().out
    content = read_json(workspace.study("two-arms") / "report.json")
    int4 = content["findings"]["arms"][0]
    assert (int4["arm"], int4["replicates"], int4["absent"]) == ("int4", [0, 2], [1])
    assert content["progress"]["failed"] == ["r001-reward-int4"]


def test_the_report_has_the_verdict_and_every_figure_follows_from_its_json(first_run):
    workspace, _ = first_run
    folder = workspace.study("two-arms")
    content = read_json(folder / "report.json")
    found = content["findings"]
    # At 2 nats, between sqrt(1) and sqrt(2.5): gold of bf16 is 0.65 + 0.7128 * 0.15, that of int4 0.002 less
    # at the far end.
    share = (2**0.5 - 1) / (2.5**0.5 - 1)
    assert found["gains"] == pytest.approx([0.15 + share * 0.15] * 3)
    int4, again, control, post, words = found["arms"]
    assert int4["mean"] == pytest.approx(-0.002 * share) and int4["outcome"] == "equivalent"
    assert [again["role"], control["role"], post["role"], words["role"]] == [
        "again", "control", "described", "described",
    ]  # fmt: skip
    assert control["mean"] == pytest.approx(-0.2 * share)
    assert "the same gold" in found["sentence"] and not found["partial"]
    assert "up to 20.0% of the prompts are training prompts" in found["limits"][1]
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(dataclasses.asdict(findings_of(content))))
    page = (folder / "report.html").read_text()
    assert found["sentence"].split(",")[0] in page and content["sha256"] in page
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page)


def test_a_partial_report_uses_complete_replicates_and_says_so(workspace, file):
    whole = [run.name for run in read_design(file).runs(3)]
    with pytest.raises(KeyboardInterrupt):
        run_study(workspace, file, jobs=1, processes=FakeProcesses(stop_at=whole.index("r002-sft")))
    assert report_file(workspace, file).startswith("Partial result of 2 of 3 planned replicates")
    assert progress(read_design(file), runs_of(workspace), 3).replicates == (0, 1)
    page = (workspace.study("two-arms") / "report.html").read_text()
    assert "2 of 3 replicates are complete" in page


def test_before_two_replicates_there_is_no_verdict(workspace, file, capsys):
    assert main(["study", str(file), "--report", "--workspace", str(workspace.root)]) == 2
    assert "has not been begun" in capsys.readouterr().err
    whole = [run.name for run in read_design(file).runs(3)]
    with pytest.raises(KeyboardInterrupt):
        run_study(workspace, file, jobs=1, processes=FakeProcesses(stop_at=whole.index("r001")))
    assert "There is no verdict yet: 1 of 1 replicates" in report_file(workspace, file)


@pytest.mark.parametrize(
    ("noise", "replicates"),
    [
        pytest.param(0.001, 3, marks=pytest.mark.slow),
        (0.03, 5),
        pytest.param(0.3, 6, marks=pytest.mark.slow),
    ],
)
def test_the_number_of_replicates_is_estimated_once_after_the_pilot(
    workspace, file, monkeypatch, noise, replicates
):
    # Paired differences of 0 and `noise` times 0.71; the margin is 0.026.
    monkeypatch.setattr(little_study, "NOISE", (0.0, noise, -noise))
    file.write_text(DESIGN + "most: 6\n")
    processes = FakeProcesses()
    run_study(workspace, file, jobs=1, processes=processes)
    size = read_json(workspace.study("two-arms") / "size.json")
    assert (size["replicates"], size["pilot"]) == (replicates, 2)
    assert f"r{replicates - 1:03d}" in processes.began and f"r{replicates:03d}" not in processes.began
    content = read_json(workspace.study("two-arms") / "report.json")
    assert content["progress"]["replicates"] == list(range(replicates))
    assert not content["findings"]["partial"]
    again = FakeProcesses()
    run_study(workspace, file, jobs=1, processes=again)
    assert again.began == []


def test_a_changed_design_is_refused_and_nothing_runs(finished, file):
    file.write_text(DESIGN + "margin: 0.2\n")
    processes = FakeProcesses()
    for command in (lambda: run_study(finished, file, jobs=1, processes=processes),
                    lambda: report_file(finished, file)):  # fmt: skip
        with pytest.raises(UserError, match="two-arms"):
            command()
    assert processes.began == []


def test_while_a_study_runs_no_other_stage_starts(workspace, file):
    refused = []

    class Intruded(FakeProcesses):
        def wait(self, processes):
            if len(self.began) in (1, 28, 55):
                with pytest.raises(UserError) as error:
                    stages.execute("prepare", build("prepare"), workspace)
                refused.append(str(error.value))
            return super().wait(processes)

    run_study(workspace, file, jobs=1, processes=Intruded())
    assert all("`study two-arms` (process" in told for told in refused) and len(refused) == 3
    assert locks.holder(locks.training_lock(workspace)) is None


def test_measurements_on_other_prompts_are_not_mixed(finished, file):
    run = Run.load(folder_of(finished, "two-arms"), runs_of(finished)["r001-measure"].id)
    run.change(results={**run.record.results, "prompts_sha256": "others"})
    with pytest.raises(UserError, match="answered different prompts"):
        report_file(finished, file)
