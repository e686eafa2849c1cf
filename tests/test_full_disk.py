"""A full disk: whichever write fails, the run ends as "failed: disk full" without a traceback and can be
resumed once there is space. The tests use a real file system of a few MB where mounting is allowed; one test,
which needs no mount, injects the error."""

import errno
import json
import os
import shutil
import subprocess
from types import SimpleNamespace

import psutil
import pytest
from waiting import eventually

from data import files
from data.errors import Code, UserError
from data.workspace import Workspace
from pipeline.commands import execute as stages
from pipeline.commands.foreground import exit_code
from pipeline.runs import checkpoints
from pipeline.runs.jobs import JobRunner
from pipeline.runs.reader import read_run, tail_log
from pipeline.runs.record import Run, request_cancel
from pipeline.settings.layers import build
from ui import job_card
from ui.header import machine_html
from ui.texts import Texts

pytestmark = pytest.mark.faults(63)
SIZE = 8 * 2**20


@pytest.fixture
def disk(tmp_path):
    """An empty file system of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True) if shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip() if done else 'no mount'}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place):
    """Write until no byte is free."""
    with open(place / "filler", "ab", buffering=0) as filler:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC


def strikes(run):
    """The writes of a stage in order, including those by the libraries that training uses."""
    import numpy
    import torch
    from safetensors.torch import save_file

    tensors = {"weight": torch.zeros(2**16)}
    words = "x" * 5000
    folder, saved = run.folder / "model", run.checkpoints_dir
    return [
        lambda: run.set_total(10),
        lambda: run.log({"step": 1, "loss": 0.5}),
        lambda: run.sample({"step": 1, "text": words}),
        lambda: run.event("instability", words),
        lambda: print(words),
        lambda: checkpoints.save(saved, 2, lambda path: torch.save(tensors, path / "a.pt")),
        lambda: checkpoints.save(saved, 3, lambda path: save_file(tensors, path / "a.safetensors")),
        lambda: checkpoints.amend(saved, 3, lambda path: files.write_json(path / "b.json", {})),
        lambda: run.cut_back(1),
        lambda: folder.mkdir(exist_ok=True),
        lambda: numpy.savez(folder / "a.npz", numpy.zeros(2**16)),
        lambda: shutil.copytree(saved / "checkpoint-3", folder / "copy", dirs_exist_ok=True),
        lambda: files.append_jsonl(run.workspace.cache / "rows.jsonl", {"text": words}),
        lambda: run.note_resources(adapter_bytes=1),
        lambda: files.write_json(run.workspace.experiments / "e.json", {"x": words}),
    ]


def stage(disk, strike):
    """A stage that writes everything; the disk is filled before write number `strike`."""

    def work(row, settings, run, workspace):
        run.log({"step": 0})
        if run.attempt.number == 1:
            checkpoints.save(run.checkpoints_dir, 1, lambda path: files.write_json(path / "state.json", {}))
        for number, write in enumerate(strikes(run)):
            if number == strike and run.attempt.number == 1:
                fill(disk)
            write()
        return {"rows": 1}

    return work


@pytest.mark.parametrize("strike", range(15))
def test_whichever_write_fails_on_a_full_disk_the_run_fails_with_a_clear_error_and_resumes_later(
    disk, monkeypatch, capsys, strike
):
    workspace = Workspace(disk / "workspace").create()
    monkeypatch.setattr(stages, "_call", stage(disk, strike))
    begun = []
    settings = build("prepare")
    code = exit_code(lambda: stages.execute("prepare", settings, workspace, started=begun.append) and 0)
    shown = capsys.readouterr()
    assert code == 2 and "Traceback" not in shown.out + shown.err
    assert shown.err.splitlines()[-1].startswith("error: disk full; free space")
    record = read_run(workspace, begun[0].id)
    assert (record.status, record.error, record.error_code) == ("failed", "disk full", Code.DISK_FULL)
    assert [attempt.status for attempt in record.attempts] == ["failed"]
    assert checkpoints.latest(begun[0].checkpoints_dir) is not None
    log = tail_log(workspace, record.id)
    assert "Traceback" not in log
    card = job_card.card(record, Texts("en"))
    assert "disk full" in card and Texts("en")("advice.disk_full") in card
    (disk / "filler").unlink()
    stages.resume(workspace, record.id)
    assert read_run(workspace, record.id).status == "done"
    assert not (begun[0].folder / ".reserve").exists()


def test_new_run_on_a_full_disk_is_refused_and_leaves_nothing(disk, capsys):
    workspace = Workspace(disk / "workspace").create()
    fill(disk)
    assert exit_code(lambda: stages.execute("prepare", build("prepare"), workspace) and 0) == 2
    assert capsys.readouterr().err.startswith("error: disk full; free space")
    assert list(workspace.runs.iterdir()) == []


def test_queued_run_that_meets_a_full_disk_before_its_first_step_ends_as_failed(disk):
    workspace = Workspace(disk / "workspace").create()
    run = Run.create(workspace, "prepare", build("prepare"))
    fill(disk)
    with pytest.raises(UserError, match="disk full"):
        stages.resume(workspace, run.id)
    record = read_run(workspace, run.id)
    assert (record.status, record.error_code) == ("failed", Code.DISK_FULL)


def test_cancel_works_on_a_full_disk(disk, monkeypatch):
    workspace = Workspace(disk / "workspace").create()

    def work(row, settings, run, workspace):
        fill(disk)
        request_cancel(run.folder)
        assert run.should_stop()
        checkpoints.save(run.checkpoints_dir, 1, lambda path: (path / "state").write_bytes(b"x" * 10_000))

    monkeypatch.setattr(stages, "_call", work)
    run = stages.execute("prepare", build("prepare"), workspace)
    assert read_run(workspace, run.id).status == "cancelled"


def test_queue_on_a_full_disk_accepts_no_run_and_gives_the_reason_to_the_runs_that_waited(disk):
    workspace = Workspace(disk / "workspace").create()
    waiting = Run.create(workspace, "prepare", build("prepare"))
    files.write_json(workspace.root / "queue.json", {"queue": [waiting.id], "launched": None})
    fill(disk)
    jobs = JobRunner(workspace, child_command=lambda workspace, run: ["false"], poll=0.05)
    try:
        with pytest.raises(OSError) as refused:
            jobs.start("prepare")
        assert files.disk_full(refused.value).code == Code.DISK_FULL
        eventually(lambda: read_run(workspace, waiting.id).status == "failed")
    finally:
        jobs.close()
    assert read_run(workspace, waiting.id).error_code == Code.DISK_FULL and jobs.queue() == []


def test_queued_run_can_be_cancelled_on_a_full_disk(disk):
    workspace = Workspace(disk / "workspace").create()
    long = ["python3", "-c", "import time; time.sleep(600)"]
    jobs = JobRunner(workspace, child_command=lambda workspace, run: long, poll=0.05)
    try:
        _, second = jobs.start("prepare"), jobs.start("prepare")
        eventually(lambda: jobs.queue() == [second])
        fill(disk)
        jobs.cancel(second)
        assert jobs.queue() == [] and read_run(workspace, second).status == "cancelled"
    finally:
        jobs.close()
        for child in psutil.Process().children():
            child.kill()


def test_page_states_that_the_disk_is_full(disk):
    workspace = Workspace(disk / "workspace").create()
    fill(disk)
    for language in ("en", "zh"):
        t = Texts(language)
        assert t("machine.disk", free=0) in machine_html(workspace, t)


def test_run_ends_as_failed_by_releasing_its_reserve(workspace, monkeypatch):
    """Without a separate file system: writes fail as long as the reserve file exists."""
    run = Run.create(workspace, "prepare", build("prepare"))
    real = files.write_atomic

    def write(path, data, **more):
        if (run.folder / ".reserve").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data, **more)

    monkeypatch.setattr(files, "write_atomic", write)
    with pytest.raises(UserError, match="disk full"):
        stages.resume(workspace, run.id)
    assert json.loads((run.folder / "run.json").read_text())["error_code"] == "disk_full"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
        SimpleNamespace,
    ],
)
def test_full_disk_is_recognised_in_the_errors_of_libraries(error):
    if error is SimpleNamespace:  # torch.save raises this one from the system's error
        try:
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            finally:
                raise RuntimeError("unexpected pos 320 vs 214")
        except RuntimeError as caught:
            error = caught
    assert files.disk_full(error).code == Code.DISK_FULL
    assert files.disk_full(OSError(errno.EIO, "Input/output error")) is None
