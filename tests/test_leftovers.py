"""Unfinished files of killed processes, and only these, are removed when the app or a stage starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands.execute import execute
from pipeline.runs.jobs import JobRunner
from pipeline.runs.leftovers import remove_temporary, remove_unfinished
from pipeline.settings.layers import build

pytestmark = pytest.mark.faults(55)
ROOT = Path(__file__).resolve().parent.parent

KILLED = """
import os, sys
from data import files
files.os.replace = lambda *_: os.kill(os.getpid(), 9)
files.write_atomic(sys.argv[1], "half")
"""


def kill_in_a_write(path):
    """Kill a process between writing its temporary file and renaming it; returns that file."""
    before = set(path.parent.iterdir())
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT).returncode == -9
    (left,) = set(path.parent.iterdir()) - before
    return left


def test_a_temporary_file_of_a_killed_process_is_removed_and_that_of_a_living_one_stays(workspace):
    run = workspace.run("r1")
    (run / "model").mkdir(parents=True)
    dead = [
        kill_in_a_write(folder / "x.json")
        for folder in (workspace.root, workspace.arena, workspace.experiments, run, run / "model")
    ]
    living = run / f".{os.getpid()}-{'0' * 12}.tmp"
    living.write_text("")
    foreign = run / ".mine.tmp"
    foreign.write_text("")
    assert set(remove_temporary(workspace)) == set(dead)
    assert living.exists() and foreign.exists()


def test_the_app_removes_them_at_its_start(workspace):
    left = kill_in_a_write(workspace.experiments / "x.json")
    JobRunner(workspace).close()
    assert not left.exists()


def test_a_stage_removes_what_other_stages_left_unfinished(workspace, tmp_path):
    for split in ("one", "two"):
        (workspace.datasets / split).mkdir()
    unfinished = [
        workspace.datasets / ".one~00000000.new",
        workspace.datasets / ".one~00000001.old",
        workspace.run("r1") / "checkpoints" / ".staging-00000000",
        workspace.cache / "tokens" / f"{'a' * 32}.123",
        workspace.root / ".deleted-r2",
    ]
    kept = [
        workspace.run("r1") / "checkpoints" / "checkpoint-4",
        workspace.cache / "tokens" / ("b" * 32),
        workspace.datasets / ".notes",
    ]
    for path in (*unfinished, *kept):
        path.mkdir(parents=True)
    source = tmp_path / "pairs.jsonl"
    source.write_text('{"prompt": "hi", "chosen": "a", "rejected": "b"}\n')
    execute("prepare", build("prepare", "tiny", overrides=[f"source={source}"]), workspace)
    assert [path for path in unfinished if path.exists()] == []
    assert all(path.exists() for path in kept)


def test_a_data_set_set_aside_comes_back_only_where_there_is_none(workspace):
    aside = workspace.datasets / ".mine~0a0a0a0a.old"
    aside.mkdir()
    (aside / "dataset.json").write_text("{}")
    assert remove_unfinished(workspace) == []
    assert (workspace.dataset("mine") / "dataset.json").exists()
