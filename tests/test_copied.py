"""A model that becomes a run's own is durable first; a copy that fails leaves a failed run and a reason."""

import errno
import shutil

import pytest

from data.errors import Code, UserError
from pipeline.runs import copied
from pipeline.runs.reader import read_run
from pipeline.runs.record import Run
from pipeline.settings.layers import build


@pytest.fixture
def run(workspace):
    run = Run.create(workspace, "sft", build("sft"))
    run.start_attempt()
    return run


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model.json").write_text("{}")
    return tmp_path / "made"


def test_the_copy_is_synced(run, folder, monkeypatch):
    synced = []
    monkeypatch.setattr(copied, "sync_tree", synced.append)
    copied.copy_model(folder, run)
    assert (run.model_dir / "model.json").read_text() == "{}" and synced == [run.model_dir]


@pytest.mark.parametrize("number, code", [(errno.ENOSPC, Code.DISK_FULL), (errno.EACCES, Code.WORKSPACE)])
def test_a_copy_that_fails_is_a_failed_run_with_its_reason(workspace, run, folder, monkeypatch, number, code):
    def refuse(*paths):
        raise OSError(number, "refused")

    monkeypatch.setattr(shutil, "copytree", refuse)
    with pytest.raises(UserError) as error:
        copied.copy_model(folder, run)
    record = read_run(workspace, run.id)
    assert (error.value.code, record.status, record.error_code) == (code, "failed", code)
