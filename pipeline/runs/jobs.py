"""The app's side of running stages: a queue, one child at a time, cancel in three steps, re-adoption.

A child is `python -m pipeline resume RUN` in a separate session, with its output in the run's log.txt. It
shares no pipe with the app and survives it. The child owns run.json; the app owns the queue file and the
cancel request. After a restart, a new JobRunner on the same workspace finds the child of the previous one.
There is one JobRunner per workspace. It does not train, and never loads torch.

    jobs = JobRunner(workspace)
    run_id = jobs.start("sft", "tiny", overrides=["max_steps=20"])
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable

from data.errors import Code, UserError
from data.files import disk_full
from data.workspace import Workspace
from pipeline.runs import leftovers, locks, processes
from pipeline.runs.child import child_environment
from pipeline.runs.hardware import free_disk
from pipeline.runs.lineage import Lineage
from pipeline.runs.progress import full_disk_ignored
from pipeline.runs.queue_file import Launched, Queue, take_over_queue, write_queue
from pipeline.runs.reader import RunReader, tail_log
from pipeline.runs.record import Run, cancel_requested, close_dead, request_cancel, withdraw_cancel
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build

_ROOM = 2**20  # bytes; with less free space a child cannot write why it ended
RESUMABLE = ("queued", "failed", "cancelled", "lost")


def child_command(workspace: Workspace, run_id: str) -> list[str]:
    """The command with which the app starts a queued run."""
    return [sys.executable, "-m", "pipeline", "resume", run_id, "--workspace", str(workspace.root)]


def command_line(
    stage: str,
    preset: str = "tiny",
    precision: str | None = None,
    overrides: Iterable[str] = (),
    workspace: Workspace | None = None,
) -> list[str]:
    """The equivalent command for a terminal; the page shows it."""
    words = ["python", "-m", "pipeline", stage, "--preset", preset]
    words += ["--precision", precision] if precision else []
    words += ["--workspace", str(workspace.root)] if workspace else []
    overrides = list(overrides)
    return words + (["--set", *overrides] if overrides else [])


class JobRunner:
    """Runs the queue of one workspace. Raises UserError if another app already serves the workspace.

    child_command: returns the command of a child. grace: seconds between the cancel request and the kill.
    poll: seconds between two checks. address: the app's address, for the error message in a second app.
    reader: the RunReader of the page, so that both share one cache.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        child_command: Callable[[Workspace, str], list[str]] = child_command,
        grace: float = 60.0,
        poll: float = 0.3,
        address: str = "",
        reader: RunReader | None = None,
    ):
        self._workspace = workspace.create()
        self._runs = reader or RunReader(workspace)
        self._command, self._grace, self._poll = child_command, grace, poll
        self._mutex = threading.RLock()
        self._wake = threading.Event()
        self._closing = False
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping: set[str] = set()
        self._complaint = ""
        self._held = contextlib.ExitStack()
        self._held.enter_context(locks.hold(locks.app_lock(workspace), address=address))
        leftovers.remove_temporary(workspace)
        state = take_over_queue(workspace)
        self._queue, self._launched = list(state.queue), state.launched
        self._thread = threading.Thread(target=self._serve, name="job-runner", daemon=True)
        self._thread.start()

    def start(
        self, stage: str, preset: str = "tiny", precision: str | None = None, overrides: Iterable[str] = ()
    ) -> str:
        """Put a run of `stage` into the queue; returns its id. Raises UserError for a wrong setting."""
        settings = build(stage, preset, precision=precision, overrides=overrides)
        with self._mutex:
            run = Run.create(self._workspace, stage, settings)
            self._enqueue(run.id)
        return run.id

    def start_missing(self, preset: str = "tiny") -> list[str]:
        """Put every missing or stale stage into the queue, in order; returns the run ids."""
        steps = Lineage(self._runs).missing(preset)
        return [self.start(step.stage, preset, step.precision) for step in steps]

    def resume(self, run_id: str) -> str:
        """Put a run that failed, was cancelled or lost into the queue again."""
        with self._mutex:
            status = self._runs.read(run_id).status
            if status not in RESUMABLE or run_id in self._queue:
                raise UserError(
                    f"{run_id}: is {status}; only a run that has ended early can be resumed", code=Code.STATE
                )
            withdraw_cancel(self._workspace.run(run_id))
            self._enqueue(run_id)
        return run_id

    def cancel(self, run_id: str) -> None:
        """Remove a run from the queue, or ask it to save a checkpoint and stop; after `grace` it is killed.

        Returns at once. It also works for a run that the command line started. Raises UserError if the run
        has already ended.
        """
        with self._mutex:
            record = self._runs.read(run_id)
            if run_id in self._queue:
                self._queue.remove(run_id)
                with full_disk_ignored():
                    self._save()
                if not record.attempts:
                    close_dead(self._workspace, run_id, "cancelled")
                    with full_disk_ignored():  # now there is room: the end of a run frees its reserve
                        self._save()
                return
            if record.status not in ("queued", "running"):
                raise UserError(f"{run_id}: is {record.status}; there is nothing to cancel", code=Code.STATE)
            request_cancel(self._workspace.run(run_id))
            self._stop(run_id)

    def queue(self) -> list[str]:
        """The ids of the waiting runs, the next one first."""
        with self._mutex:
            return list(self._queue)

    def active(self) -> RunRecord | None:
        """The record of the run that is running in this workspace, or None. The app or a command may have
        started it."""
        with self._mutex:
            run_id = self._launched.run if self._launched else None
        run_id = run_id or (locks.holder(locks.training_lock(self._workspace)) or {}).get("run")
        if run_id:
            return self._runs.read(run_id)
        # `all` holds the lock for several runs at the same time; the newest represents them.
        return next((run for run in self._runs.list() if run.status == "running"), None)

    def close(self) -> None:
        """Stop serving the queue. A running child continues, and the next JobRunner finds it again."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=10)
        self._held.close()

    def _enqueue(self, run_id: str) -> None:
        self._queue.append(run_id)
        try:
            self._save()
        except OSError:  # a run that cannot be saved must not appear in the queue
            self._queue.remove(run_id)
            raise
        self._wake.set()

    def _serve(self) -> None:
        while not self._closing:
            try:
                with self._mutex:
                    self._tick()
            except Exception as error:  # an error must not end the queue; the next round tries again
                self._complain(error)
            self._wake.wait(self._poll)
            self._wake.clear()

    def _complain(self, error: Exception) -> None:
        """Print the error of a round on the terminal, but not again while it stays the same."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            full = disk_full(error)
            if full:
                print(f"{full}: the queue waits until there is room", file=sys.stderr)
            else:
                traceback.print_exc()

    def _tick(self) -> None:
        if self._launched:
            if self._child:
                self._child.poll()  # collects the exit status, so that no zombie process remains
            run_id = self._launched.run
            if processes.alive(self._launched.pid, self._launched.process_started):
                if cancel_requested(self._workspace.run(run_id)):
                    self._stop(run_id)  # requested by a previous app or by another process
                return
            self._settle(run_id)
            self._launched = self._child = None
            self._save()
        if self._queue and not self._somebody_trains():
            run_id = self._queue[0]
            if self._wanted(run_id):
                self._launch(run_id)
            self._queue.remove(run_id)
            self._save()

    def _somebody_trains(self) -> bool:
        """Whether a stage runs in this workspace. A stage of a killed `all` runs without holding the lock."""
        if locks.holder(locks.training_lock(self._workspace)):
            return True
        return any(run.status == "running" for run in self._runs.list())

    def _wanted(self, run_id: str) -> bool:
        try:
            return self._runs.read(run_id).status in RESUMABLE
        except UserError:
            return False

    def _launch(self, run_id: str) -> None:
        folder = self._workspace.run(run_id)
        with open(folder / "log.txt", "ab") as log:
            self._child = subprocess.Popen(
                self._command(self._workspace, run_id),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(),
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        pid = self._child.pid
        processes.give_way(pid)
        self._launched = Launched(run_id, pid, processes.identity(pid))

    def _settle(self, run_id: str) -> None:
        """Handle the end of a child. If the child never wrote to the record, write here how it ended."""
        with contextlib.suppress(UserError):
            record = self._runs.read(run_id)
            if cancel_requested(self._workspace.run(run_id)):
                close_dead(self._workspace, run_id, "cancelled")
            elif not record.attempts:
                if free_disk(self._workspace.root) < _ROOM:
                    close_dead(self._workspace, run_id, "failed", "disk full", Code.DISK_FULL)
                    return
                last = tail_log(self._workspace, run_id, 1).strip()
                error = last.removeprefix("error: ") or "the process ended before the run began"
                close_dead(self._workspace, run_id, "failed", error, Code.UNEXPECTED)

    def _stop(self, run_id: str) -> None:
        """Stop a run in a separate thread, because the grace period may be long."""
        if run_id in self._stopping:
            return
        self._stopping.add(run_id)
        pid, started = self._process(run_id)

        def work() -> None:
            if pid and started:
                processes.stop(pid, started, self._grace)
            with self._mutex:
                close_dead(self._workspace, run_id, "cancelled")
                self._stopping.discard(run_id)

        threading.Thread(target=work, name=f"stop-{run_id}", daemon=True).start()

    def _process(self, run_id: str) -> tuple[int | None, str | None]:
        if self._launched and self._launched.run == run_id:
            return self._launched.pid, self._launched.process_started
        attempts = self._runs.read(run_id).attempts
        return (attempts[-1].pid, attempts[-1].process_started) if attempts else (None, None)

    def _save(self) -> None:
        write_queue(self._workspace, Queue(tuple(self._queue), self._launched))
