"""The writing side of a run's folder.

The process that executes the stage is the only writer of run.json, from its first `start_attempt` to the
terminal state. Before that, the creator of the run writes the status "queued"; after the process has ended,
the process that killed it may write "cancelled" (`close_dead`). If a process died without a terminal state,
the run is shown as "lost"; the reader derives this status, and it is not written while the run may be
resumed. `pipeline.runs.record_file` defines the contents of run.json; the reading side is
`pipeline.runs.reader`. No torch.

    runs/<id>/{config.yaml, run.json, metrics.jsonl, samples.jsonl, memory.jsonl, log.txt, checkpoints/,
    model/}
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import yaml

from data.files import append_jsonl, disk_full, read_jsonl, sync_folder, write_atomic, write_json
from data.workspace import Workspace
from pipeline.runs import memory_log, phases, processes, reserve
from pipeline.runs.hardware import hardware, software
from pipeline.runs.reader import read_record
from pipeline.runs.record_file import TERMINAL, Attempt, Event, Maker, Parents, RunRecord, Status, to_json

_STAMP = "%Y%m%dT%H%M%SZ"


class Cancelled(Exception):
    """Raised by a stage that was asked to stop, after it has saved its last checkpoint."""


class Run:
    """One run, for the process that executes it."""

    leads = True  # False in the other processes of a run on several devices, which write nothing

    def __init__(self, workspace: Workspace, record: RunRecord):
        self.workspace = workspace
        self.record = record
        self.id: str = record.id
        self.folder: Path = workspace.run(self.id)
        self.on_log: Callable[[dict[str, Any]], None] | None = None
        self.agree: Callable[[bool], bool] = bool  # agrees with the other processes, if there are any
        self._stop = False
        self._clock = time.monotonic()
        self._seconds_before = 0.0

    @classmethod
    def create(cls, workspace: Workspace, stage: str, settings: Any, parents: Parents | None = None) -> Run:
        """Create a queued run: its folder, config.yaml (the requested settings) and run.json."""
        is_record = dataclasses.is_dataclass(settings) and not isinstance(settings, type)
        config: dict[str, Any] = dataclasses.asdict(cast(Any, settings)) if is_record else dict(settings)
        workspace.create()
        run_id = _new_folder(workspace, stage, config.get("precision", "bf16"))
        record = RunRecord(
            id=run_id,
            stage=stage,
            preset=config.get("preset") or "",
            precision=config.get("precision") or "",
            seed=config.get("seed"),
            parents=parents or Parents(),
            config=config,
            maker=Maker(os.getpid(), processes.identity(os.getpid())),
        )
        run = cls(workspace, record)
        try:
            reserve.keep(run.folder)
            asked = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
            write_atomic(run.folder / "config.yaml", asked)
            run.write()
        except OSError:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        return run

    @classmethod
    def load(cls, workspace: Workspace, run_id: str) -> Run:
        """Load an existing run, to continue it. Raises UserError if it does not exist or cannot be read."""
        return cls(workspace, read_record(workspace, run_id))

    @property
    def model_dir(self) -> Path:
        return self.folder / "model"

    @property
    def checkpoints_dir(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def log_path(self) -> Path:
        return self.folder / "log.txt"

    @property
    def attempt(self) -> Attempt:
        """The attempt of this process, from `start_attempt` on."""
        return self.record.attempts[-1]

    def write(self) -> None:
        write_json(self.folder / "run.json", to_json(self.record))

    def change(self, **fields: Any) -> None:
        """Set fields of the record and write it."""
        changed = dataclasses.replace(self.record, **fields)
        write_json(self.folder / "run.json", to_json(changed))  # if this fails, the record is unchanged
        self.record = changed

    def change_attempt(self, **fields: Any) -> None:
        """Set fields of the newest attempt and write the record."""
        self.change(attempts=self._attempts_with(**fields))

    def start_attempt(self, threads: int | None = None) -> None:
        """Take over the record for this process; an earlier attempt without a terminal state becomes lost.

        threads: number of CPU threads of the computation. A resumed run uses the same number, because it
        determines how sums are rounded.
        """
        attempts = self.record.attempts
        if attempts and attempts[-1].status == "running":
            attempts = self._attempts_with(status="lost", ended=now())
        self._seconds_before = sum(attempt.seconds or 0.0 for attempt in attempts)
        reserve.keep(self.folder)  # a run that is resumed gave its reserve up at its end
        self._clock = time.monotonic()
        attempt = Attempt(
            number=len(attempts) + 1,
            token=secrets.token_hex(8),
            pid=os.getpid(),
            process_started=processes.identity(os.getpid()),
            started=now(),
            status="running",
            threads=threads,
        )
        self.change(
            attempts=(*attempts, attempt),
            status="running",
            hardware=hardware(),
            software=software(),
            ended=None,
            error=None,
            error_code=None,
            results={},
            started=self.record.started or now(),
        )
        self.phase(phases.LOADING)

    def set_total(self, total_steps: int) -> None:
        """Set the number of steps of the whole run, for progress and time left; the steps begin now."""
        self.change_attempt(total_steps=int(total_steps))
        self.phase(phases.STEPS)

    def phase(self, name: str, count: int | None = None) -> None:
        """Record that a phase begins (`pipeline.runs.phases`). count: how many items it works on."""
        phases.begin(self.folder, name, count)

    def log(self, row: Mapping[str, Any]) -> None:
        """Append `row`, which contains "step", to metrics.jsonl and flush it. Adds wall_seconds, the seconds
        since this attempt began."""
        line = dict(row) | {"wall_seconds": round(time.monotonic() - self._clock, 3)}
        append_jsonl(self.folder / "metrics.jsonl", line)
        memory_log.note(self.folder, int(row["step"]))
        if self.on_log:
            self.on_log(line)

    def sample(self, row: Mapping[str, Any]) -> None:
        """Append `row`, which contains "step", to samples.jsonl and flush it."""
        append_jsonl(self.folder / "samples.jsonl", dict(row))

    def event(self, kind: str, message: str, **facts: Any) -> None:
        """Record and print an anomaly and the reaction to it."""
        self.change(events=(*self.record.events, Event(now(), kind, message, facts)))
        print(f"{kind}: {message}", flush=True)

    def note_resources(self, **values: int) -> None:
        """Set fields of `Resources`, in bytes."""
        self.change(resources=dataclasses.replace(self.record.resources, **values))

    def sync_logs(self) -> None:
        """Make metrics and samples durable. To be called before a checkpoint of a later step counts."""
        for name in ("metrics.jsonl", "samples.jsonl"):
            with contextlib.suppress(FileNotFoundError), open(self.folder / name, "rb+") as file:
                os.fsync(file.fileno())

    def cut_back(self, step: int, forget: Callable[[dict[str, Any]], bool] = lambda row: False) -> None:
        """Remove the metrics and samples after `step`, from which a resume or a roll-back continues, and the
        rows for which `forget` returns True."""
        for name in ("metrics.jsonl", "samples.jsonl", memory_log.FILE):
            path = self.folder / name
            if path.exists():
                rows = read_jsonl(path)
                kept = [row for row in rows if row.get("step", 0) <= step and not forget(row)]
                write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
        if self.record.attempts:
            self.change_attempt(from_step=step)

    def request_stop(self) -> None:
        """Set the stop flag; the signal handlers call it."""
        self._stop = True

    def should_stop(self) -> bool:
        """True after a signal or a cancel request in the folder; the same in all processes of the run (a
        collective call)."""
        return self.agree(self.stop_asked())

    def stop_asked(self) -> bool:
        """Whether this process has been asked to stop; unlike `should_stop` not a collective call."""
        return self._stop or cancel_requested(self.folder)

    def finish(self, results: Mapping[str, Any]) -> None:
        self._end("done", results=results)

    def fail(self, error: str, code: str | None = None) -> None:
        """End the run as failed. error: one line that states the problem. code: its kind (`data.errors`)."""
        self._end("failed", error, code)

    def cancel(self) -> None:
        self._end("cancelled")

    def _end(
        self,
        status: Status,
        error: str | None = None,
        code: str | None = None,
        results: Mapping[str, Any] | None = None,
    ) -> None:
        seconds, attempts = 0.0, self.record.attempts
        if attempts:
            if self.attempt.status in TERMINAL:
                raise RuntimeError(
                    f"{self.id}: attempt {self.attempt.number} has already ended: {self.attempt.status}"
                )
            seconds = round(time.monotonic() - self._clock, 3)
            attempts = self._attempts_with(status=status, ended=now(), seconds=seconds, error=error)
        changes: dict[str, Any] = dict(
            attempts=attempts,
            status=status,
            ended=now(),
            error=error,
            error_code=code,
            results=dict(results or {}),
            seconds=round(self._seconds_before + seconds, 3),
        )

        def close() -> None:
            self.sync_logs()
            self.change(**changes)

        reserve.with_room(self.folder, close)
        reserve.give_up(self.folder)

    def _attempts_with(self, **fields: Any) -> tuple[Attempt, ...]:
        """The attempts, with changed fields in the newest one."""
        return (*self.record.attempts[:-1], dataclasses.replace(self.record.attempts[-1], **fields))


def now() -> str:
    """The current UTC time in the format of records."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def request_cancel(folder: Path) -> None:
    """Ask the run in `folder` to stop, with a file that the run only reads."""
    try:
        write_json(folder / "cancel.json", {"asked": now()})
    except OSError as error:
        if disk_full(error) is None:
            raise
        (folder / "cancel.json").touch()  # its existence suffices, and an empty file needs no room


