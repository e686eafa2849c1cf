"""The phases of a run: what is written, and what a reader tells about a run in the middle of one."""

import json

from pipeline.runs import phases
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run, request_cancel
from pipeline.settings.layers import build


def started(workspace):
    run = Run.create(workspace, "sft", build("sft"))
    run.start_attempt()
    return run


def test_a_run_that_has_just_started_is_loading(workspace):
    run = started(workspace)
    progress = RunReader(workspace).read(run.id).progress
    assert progress.phase == "loading" and progress.seconds_left is None and not progress.cancelling


def test_steps_begin_with_their_number_and_an_evaluation_has_a_count(workspace):
    run = started(workspace)
    run.set_total(40)
    assert RunReader(workspace).read(run.id).progress.phase == "steps"
    run.phase(phases.EVALUATING, 256)
    progress = RunReader(workspace).read(run.id).progress
    assert (progress.phase, progress.count, progress.total) == ("evaluating", 256, 40)


def test_no_time_of_the_steps_is_told_for_the_evaluation_after_them(workspace):
    run = started(workspace)
    run.set_total(6)
    for step in range(1, 7):
        run.log({"step": step})
    run.phase(phases.EVALUATING, 256)
    assert RunReader(workspace).read(run.id).progress.seconds_left is None


def test_the_time_left_of_a_phase_comes_from_the_last_finished_run_of_its_kind(workspace):
    done = started(workspace)
    done.finish({})
    ended = "2026-11-26T10:10:00Z"
    done.change(ended=ended)
    rows = [("loading", 1795687600.0), ("steps", 1795687660.0), ("evaluating", 1795687700.0)]
    lines = [json.dumps({"phase": name, "count": None, "began": began}) for name, began in rows]
    (done.folder / phases.FILE).write_text("\n".join(lines) + "\n")
    took = phases.seconds_of(done.folder, ended)
    assert took["loading"] == 60 and took["steps"] == 40 and took["evaluating"] == 1795687800 - 1795687700

    run = started(workspace)
    left = next(r for r in RunReader(workspace).list() if r.id == run.id).progress.seconds_left
    assert 0 < left <= 60


def test_a_request_to_cancel_is_seen_before_the_run_reacts(workspace):
    run = started(workspace)
    request_cancel(run.folder)
    assert RunReader(workspace).read(run.id).progress.cancelling


def test_lines_of_another_shape_are_skipped(tmp_path):
    (tmp_path / phases.FILE).write_text('{"phase": 3}\nnonsense\n{"phase": "loading", "began": 5}\n')
    assert phases.read(tmp_path) == [phases.Phase("loading", 5.0)]
