"""The job runner with real processes and real signals, but without training."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest
from waiting import NEVER, eventually

from data.errors import UserError
from pipeline.runs import processes
from pipeline.runs.jobs import JobRunner, command_line
from pipeline.runs.queue_file import Launched, Queue, write_queue
from pipeline.runs.reader import read_run
from pipeline.runs.record import Run
from pipeline.runs.record_file import Maker
from pipeline.settings.layers import build

pytestmark = pytest.mark.faults
ROOT = Path(__file__).resolve().parent.parent
posix = pytest.mark.skipif(os.name == "nt", reason="process groups and SIGTERM are POSIX")


def fake(workspace, run_id):
    return [sys.executable, str(ROOT / "tests" / "fake_stage.py"), str(workspace.root), run_id]


@pytest.fixture
def jobs(workspace):
    runners = []

    def open_runner(**options):
        runners.append(JobRunner(workspace, child_command=fake, poll=0.05, **({"grace": 5.0} | options)))
        return runners[-1]

    yield open_runner
    for runner in runners:
        runner.close()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
            process.kill()


def rounds(runner, count):
    """Wait until the runner has checked its queue `count` times."""
    seen, tick = [], runner._tick
    runner._tick = lambda: (tick(), seen.append(True))
    eventually(lambda: len(seen) > count)
    runner._tick = tick


def start(runner, how):
    return runner.start("sft", overrides=[f"name={how}"])


def status(workspace, run_id):
    return read_run(workspace, run_id).status


def steps(workspace, run_id):
    record = read_run(workspace, run_id)
    return record.progress.step if record.progress else 0


def test_runs_are_done_one_at_a_time_in_order(jobs, workspace):
    runner = jobs()
    ids = [start(runner, "short") for _ in range(3)]
    assert [status(workspace, run_id) for run_id in ids].count("running") <= 1
    eventually(lambda: all(status(workspace, run_id) == "done" for run_id in ids))
    records = [read_run(workspace, run_id) for run_id in ids]
    for record, following in zip(records, records[1:], strict=False):
        assert record.ended <= following.started
    eventually(lambda: runner.active() is None)
    assert runner.queue() == []


def test_a_wrong_setting_is_refused_before_a_run_exists(jobs, workspace):
    runner = jobs()
    with pytest.raises(UserError, match="has no setting"):
        runner.start("sft", overrides=["nonsense=1"])
    assert list(workspace.runs.iterdir()) == []


def test_a_cancelled_run_ends_cancelled_and_can_be_resumed(jobs, workspace):
    runner = jobs()
    run_id = start(runner, "long")
    eventually(lambda: steps(workspace, run_id) > 1)
    assert runner.active().id == run_id
    runner.cancel(run_id)
    eventually(lambda: status(workspace, run_id) == "cancelled")
    eventually(lambda: runner.active() is None)
    with pytest.raises(UserError, match="nothing to cancel"):
        runner.cancel(run_id)
    runner.resume(run_id)
    eventually(lambda: status(workspace, run_id) == "running")
    assert len(read_run(workspace, run_id).attempts) == 2
    runner.cancel(run_id)
    eventually(lambda: status(workspace, run_id) == "cancelled")


def test_a_queued_run_is_cancelled_without_ever_starting(jobs, workspace):
    runner = jobs()
    first, second = start(runner, "long"), start(runner, "long")
    eventually(lambda: steps(workspace, first) > 0)
    assert runner.queue() == [second]
    runner.cancel(second)
    assert status(workspace, second) == "cancelled" and runner.queue() == []
    assert status(workspace, first) == "running"
    runner.cancel(first)


@pytest.mark.faults(8, 9)
@posix
def test_a_child_that_ignores_sigterm_is_gone_with_its_group_by_the_deadline(jobs, workspace, monkeypatch):
    ended = threading.Event()
    stop = processes.stop

    def stop_when_told(*arguments):
        assert ended.wait(NEVER)
        return stop(*arguments)

    monkeypatch.setattr(processes, "stop", stop_when_told)
    runner = jobs(grace=0.5)
    run_id = start(runner, "deaf")
    eventually(lambda: steps(workspace, run_id) > 0)
    pid = runner.active().attempts[-1].pid
    family = processes.family(pid)
    assert len(family) == 2
    runner.cancel(run_id)  # returns at once, because the page must not wait for the end
    assert all(processes.alive(*member) for member in family.items())
    ended.set()
    eventually(lambda: status(workspace, run_id) == "cancelled")
    assert not any(processes.alive(*member) for member in family.items())
    assert read_run(workspace, run_id).attempts[-1].status == "cancelled"


@pytest.mark.faults(2, 20)
@posix
def test_a_killed_child_is_lost_not_cancelled_and_the_queue_goes_on(jobs, workspace):
    runner = jobs()
    killed, after = start(runner, "killed"), start(runner, "short")
    eventually(lambda: status(workspace, after) == "done")
    assert status(workspace, killed) == "lost"
    assert json.loads((workspace.run(killed) / "run.json").read_text())["status"] == "running"


def test_failures_are_distinguished_and_do_not_stop_the_queue(jobs, workspace):
    runner = jobs()
    stillborn, broken, after = (start(runner, how) for how in ("stillborn", "fails", "short"))
    eventually(lambda: status(workspace, after) == "done")
    assert read_run(workspace, stillborn).error == "ImportError: no such module"
    assert read_run(workspace, broken).error == "broken"
    assert status(workspace, stillborn) == status(workspace, broken) == "failed"


@pytest.mark.faults(21)
def test_a_second_app_is_refused_and_told_who_is_first(jobs):
    jobs(address="http://127.0.0.1:7860")
    with pytest.raises(UserError, match=rf"process {os.getpid()} at http://127.0.0.1:7860"):
        jobs()


@pytest.mark.faults(6)
@posix
def test_training_continues_without_the_app_and_is_found_again(jobs, workspace):
    runner = jobs()
    run_id, waiting = start(runner, "long"), start(runner, "short")
    eventually(lambda: steps(workspace, run_id) > 0)
    runner.close()
    before = steps(workspace, run_id)
    eventually(lambda: steps(workspace, run_id) > before + 1)
    second = jobs()
    assert second.active().id == run_id and second.queue() == [waiting]
    rounds(second, 3)
    assert status(workspace, waiting) == "queued"
    second.cancel(run_id)
    eventually(lambda: status(workspace, run_id) == "cancelled" and status(workspace, waiting) == "done")


@pytest.mark.faults(6, 22)
@posix
def test_after_kill_9_of_the_app_a_new_one_takes_over_at_once(jobs, workspace):
    app = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
            import sys, time
            from pathlib import Path
            sys.path.insert(0, "tests")
            from test_jobs import fake, start
            from data.workspace import Workspace
            from pipeline.runs.jobs import JobRunner
            runner = JobRunner(Workspace(Path(sys.argv[1])), child_command=fake, poll=0.05)
            print(start(runner, "long"), flush=True)
            time.sleep(3600)
        """),
            str(workspace.root),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    run_id = app.stdout.readline().strip()
    eventually(lambda: steps(workspace, run_id) > 0)
    with pytest.raises(UserError, match=f"process {app.pid}"):
        jobs()
    app.send_signal(signal.SIGKILL)
    app.wait()
    runner = jobs()
    assert runner.active().id == run_id
    pid = runner.active().attempts[-1].pid
    runner.cancel(run_id)
    eventually(lambda: status(workspace, run_id) == "cancelled")
    eventually(lambda: processes.identity(pid) is None)  # no orphan remains


