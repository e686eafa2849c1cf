"""The writing side of a run's folder.

The process that executes the stage is the only writer of run.json, from its first `start_attempt` to the
terminal state. Before that, whoever creates the run writes the status "queued"; after the process is dead,
whoever killed it may write "cancelled" (`close_dead`). A process that died without a word is shown as "lost";
this is derived from the dead process and never written while the run may be resumed. What run.json holds is
in `pipeline.runs.record_file`; the reading side is `pipeline.runs.reader`. No torch.

    runs/<id>/{config.yaml, run.json, metrics.jsonl, samples.jsonl, log.txt, checkpoints/, model/}
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
from pipeline.runs import phases, processes, reserve
from pipeline.runs.hardware import hardware, software
from pipeline.runs.reader import read_record
from pipeline.runs.record_file import TERMINAL, Attempt, Event, Maker, Parents, RunRecord, Status, to_json

_STAMP = "%Y%m%dT%H%M%SZ"


class Cancelled(Exception):
    """Raised by a stage that was asked to stop, after saving its last checkpoint."""


class Run:
    """One run, for the process that executes it."""

    leads = True  # False in the other processes of a run on several devices, which write nothing

    def __init__(self, workspace: Workspace, record: RunRecord):
        self.workspace = workspace
        self.record = record
        self.id: str = record.id
        self.folder: Path = workspace.run(self.id)
        self.on_log: Callable[[dict[str, Any]], None] | None = None
        self.agree: Callable[[bool], bool] = bool  # with the other processes, where there are any
        self._stop = False
        self._clock = time.monotonic()
        self._seconds_before = 0.0

    @classmethod
    def create(cls, workspace: Workspace, stage: str, settings: Any, parents: Parents | None = None) -> Run:
        """A new run with the status "queued": its folder, config.yaml (what was asked for) and run.json."""
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
        """An existing run, to continue it. Raises UserError if it does not exist or cannot be read."""
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
        write_json(self.folder / "run.json", to_json(changed))  # where this fails, nothing has changed
        self.record = changed

    def change_attempt(self, **fields: Any) -> None:
        """Set fields of the newest attempt and write the record."""
        self.change(attempts=self._attempts_with(**fields))

    def start_attempt(self, threads: int | None = None) -> None:
        """Take over the record for this process; an earlier attempt that died silently becomes lost.

        threads: of the CPU that it computes with; a resumed run takes as many, to round as before.
        """
        attempts = self.record.attempts
        if attempts and attempts[-1].status == "running":
            attempts = self._attempts_with(status="lost", ended=now())
        self._seconds_before = sum(attempt.seconds or 0.0 for attempt in attempts)
        reserve.keep(self.folder)  # a resumed run gave it up when it ended
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
        """Append one flushed line to metrics.jsonl; `row` has "step". Adds wall_seconds, this attempt's
        clock."""
        line = dict(row) | {"wall_seconds": round(time.monotonic() - self._clock, 3)}
        append_jsonl(self.folder / "metrics.jsonl", line)
        if self.on_log:
            self.on_log(line)

    def sample(self, row: Mapping[str, Any]) -> None:
        """Append one flushed line to samples.jsonl; `row` has "step"."""
        append_jsonl(self.folder / "samples.jsonl", dict(row))

    def event(self, kind: str, message: str, **facts: Any) -> None:
        """Record and print an anomaly and the reaction to it."""
        self.change(events=(*self.record.events, Event(now(), kind, message, facts)))
        print(f"{kind}: {message}", flush=True)

    def note_resources(self, **values: int) -> None:
        """Set fields of `Resources`, in bytes."""
        self.change(resources=dataclasses.replace(self.record.resources, **values))

    def sync_logs(self) -> None:
        """Make metrics and samples durable: before a checkpoint counts that is newer than they are."""
        for name in ("metrics.jsonl", "samples.jsonl"):
            with contextlib.suppress(FileNotFoundError), open(self.folder / name, "rb+") as file:
                os.fsync(file.fileno())

    def cut_back(self, step: int, forget: Callable[[dict[str, Any]], bool] = lambda row: False) -> None:
        """Forget metrics and samples after `step`, when a resume or a roll-back continues from there, and
        rows that `forget` names."""
        for name in ("metrics.jsonl", "samples.jsonl"):
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
        """True once a signal or a cancel request in the folder asks to stop; all processes of the run
        agree."""
        return self.agree(self.stop_asked())

    def stop_asked(self) -> bool:
        """Whether this process alone has been asked to stop."""
        return self._stop or cancel_requested(self.folder)

    def finish(self, results: Mapping[str, Any]) -> None:
        self._end("done", results=results)

    def fail(self, error: str, code: str | None = None) -> None:
        """`error`: one line, what went wrong; `code`: what kind of error it is."""
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
        """The attempts, the newest with other fields."""
        return (*self.record.attempts[:-1], dataclasses.replace(self.record.attempts[-1], **fields))


def now() -> str:
    """The current UTC time in the format of records."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def request_cancel(folder: Path) -> None:
    """Ask the run in `folder` to stop; whoever asks writes this file, the run only reads it."""
    try:
        write_json(folder / "cancel.json", {"asked": now()})
    except OSError as error:
        if disk_full(error) is None:
            raise
        (folder / "cancel.json").touch()  # that it is there says enough, and an empty file needs no room


def withdraw_cancel(folder: Path) -> None:
    """Remove a cancel request, before a resume."""
    (folder / "cancel.json").unlink(missing_ok=True)


def cancel_requested(folder: Path) -> bool:
    return (folder / "cancel.json").exists()


def close_dead(
    workspace: Workspace, run_id: str, status: Status, error: str | None = None, code: str | None = None
) -> bool:
    """Write the terminal state of a run whose process is gone (killed, or never got to its first attempt).

    Does nothing, and returns False, when the run has a terminal state or its process lives.
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
    """Make the folder of a new run. Its time is later than that of every run there is, whatever the clock
    says, so that ids sort in the order of creation."""
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
