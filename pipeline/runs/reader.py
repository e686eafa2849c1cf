"""The reading side of a run's folder, for the page and the command line.

The shown status is derived from the record and the running processes: a run whose process has ended without a
terminal state is "lost". A record that cannot be read is shown as a damaged run and never hides the others.
A `RunReader` caches parsed files until they change; the app creates one and passes it to the page. No torch.

    reader = RunReader(workspace)
    reader.list()                     # all runs, newest first
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data.errors import Code, UserError
from data.files import read_jsonl
from data.workspace import Workspace
from pipeline.runs import labels, live, memory_log, phases, processes
from pipeline.runs.queue_file import Queue, queue_path, read_queue
from pipeline.runs.record_file import RunRecord, Status, parse
from pipeline.settings.layers import from_dict, read_config
from pipeline.settings.stages import STAGES, Stages

_QUEUE_PATIENCE = 60  # seconds that a run may be outside the queue before its first attempt


class _Signature(NamedTuple):
    """A signature that changes whenever a file is written."""

    modified_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> _Signature:
        return cls(found.st_mtime_ns, found.st_size, found.st_ino)


class _Unparsable(UserError):
    """A file that was read completely and does not contain JSON."""

    def __init__(self, message: str, signature: _Signature):
        super().__init__(message, code=Code.RECORD)
        self.signature = signature


class _NoRecord(UserError):
    """There is no run.json."""


class _OnDisk(NamedTuple):
    signature: _Signature
    record: RunRecord


class RunReader:
    """Reads the runs of one workspace. Threads may share it, because cache entries never change."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self._records: dict[str, _OnDisk] = {}
        self._asked: dict[str, tuple[_Signature, Any]] = {}
        self._queue: tuple[_Signature | None, Queue] = (None, Queue())
        self._labels: tuple[_Signature | None, dict[str, labels.Label]] = (None, {})

    def list(self) -> list[RunRecord]:
        """All runs, newest first; damaged ones have damaged=True. Raises UserError if the folder of runs
        itself cannot be read."""
        try:
            names = sorted(os.listdir(self.workspace.runs), reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise UserError(
                f"{self.workspace.runs}: cannot be listed now: {error.strerror}", code=Code.RECORD
            ) from None
        queue, labelled = self._read_queue(), self._read_labels()
        records = [_labelled(record, labelled) for name in names if (record := self._listed(name, queue))]
        for gone in (self._records.keys() | self._asked.keys()) - set(names):
            self._records.pop(gone, None)
            self._asked.pop(gone, None)
        return [self._with_time_left(record, records) for record in records]

    def read(self, run_id: str) -> RunRecord:
        """The record with its current status; that of a running run has `progress`. Raises UserError if there
        is no such run or its record is damaged."""
        return _labelled(self._shown(self.on_disk(run_id), self._read_queue()), self._read_labels())

    def asked(self, record: RunRecord, stages: Stages = STAGES) -> Any:
        """The settings with which a run was requested, from its config.yaml. UserError if it is damaged."""
        path = self.workspace.run(record.id) / "config.yaml"
        try:
            signature = _Signature.of(path.stat())
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}", code=Code.RECORD) from None
        known = self._asked.get(record.id)
        if known is None or known[0] != signature:
            known = (signature, from_dict(str(record.stage), read_config(path), stages))
            self._asked[record.id] = known
        return known[1]

    def on_disk(self, run_id: str) -> _OnDisk:
        """The record as written, with the file's signature. Raises UserError as `read` does."""
        path = self.workspace.run(run_id) / "run.json"
        try:
            signature = _Signature.of(path.stat())
            known = self._records.get(run_id)
            if known is None or known.signature != signature:
                known = _read(path, run_id)
                self._records[run_id] = known
        except (FileNotFoundError, NotADirectoryError):
            raise _NoRecord(f"{run_id}: no such run in {self.workspace.root}", code=Code.RUN) from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read now: {error.strerror}", code=Code.RECORD) from None
        return known

    def _with_time_left(self, record: RunRecord, records: Sequence[RunRecord]) -> RunRecord:
        """A run in a phase without steps, with the time left if a run of the same kind has finished."""
        progress = record.progress
        if progress is None or progress.phase in ("", phases.STEPS):
            return record
        kind = (record.stage, record.preset, record.precision)
        done = (r for r in records if r.status == "done" and (r.stage, r.preset, r.precision) == kind)
        like = next(done, None)
        took = phases.seconds_of(self.workspace.run(like.id), like.ended) if like else {}
        if progress.phase not in took:
            return record
        left = max(0.0, took[progress.phase] - progress.phase_seconds)
        return dataclasses.replace(record, progress=dataclasses.replace(progress, seconds_left=left))

    def _listed(self, name: str, queue: Queue) -> RunRecord | None:
        """The entry of a folder in the list: its run, a run shown as damaged, or None if it has no record."""
        path = self.workspace.runs / name / "run.json"
        aside = path.with_name("run.json.corrupt")
        try:
            return self._shown(self.on_disk(name), queue)
        except _Unparsable as error:
            moved = _set_aside(path, aside, error.signature)
            return _damaged(
                name, f"{error} ({'set aside as run.json.corrupt' if moved else 'left in place'})"
            )
        except _NoRecord:
            return _damaged(name, f"{path}: was damaged (run.json.corrupt)") if aside.is_file() else None
        except UserError as error:  # another structure, an invalid name, a link, or no permission
            return _damaged(name, str(error)) if path.parent.is_dir() else None

    def _read_queue(self) -> Queue:
        """The queue, read again if the file has changed."""
        try:
            signature = _Signature.of(queue_path(self.workspace).stat())
        except OSError:
            return Queue()
        if self._queue[0] != signature:
            self._queue = (signature, read_queue(self.workspace))
        return self._queue[1]

    def _read_labels(self) -> dict[str, labels.Label]:
        """Names and tags by run id, read again if the file has changed."""
        try:
            signature = _Signature.of(self.workspace.labels.stat())
        except OSError:
            return {}
        if self._labels[0] != signature:
            self._labels = (signature, labels.read(self.workspace))
        return self._labels[1]

    def _shown(self, found: _OnDisk, queue: Queue) -> RunRecord:
        record = found.record
        status = _status(found, queue)
        if status == "lost" and not record.error:
            waited = not record.attempts  # its status on disk was still "queued"
            cause = (
                "it is not in the queue any more" if waited else "its process died (killed, or out of memory)"
            )
            code = Code.NOT_STARTED if waited else Code.LOST
            return dataclasses.replace(record, status=status, error=cause, error_code=code)
        if status == "running" and record.attempt:
            progress = live.progress(self.workspace.run(record.id), record.attempt)
            return dataclasses.replace(record, progress=progress)
        return record if status == record.status else dataclasses.replace(record, status=status)