@pytest.mark.faults(7)
@posix
def test_an_unrelated_process_with_the_process_id_of_a_run_is_never_signalled(jobs, workspace):
    stranger = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True
    )
    run = Run.create(workspace, "sft", build("sft"))
    run.start_attempt()
    run.change_attempt(pid=stranger.pid, process_started="boot:123")
    runner = jobs(grace=0.1)
    with pytest.raises(UserError, match="is lost"):
        runner.cancel(run.id)
    processes.stop(stranger.pid, "boot:123", 0.1)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@posix
def test_a_run_from_the_command_line_is_shown_awaited_and_stopped_without_its_group(jobs, workspace):
    run = Run.create(workspace, "sft", build("sft", overrides=["name=long"]))
    child = subprocess.Popen(fake(workspace, run.id), cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    eventually(lambda: steps(workspace, run.id) > 0)
    runner = jobs()
    waiting = start(runner, "short")
    assert runner.active().id == run.id
    rounds(runner, 3)
    assert status(workspace, waiting) == "queued"
    # the child shares the process group of this test, so only the child may get the signal
    runner.cancel(run.id)
    child.wait(timeout=NEVER)
    eventually(lambda: status(workspace, waiting) == "done")
    assert status(workspace, run.id) == "cancelled"


@pytest.mark.faults(67)
@posix
def test_a_run_that_waits_begins_after_the_orphans_of_a_killed_all(jobs, workspace):
    """Such an orphan holds no lock, because `all` held the lock for its stages."""
    orphan = Run.create(workspace, "sft", build("sft"))
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    orphan.start_attempt()
    orphan.change_attempt(pid=process.pid, process_started=processes.identity(process.pid))
    runner = jobs()
    waiting = start(runner, "short")
    rounds(runner, 3)
    assert runner.queue() == [waiting] and status(workspace, waiting) == "queued"
    process.kill()
    process.wait()
    eventually(lambda: status(workspace, waiting) == "done")


@pytest.mark.faults(66)
@posix
def test_a_run_whose_app_and_child_were_killed_before_its_first_attempt_is_lost_at_once(workspace):
    gone = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    identity = processes.identity(gone.pid)
    run = Run.create(workspace, "sft", build("sft"))
    run.change(maker=Maker(gone.pid, identity))
    write_queue(workspace, Queue((), Launched(run.id, gone.pid, identity)))
    assert status(workspace, run.id) == "queued"
    gone.kill()
    gone.wait()
    shown = read_run(workspace, run.id)
    assert (shown.status, shown.error_code) == ("lost", "not_started")
    write_queue(workspace, Queue())
    assert status(workspace, run.id) == "lost"


def test_a_corrupt_queue_is_set_aside(jobs, workspace):
    (workspace.root / "queue.json").write_text("{")
    runner = jobs()
    assert runner.queue() == [] and (workspace.root / "queue.json.corrupt").exists()


def test_the_command_that_is_shown_is_the_one_that_would_be_typed(workspace):
    words = command_line("ppo", "tiny", "int4", ["max_steps=5", "seed=1"])
    assert " ".join(words) == (
        "python -m pipeline ppo --preset tiny --precision int4 --set max_steps=5 seed=1"
    )


@pytest.mark.skipif(os.name == "nt", reason="nice values are POSIX's")
def test_a_training_runs_at_low_priority():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    processes.give_way(child.pid)
    assert psutil.Process(child.pid).nice() == processes.LOW_PRIORITY
    child.communicate(b"\n")
    processes.give_way(child.pid)  # does nothing once the process has ended
