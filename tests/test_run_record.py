"""Run records: one writer, one terminal state per attempt, and a derived status that is correct."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from data.errors import UserError
from pipeline.runs import processes
from pipeline.runs import record as run_record
from pipeline.runs.reader import list_runs, read_metrics, read_run, read_samples, tail_log
from pipeline.runs.record import Run, close_dead
from pipeline.settings.layers import build

FIELDS = {
    "id", "stage", "preset", "precision", "seed", "status", "parents", "config", "hardware", "software",
    "attempts", "started", "ended", "seconds", "results", "resources", "events", "error", "maker",
}  # fmt: skip


@pytest.fixture
def run(workspace):
    return Run.create(workspace, "sft", build("sft"))


def on_disk(run):
    return json.loads((run.folder / "run.json").read_text())


def dead_process():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = processes.identity(child.pid)
    child.communicate(b"\n")
    return child.pid, started


def test_a_record_has_the_fields_of_the_contract_from_the_start(run):
    assert set(on_disk(run)) == FIELDS
    assert on_disk(run)["status"] == "queued"
    assert on_disk(run)["results"] == {}
    assert re.fullmatch(r"\d{8}T\d{6}Z-sft-bf16-[0-9a-f]{4}", run.id)
    assert (run.folder / "config.yaml").is_file()


def test_a_done_run_keeps_results_hardware_software_and_time(run, workspace):
    run.start_attempt()
    assert read_run(workspace, run.id).status == "running"
    run.finish({"loss": float("nan"), "accuracy": 0.5})
    record = read_run(workspace, run.id)
    assert record.status == record.attempts[-1].status == "done"
    assert record.results == {"loss": None, "accuracy": 0.5}
    assert record.seconds >= 0 and record.ended >= record.started
    assert record.hardware["ram_bytes"] > 0 and "torch" in record.software


def test_an_attempt_ends_once(run):
    run.start_attempt()
    run.cancel()
    with pytest.raises(RuntimeError, match="already ended"):
        run.finish({})
    assert on_disk(run)["status"] == "cancelled"


@pytest.mark.faults(2)
def test_a_run_whose_process_is_dead_is_shown_as_lost_without_a_write(run, workspace):
    run.start_attempt()
    pid, started = dead_process()
    run.change_attempt(pid=pid, process_started=started)
    assert read_run(workspace, run.id).status == "lost"
    shown = read_run(workspace, run.id)
    assert shown.error == "its process died (killed, or out of memory)" and shown.error_code == "lost"
    assert on_disk(run)["status"] == "running"
    again = Run.load(workspace, run.id)
    again.start_attempt()
    assert [attempt.status for attempt in again.record.attempts] == ["lost", "running"]


@pytest.mark.faults(7)
def test_a_process_id_that_was_used_again_is_not_taken_for_the_run(run, workspace):
    run.start_attempt()
    run.change_attempt(process_started="another process")
    assert read_run(workspace, run.id).status == "lost"


@pytest.mark.faults(2)
def test_a_terminal_state_is_never_overwritten_from_outside(run, workspace):
    run.start_attempt()
    assert not close_dead(workspace, run.id, "cancelled")  # its process is alive
    run.finish({"a": 1})
    assert not close_dead(workspace, run.id, "cancelled")
    assert read_run(workspace, run.id).status == "done"


def test_an_attempt_adds_its_seconds_to_those_before(run, workspace):
    run.start_attempt()
    time.sleep(0.05)
    run.fail("disk full")
    first = on_disk(run)["seconds"]
    again = Run.load(workspace, run.id)
    again.start_attempt()
    assert on_disk(run)["error"] is None
    again.finish({})
    assert on_disk(run)["seconds"] >= first >= 0.05
    assert [attempt["error"] for attempt in on_disk(run)["attempts"]] == ["disk full", None]


@pytest.mark.faults(18)
def test_metrics_keep_a_gap_for_nan_and_are_cut_back(run, workspace):
    run.start_attempt()
    run.set_total(10)
    for step in range(1, 6):
        run.log({"step": step, "loss": float("nan") if step == 3 else 1.0})
        run.sample({"step": step, "text": "é\u2028\x00"})
    assert read_metrics(workspace, run.id, 2)[0]["loss"] is None
    progress = read_run(workspace, run.id).progress
    assert (progress.step, progress.total) == (5, 10)
    assert progress.seconds_left is not None
    run.cut_back(3)
    assert [row["step"] for row in read_metrics(workspace, run.id)] == [1, 2, 3]
    assert [row["step"] for row in read_samples(workspace, run.id)] == [1, 2, 3]
    assert read_samples(workspace, run.id)[0]["text"] == "é\u2028\x00"


@pytest.mark.faults(2)
def test_a_torn_last_line_does_not_hide_the_rows_before(run, workspace):
    run.start_attempt()
    run.log({"step": 1})
    with open(run.folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 2, "lo')
    assert len(read_metrics(workspace, run.id)) == 1
    assert read_run(workspace, run.id).status == "running"
    run.log({"step": 2})
    assert [row["step"] for row in read_metrics(workspace, run.id)] == [1, 2]


@pytest.mark.faults(16)
@pytest.mark.parametrize("content", ["{", "", "[]", "{}"])
def test_a_damaged_record_is_shown_as_such_and_the_others_are_listed(workspace, content):
    runs = [Run.create(workspace, "sft", build("sft")) for _ in range(3)]
    (runs[1].folder / "run.json").write_text(content)
    listed = {record.id: record for record in list_runs(workspace)}
    assert set(listed) == {run.id for run in runs}
    shown = listed[runs[1].id]
    assert shown.damaged and shown.status == "failed" and "run.json" in shown.error
    assert listed[runs[0].id].status == "queued" and not listed[runs[0].id].damaged
    # Only content that is not JSON is set aside.
    kept = "run.json" if content in ("[]", "{}") else "run.json.corrupt"
    assert (runs[1].folder / kept).read_text() == content
    assert len(list_runs(workspace)) == 3
    with pytest.raises(UserError):
        read_run(workspace, runs[1].id)


@pytest.mark.faults(23)
def test_ids_sort_in_the_order_of_creation_even_when_the_clock_goes_back(workspace, monkeypatch):
    class Clock(datetime):
        day = 0

        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) + timedelta(days=cls.day)

    monkeypatch.setattr(run_record, "datetime", Clock)
    created = []
    for Clock.day in (0, 1, -1, 0, 0):
        created.append(Run.create(workspace, "sft", build("sft")).id)
    assert created == sorted(created)
    assert [record.id for record in list_runs(workspace)] == created[::-1]


def test_a_queued_run_that_nobody_has_in_a_queue_is_lost_after_a_while(run, workspace):
    assert read_run(workspace, run.id).status == "queued"
    old = (datetime.now(UTC) - timedelta(hours=1)).timestamp()
    os.utime(run.folder / "run.json", (old, old))
    assert read_run(workspace, run.id).status == "lost"
    assert read_run(workspace, run.id).error_code == "not_started"


def test_a_cancel_request_is_seen_by_the_run(run):
    run.start_attempt()
    assert not run.should_stop()
    run_record.request_cancel(run.folder)
    assert run.should_stop()
    run_record.withdraw_cancel(run.folder)
    assert not run.should_stop()
    run.request_stop()
    assert run.should_stop()


def test_only_the_tail_of_a_huge_log_is_read(run, workspace):
    run.log_path.write_text("x" * 5_000_000 + "\nbar 1\rbar 2\nlast\n")
    assert tail_log(workspace, run.id, 2) == "bar 2\nlast"
