"""Executing a stage: parents, lock, terminal states, log and resume. The stages here are small functions."""

import json
import os
import random
import signal
import threading
import time

import pytest

from data.errors import UserError
from pipeline.commands import execute as stages
from pipeline.runs import checkpoints, locks
from pipeline.runs.reader import list_runs, read_run, tail_log
from pipeline.runs.record import Cancelled, Run, request_cancel
from pipeline.settings.layers import build


@pytest.fixture
def execute(workspace, monkeypatch):
    """execute(function) runs it as the stage `prepare`, which has no parents."""

    def inner(function, run=None):
        monkeypatch.setattr(stages, "_call", lambda row, settings, run, workspace: function(settings, run))
        return stages.execute("prepare", build("prepare"), workspace, run)

    return inner


def only_run(workspace):
    (record,) = list_runs(workspace)
    return record


def test_a_stage_that_returns_is_done_with_its_results_and_resources(execute, workspace):
    run = execute(lambda settings, run: {"rows": 3})
    record = read_run(workspace, run.id)
    assert (record.status, record.results, record.error) == ("done", {"rows": 3}, None)
    assert record.resources.peak_rss_bytes > 1e6
    assert set(record.resources.to_json()) == {
        "peak_rss_bytes",
        "peak_cuda_bytes",
        "adapter_bytes",
        "base_bytes",
    }


def test_a_bug_is_raised_and_its_traceback_is_in_the_log(execute, workspace):
    def bug(settings, run):
        return {}["missing"]

    with pytest.raises(KeyError):
        execute(bug)
    record = only_run(workspace)
    assert record.status == "failed" and record.error.startswith("KeyError")
    assert 'return {}["missing"]' in tail_log(workspace, record.id)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "disk full"),
        (MemoryError(), "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (UserError("mend me"), "mend me"),
    ],
)
def test_a_user_error_is_reported_in_one_line(execute, workspace, error, said):
    def fail(settings, run):
        raise error

    with pytest.raises(UserError, match=said):
        execute(fail)
    assert only_run(workspace).status == "failed"
    assert said in only_run(workspace).error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_stage_save_and_ends_it_cancelled(execute, number):
    before = signal.getsignal(number)

    def stage(settings, run):
        os.kill(os.getpid(), number)
        assert run.should_stop()
        checkpoints.save(run.checkpoints_dir, 7, lambda path: (path / "state").write_text("seven"))
        raise Cancelled

    run = execute(stage)
    assert run.record.status == "cancelled"
    assert checkpoints.latest(run.checkpoints_dir)[0] == 7
    assert signal.getsignal(number) == before


def test_a_second_interrupt_ends_a_stage_that_does_not_listen(execute, workspace):
    def stage(settings, run):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        execute(stage)
    assert only_run(workspace).status == "cancelled"


def test_the_second_stage_in_a_workspace_is_refused_with_the_name_of_the_first(execute, workspace):
    seen = []

    def stage(settings, run):
        def other():
            try:
                stages.execute("prepare", build("prepare"), workspace)
            except UserError as error:
                seen.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return {"id": run.id}

    run = execute(stage)
    assert run.id in seen[0] and f"process {os.getpid()}" in seen[0]
    assert [record.id for record in list_runs(workspace)] == [run.id]
    assert locks.holder(locks.training_lock(workspace)) is None


def test_a_resume_continues_in_the_same_folder_as_a_new_attempt(execute, workspace):
    def first(settings, run):
        for step in (1, 2, 3):
            run.log({"step": step})
        raise ValueError("broken")

    def second(settings, run):
        run.cut_back(2)
        run.log({"step": 3, "again": True})
        return {"done": True}

    with pytest.raises(ValueError, match="broken"):
        execute(first)
    run_id = only_run(workspace).id
    request_cancel(workspace.run(run_id))  # a cancel request from before the resume is ignored
    stages_call, stages._call = stages._call, lambda row, settings, run, workspace: second(settings, run)
    try:
        stages.resume(workspace, run_id)
    finally:
        stages._call = stages_call
    record = only_run(workspace)
    assert [attempt.status for attempt in record.attempts] == ["failed", "done"]
    rows = [json.loads(line) for line in (workspace.run(run_id) / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3] and rows[-1]["again"]
    with pytest.raises(UserError, match="already done"):
        stages.resume(workspace, run_id)


def test_a_queued_run_finds_its_parents_when_it_starts(workspace, monkeypatch):
    run = Run.create(workspace, "sft", build("sft"))
    with pytest.raises(UserError, match="no data set"):
        stages.resume(workspace, run.id)
    assert read_run(workspace, run.id).error_code == "dataset"
    assert read_run(workspace, run.id).status == "failed"


def test_every_random_number_generator_is_seeded():
    import numpy
    import torch

    from pipeline.training import seeding

    drawn = []
    for _ in range(2):
        seeding.make_deterministic(5)
        drawn.append((random.random(), numpy.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]
    assert torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)


def test_the_log_has_printed_lines_and_no_progress_bars(execute, workspace, capfd):
    def stage(settings, run):
        print("a line")
        print("\rbar 1\rbar 2", end="")
        run.set_total(2)
        run.log({"step": 1, "loss": 0.5})
        run.log({"step": 2, "loss": None})
        return {}

    run = execute(stage)
    log = tail_log(workspace, run.id)
    assert "a line" in log and "bar" not in log
    assert "step 1/2" in log and "step 2/2" in log and "loss 0.5" in log
    assert "a line" in capfd.readouterr().out


def test_after_a_failed_first_start_a_resume_finds_the_parents(workspace, monkeypatch):
    run = Run.create(workspace, "sft", build("sft"))
    with pytest.raises(UserError):
        stages.resume(workspace, run.id)
    workspace.dataset("tiny").mkdir()
    (workspace.dataset("tiny") / "train_prefs.jsonl").write_text("")
    made = Run.create(workspace, "prepare", build("prepare"))
    made.start_attempt()
    made.finish({"dataset": "tiny"})
    monkeypatch.setattr(stages, "_call", lambda row, settings, run, workspace: {})
    stages.resume(workspace, run.id)
    assert read_run(workspace, run.id).parents.dataset == "tiny"