def list_runs(workspace: Workspace) -> list[RunRecord]:
    """All runs, newest first, without a cache; see `RunReader.list`."""
    return RunReader(workspace).list()


def read_run(workspace: Workspace, run_id: str) -> RunRecord:
    """One run, without a cache; see `RunReader.read`."""
    return RunReader(workspace).read(run_id)


def read_record(workspace: Workspace, run_id: str) -> RunRecord:
    """The record on disk. Raises UserError if it is missing or damaged."""
    return RunReader(workspace).on_disk(run_id).record


def read_metrics(workspace: Workspace, run_id: str, start: int = 0) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl from row `start` on."""
    return read_jsonl(workspace.run(run_id) / "metrics.jsonl", start)


def read_samples(workspace: Workspace, run_id: str, start: int = 0) -> list[dict[str, Any]]:
    """Rows of samples.jsonl from row `start` on."""
    return read_jsonl(workspace.run(run_id) / "samples.jsonl", start)


def read_memory(workspace: Workspace, run_id: str) -> list[dict[str, Any]]:
    """Rows of memory.jsonl: step, rss_bytes, and cuda_bytes on a GPU; [] for a run of an earlier version."""
    return read_jsonl(workspace.run(run_id) / memory_log.FILE)


def tail_log(workspace: Workspace, run_id: str, lines: int = 40) -> str:
    """The last lines of log.txt; reads no more than its last 64 KiB."""
    text = live.tail(workspace.run(run_id) / "log.txt", 2**16).decode("utf-8", "replace")
    return "\n".join(line.rpartition("\r")[2] for line in text.splitlines()[-lines:])


def _status(found: _OnDisk, queue: Queue) -> Status:
    """The current status: that of the record, unless its process has ended or the queue contradicts it."""
    record, attempt = found.record, found.record.attempt
    if record.status == "running":
        alive = attempt and processes.alive(attempt.pid, attempt.process_started)
        return "running" if alive else "lost"
    if record.status == "queued":
        known = record.id in queue.queue or _is_being_started(found, queue)
        return "queued" if known else "lost"
    if record.id in queue.queue and record.status != "done":
        return "queued"  # it waits to be resumed
    return record.status


def _is_being_started(found: _OnDisk, queue: Queue) -> bool:
    """Whether a queued run that is not in the queue is about to start its first attempt: the app has launched
    it, or a process that still runs has just created it."""
    launched, maker = queue.launched, found.record.maker
    if launched and launched.run == found.record.id:
        return processes.alive(launched.pid, launched.process_started)
    if maker and not processes.alive(maker.pid, maker.process_started):
        return False
    return abs(time.time() - found.signature.modified_ns / 1e9) < _QUEUE_PATIENCE


def _read(path: Path, run_id: str) -> _OnDisk:
    with open(path, "rb") as file:
        signature = _Signature.of(os.fstat(file.fileno()))
        content = file.read()
    if len(content) != signature.size:
        raise UserError(f"{path}: is being written; try again", code=Code.RECORD)
    try:
        raw = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _Unparsable(f"{path}: not valid JSON ({error})", signature) from None
    try:
        return _OnDisk(signature, parse(raw, run_id))
    except UserError as error:
        raise UserError(f"{path}: {error}", code=Code.RECORD) from None


def _set_aside(path: Path, aside: Path, signature: _Signature) -> bool:
    """Rename a run.json that cannot be parsed, but only if it is still the file that was read. Returns
    whether it was renamed.

    A file behind a symbolic link is not renamed, and neither is a file in a read-only workspace.
    """
    try:
        if aside.exists() or _Signature.of(os.lstat(path)) != signature:
            return False
        os.rename(path, aside)
        return True
    except OSError:
        return False


def _labelled(record: RunRecord, known: dict[str, labels.Label]) -> RunRecord:
    label = known.get(record.id)
    return dataclasses.replace(record, title=label.name, tags=label.tags) if label else record


def _damaged(name: str, error: str) -> RunRecord:
    """The record of a run of which only the folder's name is known; its bytes need not be valid text."""
    shown = name.encode("utf-8", "backslashreplace").decode()
    return RunRecord(id=shown, status="failed", error=error, error_code=Code.RECORD, damaged=True)