def withdraw_cancel(folder: Path) -> None:
    """Remove a cancel request, before a resume."""
    (folder / "cancel.json").unlink(missing_ok=True)


def cancel_requested(folder: Path) -> bool:
    return (folder / "cancel.json").exists()


def close_dead(
    workspace: Workspace, run_id: str, status: Status, error: str | None = None, code: str | None = None
) -> bool:
    """Write the terminal state of a run whose process was killed or ended before its first attempt.

    Does nothing, and returns False, if the run has a terminal state or its process still runs.
    """
    run = Run.load(workspace, run_id)
    attempt, attempts = run.record.attempt, run.record.attempts
    if run.record.status not in ("queued", "running"):
        return False
    if attempt and attempt.status == "running":
        if processes.alive(attempt.pid, attempt.process_started):
            return False
        ended = dataclasses.replace(attempt, status=status, ended=now(), error=error)
        attempts = (*attempts[:-1], ended)
    ends: dict[str, Any] = dict(attempts=attempts, status=status, ended=now(), error=error, error_code=code)
    reserve.with_room(run.folder, lambda: run.change(**ends))
    reserve.give_up(run.folder)
    return True


def _new_folder(workspace: Workspace, stage: str, precision: str) -> str:
    """Create the folder of a new run; returns its id. The time in the id is later than that of every existing
    run, even if the clock was set back, so that ids sort in the order of creation."""
    moment = datetime.now(UTC).replace(microsecond=0)
    for folder in workspace.runs.iterdir():
        try:
            stamp = datetime.strptime(folder.name.split("-")[0], _STAMP).replace(tzinfo=UTC)
            moment = max(moment, stamp + timedelta(seconds=1))
        except (ValueError, OverflowError):  # not a run's name
            continue
    run_id = f"{moment.strftime(_STAMP)}-{stage}-{precision}-{secrets.token_hex(2)}"
    workspace.run(run_id).mkdir()
    sync_folder(workspace.runs)
    return run_id
