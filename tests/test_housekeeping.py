"""Deleting runs: dependent runs are named first, and a kill in between leaves no partly deleted run."""

import os

import pytest

from data.errors import UserError
from pipeline.commands import housekeeping
from pipeline.commands.cli import main
from pipeline.runs import checkpoints
from pipeline.runs.leftovers import remove_unfinished
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build

pytestmark = pytest.mark.faults(57)


@pytest.fixture
def chain(workspace):
    """{name: id}: sft <- reward <- ppo finished, one failed sft and one running sft."""
    made = {}

    def run(name, stage, end, **parents):
        one = Run.create(workspace, stage, build(stage, "tiny"), Parents.from_json(parents, "bf16"))
        one.start_attempt()
        checkpoints.save(one.checkpoints_dir, 1, lambda path: (path / "state").write_text("x" * 1000))
        end(one)
        made[name] = one.id

    run("sft", "sft", lambda one: one.finish({}))
    run("reward", "reward", lambda one: one.finish({}), sft=made["sft"])
    run("ppo", "ppo", lambda one: one.finish({}), sft=made["sft"], reward=made["reward"])
    run("evaluate", "evaluate", lambda one: one.finish({}), sft=made["sft"], ppo={"bf16": made["ppo"]})
    run("failed", "sft", lambda one: one.fail("broken"))
    run("running", "sft", lambda one: None)
    return made


def ids(workspace):
    return {run.id for run in list_runs(workspace)}


def test_a_run_with_dependents_is_deleted_only_with_yes_and_these_are_named(workspace, chain, capsys):
    command = ["delete", chain["sft"], "--workspace", str(workspace.root)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert all(chain[name] in said for name in ("reward", "ppo", "evaluate")) and "--yes" in said
    assert ids(workspace) == set(chain.values())
    assert main([*command, "--yes"]) == 0
    assert chain["evaluate"] in capsys.readouterr().out
    assert ids(workspace) == set(chain.values()) - {chain["sft"]}


def test_a_run_without_dependents_is_deleted_at_once(workspace, chain):
    assert housekeeping.delete(workspace, chain["evaluate"]) == []
    assert chain["evaluate"] not in ids(workspace)


def test_a_running_or_unknown_run_is_not_deleted(workspace, chain):
    with pytest.raises(UserError, match="is running; `cancel"):
        housekeeping.delete(workspace, chain["running"], yes=True)
    for name in ("20260101T000000Z-sft-bf16-0000", "../experiments"):
        with pytest.raises(UserError):
            housekeeping.delete(workspace, name, yes=True)


def test_a_run_whose_record_is_damaged_can_be_deleted(workspace, chain):
    (workspace.run(chain["failed"]) / "run.json").write_text("{")
    housekeeping.delete(workspace, chain["failed"])
    assert not workspace.run(chain["failed"]).exists()


def test_gc_lists_first_and_then_removes_unfinished_runs_and_old_checkpoints(workspace, chain, capsys):
    command = ["gc", "--workspace", str(workspace.root)]
    assert main(command) == 0
    assert "--yes removes it" in capsys.readouterr().out
    assert ids(workspace) == set(chain.values())
    assert main([*command, "--yes"]) == 0
    assert ids(workspace) == set(chain.values()) - {chain["failed"]}
    left = {run_id for run_id in ids(workspace) if (workspace.run(run_id) / "checkpoints").exists()}
    assert left == {chain["running"]}
    assert not [name for name in os.listdir(workspace.root) if name.startswith(".deleted")]


def test_a_kill_during_a_deletion_leaves_no_part_of_the_run(workspace, chain, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(housekeeping.shutil, "rmtree", killed)
        housekeeping.delete(workspace, chain["failed"])
    assert chain["failed"] not in ids(workspace)
    assert len(remove_unfinished(workspace)) == 1
