"""`all`: the order of stages, which are skipped or repeated, several seeds, and the final table."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from data.errors import UserError
from data.policies import PRECISIONS
from pipeline.commands import execute as stages
from pipeline.commands.chain import run_everything
from pipeline.commands.comparison_table import comparison
from pipeline.runs.child import child_environment
from pipeline.runs.reader import list_runs
from pipeline.settings.layers import build

CHAIN = ["prepare bf16", "sft bf16", "reward bf16", "reward int8", "reward int4", "ppo bf16", "ppo int8",
         "ppo int4", "evaluate bf16"]  # fmt: skip


@pytest.fixture
def everything(workspace, monkeypatch):
    """everything(fail={"reward int8"}, ...) -> (exit code, started stages in order); the stages are stubs."""

    def result(row, settings, run, workspace):
        if row.name == "prepare":
            name = settings.name or "tiny"
            workspace.dataset(name).mkdir(exist_ok=True)
            (workspace.dataset(name) / "train_prefs.jsonl").write_text("")
            sha256 = workspace.votes_db.read_text() if name == "votes" else "same"
            return {"dataset": name, "sha256": sha256}
        gold = 0.9 if settings.seed == 42 else 0.7
        if row.name == "ppo" and (settings.seed, settings.precision) == (43, "int4"):
            gold += 0.02
        return {"accuracy": 0.75} if row.name == "reward" else {"score_gain": 0.5, "gold_mean": gold}

    monkeypatch.setattr(stages, "_call", result)

    def inner(fail=(), jobs=1, **options):
        processes = FakeProcesses(set(fail))
        code = run_everything(workspace, processes=processes, jobs=jobs, **options)
        assert not processes.open
        return code, processes.began

    return inner


@dataclass(eq=False)
class Ended:
    exitcode: int


class FakeProcesses:
    """Runs each stage in this process at its start and reports it as running until `wait` returns it."""

    def __init__(self, fail):
        self.fail, self.began, self.open, self.companies, self.most = fail, [], [], [], 0

    def start(self, workspace, stage, preset, precision, overrides, company):
        self.began.append(f"{stage} {precision}")
        self.companies.append(company)
        code = 1 if self.began[-1] in self.fail else 0
        if not code:
            settings = build(stage, preset, precision=precision, overrides=overrides)
            stages.execute(stage, settings, workspace, company=company)
        self.open.append(Ended(code))
        self.most = max(self.most, len(self.open))
        return self.open[-1]

    def wait(self, processes):
        assert set(processes) == set(self.open)
        return [self.open.pop(0)]


def test_everything_runs_in_order_once(everything, capsys):
    assert everything() == (0, CHAIN)
    assert everything() == (0, [])
    shown = capsys.readouterr().out
    assert "every stage is done and up to date" in shown
    table = [line.split()[0] for line in shown.splitlines() if " 0.900 " in line]
    assert table[-3:] == ["bf16", "int8", "int4"]


def test_stages_that_do_not_depend_on_each_other_run_in_parallel(workspace, everything):
    processes = FakeProcesses(set())
    assert run_everything(workspace, processes=processes, jobs=2) == 0
    assert processes.most == 2
    assert sorted(processes.began) == sorted(CHAIN)
    order = processes.began.index
    assert processes.began[:2] == CHAIN[:2] and processes.began[-1] == CHAIN[-1]
    assert all(order(f"reward {arm}") < order(f"ppo {arm}") for arm in ("bf16", "int8", "int4"))
    assert processes.companies == [1, 1, 2, 2, 2, 2, 2, 2, 1]


def test_all_holds_the_training_lock_against_other_stages(workspace, everything, monkeypatch):
    refused = []

    class Intruded(FakeProcesses):
        def wait(self, processes):
            with pytest.raises(UserError) as error:
                stages.execute("prepare", build("prepare"), workspace)
            refused.append(str(error.value))
            return super().wait(processes)

    run_everything(workspace, processes=Intruded(set()), jobs=2)
    assert len(refused) == 9 and all("`all` (process" in told for told in refused)
    stages.execute("prepare", build("prepare"), workspace)


@pytest.mark.faults(55)
def test_all_removes_what_killed_stages_left_unfinished(everything, workspace):
    unfinished = [
        workspace.run("r1") / "checkpoints" / ".staging-00000000",
        workspace.cache / "tokens" / f"{'a' * 32}.123",
        workspace.root / ".deleted-r2",
    ]
    for path in unfinished:
        path.mkdir(parents=True)
    assert everything() == (0, CHAIN)
    assert [path for path in unfinished if path.exists()] == []


@pytest.mark.faults(67)
def test_all_touches_nothing_while_a_stage_of_a_killed_all_goes_on(everything, workspace):
    orphan = stages.Run.create(workspace, "sft", build("sft"))
    orphan.start_attempt()
    staging = orphan.checkpoints_dir / ".staging-00000000"
    staging.mkdir(parents=True)
    with pytest.raises(UserError, match=orphan.id):
        everything()
    assert staging.exists()


def test_each_stage_runs_in_its_own_process(workspace):
    """With real processes: preloaded modules, exit codes, last lines and the stages that are left out."""
    command = [sys.executable, "-m", "pipeline", "all", "--workspace", str(workspace.root), "--set"]
    done = subprocess.run(
        [*command, "prepare.train_rows=20", "prepare.validation_rows=5", "prepare.test_rows=5",
         "sft.base_model=/there/is/none"],
        capture_output=True, text=True, env=child_environment(),
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "/there/is/none" in done.stderr and "Traceback" not in done.stderr
    assert "reward int8: left out, because sft bf16 failed" in done.stdout
    assert done.stdout.count("left out") == 7
    assert "nothing to compare yet" in done.stdout
    runs = {run.stage: run for run in list_runs(workspace)}
    assert runs["prepare"].status == "done"
    assert str(workspace.run(runs["prepare"].id) / "run.json") in done.stdout.splitlines()


def test_a_failed_precision_does_not_stop_the_others(everything, capsys):
    code, began = everything(fail={"reward int8"})
    assert code == 1
    assert began == [step for step in CHAIN if step != "ppo int8"]
    assert "ppo int8: left out, because reward int8 failed" in capsys.readouterr().out
    assert everything() == (0, ["reward int8", "ppo int8", "evaluate bf16"])


@pytest.mark.parametrize("failed", [0, 1])
def test_after_a_failed_prepare_or_sft_no_other_stage_starts(everything, failed, capsys):
    assert everything(fail={CHAIN[failed]}) == (1, CHAIN[: failed + 1])
    assert capsys.readouterr().out.count(f"left out, because {CHAIN[failed]} failed") == 8 - failed


def test_a_changed_setting_repeats_its_stage_and_those_that_depend_on_it(everything, workspace):
    everything()
    assert everything(overrides=["ppo.max_steps=3"]) == (0, CHAIN[5:])
    assert list_runs(workspace)[1].config["max_steps"] == 3
    assert everything(overrides=["ppo.max_steps=3"]) == (0, [])
    assert everything(overrides=["sft.learning_rate=1e-5"]) == (0, CHAIN[1:])


def test_a_bare_field_goes_to_every_stage_that_has_it(everything, workspace):
    everything(overrides=["max_steps=4", "reward.max_steps=5"])
    steps = {run.stage: run.config.get("max_steps") for run in list_runs(workspace)}
    assert steps == {"prepare": None, "sft": 4, "reward": 5, "ppo": 4, "evaluate": None}


def test_a_config_file_has_one_section_per_stage(everything, workspace, tmp_path):
    (tmp_path / "all.yaml").write_text("learning_rate: 1e-5\nppo:\n  max_steps: 6\n")
    everything(config_file=str(tmp_path / "all.yaml"), overrides=["ppo.learning_rate=2e-5"])
    configs = {run.stage: run.config for run in list_runs(workspace)}
    assert configs["ppo"]["max_steps"] == 6 and configs["ppo"]["learning_rate"] == 2e-5
    assert configs["sft"]["learning_rate"] == 1e-5


def test_seeds_do_not_mix(everything, workspace):
    code, began = everything(seeds=2)
    assert (code, len(began)) == (0, 1 + 2 * 8)
    runs = {run.id: run for run in list_runs(workspace)}
    for run in runs.values():
        parents = [run.parents.sft, *(run.parents.rewards.values() if run.stage == "ppo" else ())]
        assert all(runs[parent].seed == run.seed for parent in parents if parent)
    assert everything(seeds=2) == (0, [])


def test_all_from_votes_keeps_sft_and_trains_again_only_where_there_are_new_votes(everything, workspace):
    everything()
    before = {run.stage: run for run in reversed(list_runs(workspace))}
    workspace.votes_db.write_text("first votes")
    from_votes = ["prepare bf16", *CHAIN[2:]]
    assert everything(overrides=["source=votes"]) == (0, from_votes)
    newest = {run.stage: run for run in reversed(list_runs(workspace))}
    assert {newest[stage].parents.sft for stage in ("reward", "ppo", "evaluate")} == {before["sft"].id}
    assert newest["reward"].parents.dataset == "votes"
    assert newest["reward"].parents.runs["start"] == before["reward"].id
    assert newest["ppo"].parents.dataset == newest["evaluate"].parents.dataset == "tiny"
    assert newest["ppo"].parents.rewards == {"int4": newest["reward"].id}
    assert everything(overrides=["source=votes"]) == (0, ["prepare bf16"])
    assert everything() == (0, []), "votes make no other run stale"
    workspace.votes_db.write_text("first votes and new ones")
    assert everything(overrides=["source=votes"]) == (0, from_votes)


def test_reward_models_from_votes_can_start_from_sft(everything, workspace):
    everything()
    workspace.votes_db.write_text("votes")
    everything(overrides=["source=votes", "reward.start=sft", "reward.epochs=5"])
    reward = next(run for run in list_runs(workspace) if run.stage == "reward")
    assert "start" not in reward.parents.runs and reward.config["epochs"] == 5


def test_all_from_votes_needs_votes_and_prompts(everything, workspace):
    with pytest.raises(UserError, match="vote first"):
        everything(overrides=["source=votes"])
    workspace.votes_db.write_text("votes")
    with pytest.raises(UserError, match="no data set of the preset tiny"):
        everything(overrides=["source=votes"])


def test_several_seeds_are_summarised(everything, workspace):
    everything(seeds=2)
    header, *rows = comparison(workspace, "tiny", range(42, 44)).splitlines()
    assert [row.split()[:2] for row in rows[:6]] == [[p, s] for s in ("42", "43") for p in PRECISIONS]
    place = slice(header.index("  gold"), header.index("  gold") + 6)
    # Gold of bf16: 0.9 and 0.7. That of int4 is larger by 0 and 0.02: a mean of 0.01 with a standard error of
    # 0.01; the t quantile with one degree of freedom is 12.706.
    found = [(row.split()[:2], row[place].strip()) for row in rows[6:]]
    assert found[0] == (["bf16", "mean"], "0.800")
    assert found[1:4] == [(["int8", "mean"], "0.800"), (["int8", "-bf16"], "0.000"), (["±95", "%"], "0.000")]
    assert found[4:] == [(["int4", "mean"], "0.810"), (["int4", "-bf16"], "0.010"), (["±95", "%"], "0.127")]
    assert "mean" not in comparison(workspace, "tiny")


def test_one_precision_alone(everything):
    assert everything(precision="int8")[1] == [
        "prepare bf16", "sft bf16", "reward int8", "ppo int8", "evaluate bf16",
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", ["ppo.nonsense=1", "nowhere.max_steps=1", "nonsense=1", "ppo.max_steps=x"])
def test_a_wrong_setting_is_reported_before_anything_runs(everything, workspace, wrong):
    with pytest.raises(UserError):
        everything(overrides=[wrong])
    assert list_runs(workspace) == []
