"""The files that a record mentions are on disk before the record: the order of syncs, renames and removals.

A kill cannot reveal a missing fsync, because the page cache survives it; the tests record the calls instead.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from little_training import run_stage, write_dataset

from pipeline.runs import checkpoints

pytestmark = [
    pytest.mark.faults(53),
    pytest.mark.usefixtures("nondeterministic_after"),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to name the synced files"),
]


@pytest.fixture
def calls(monkeypatch):
    """[("sync" | "rename" | "remove", path)] in order; "done" renames a run.json whose status is done."""
    seen = []
    sync, rename, remove = os.fsync, os.replace, shutil.rmtree

    def fsync(handle):
        seen.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    def replace(source, target):
        if Path(target).name == "run.json" and json.loads(Path(source).read_text())["status"] == "done":
            seen.append(("done", str(target)))
        else:
            seen.append(("rename", str(target)))
        rename(source, target)

    def rmtree(path, *args, **kwargs):
        seen.append(("remove", str(path)))
        remove(path, *args, **kwargs)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    return seen


@pytest.fixture
def sft(workspace, random_base, calls):
    """A run that saved two checkpoints more than are kept."""
    write_dataset(workspace)
    run = run_stage(workspace, "sft", random_base, save_steps=1)
    assert sorted(path.name for path in run.checkpoints_dir.iterdir()) == ["checkpoint-3", "checkpoint-4"]
    return run


def test_final_weights_and_logs_are_on_disk_before_the_record_says_done(sft, calls):
    before = calls[: calls.index(("done", str(sft.folder / "run.json")))]
    for name in ("adapter_model.safetensors", "adapter_config.json", "model.json"):
        renamed = before.index(("rename", str(sft.model_dir / name)))
        assert before[renamed - 1][0] == "sync" and before[renamed - 1][1].endswith(".tmp"), name
        assert ("sync", str(sft.model_dir)) in before[renamed:], name
    assert ("sync", str(sft.folder)) in before[renamed:]
    last_row = max(k for k, call in enumerate(before) if call == ("sync", str(sft.folder / "metrics.jsonl")))
    assert last_row > renamed


def test_the_checkpoints_folder_is_synced_before_an_older_checkpoint_is_removed(sft, calls):
    removed = [k for k, (kind, path) in enumerate(calls) if kind == "remove" and "/checkpoint-" in path]
    assert len(removed) == 2
    for k in removed:
        newest = int(Path(calls[k][1]).name.partition("-")[2]) + 2
        manifest = sft.checkpoints_dir / f"checkpoint-{newest}" / checkpoints.MANIFEST
        sealed = calls.index(("rename", str(manifest)))
        assert ("sync", str(sft.checkpoints_dir)) in calls[sealed:k]
        assert ("sync", str(sft.folder / "metrics.jsonl")) in calls[:sealed]


def test_a_new_runs_name_is_on_disk_before_it_starts(workspace, sft, calls):
    assert calls.index(("sync", str(workspace.runs))) < calls.index(("rename", str(sft.folder / "run.json")))


def test_a_complete_checkpoint_has_its_name_on_disk_before_older_ones_are_removed(tmp_path, calls):
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, lambda path: (path / "state").write_text("x"), keep=2)
    named = calls.index(("rename", str(tmp_path / "checkpoint-3")))
    gone = calls.index(("remove", str(tmp_path / "checkpoint-1")))
    assert ("sync", str(tmp_path)) in calls[named:gone]
