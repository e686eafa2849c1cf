"""One stage in a forked process that is killed: at a moment from outside, or by itself at its k-th call.

The parent has imported torch and the stages, so that a kill costs the stage alone. The process that is killed
counts its calls of os.fsync, os.replace and os.rename, which is how everything durable is written, and sends
itself SIGKILL before or after the one that was chosen. Nothing in the product knows of this.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files import sha256_file
from data.workspace import Workspace
from pipeline.commands import execute as stages
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.settings.layers import build

CALLS = ("fsync", "replace", "rename")
CLOCK = ("wall_seconds", "seconds", "tokens_per_second", "date")  # fields that only time decides


@dataclass(frozen=True)
class Cell:
    """A stage at a precision with what it stands on and its sizes."""

    stage: str
    precision: str
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.stage} {self.precision}"


@dataclass(frozen=True)
class Ended:
    """How a process ended. calls: how often it had called one of `CALLS`; 0 where it was killed."""

    code: int
    seconds: float
    calls: int


@dataclass(frozen=True)
class Kill:
    """When: `seconds` after the fork, or at call number `call` (from 1), before or after it."""

    seconds: float | None = None
    call: int = 0
    after: bool = False

    def __str__(self) -> str:
        return (
            f"{'after' if self.after else 'before'} call {self.call}"
            if self.call
            else f"{self.seconds:.2f} s"
        )


def forked(job: Callable[[], Any], log: Path, kill: Kill | None = None) -> Ended:
    """Run `job` in a process of its own, killed as `kill` says; what it prints goes to `log`."""
    reader, writer = os.pipe()
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(job, log, kill, writer)
    os.close(writer)
    if kill and kill.seconds is not None:
        time.sleep(kill.seconds)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reader) as told:
        calls = told.read()
    return Ended(os.waitstatus_to_exitcode(status), time.monotonic() - begun, int(calls or 0))


def _child(job: Callable[[], Any], log: Path, kill: Kill | None, writer: int) -> None:
    code = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        with _counted(kill) as counted:
            job()
        os.write(writer, str(counted()).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def _counted(kill: Kill | None) -> Iterator[Callable[[], int]]:
    count = 0

    def patched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            mine = kill is not None and kill.call == count
            if mine and not (kill and kill.after):
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **kwargs)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in CALLS:
        setattr(os, name, patched(getattr(os, name)))
    yield lambda: count  # the process ends after this: nothing is put back


def start(cell: Cell, workspace: Workspace, name: str) -> Callable[[], Any]:
    """The job that runs a cell from its beginning. name: of the data set that `prepare` makes."""

    def job() -> None:
        named = (f"name={name}",) if cell.stage in ("prepare", "pretrain") else ()
        settings = build(cell.stage, "tiny", precision=cell.precision, overrides=[*cell.overrides, *named])
        stages.execute(cell.stage, settings, workspace)

    return job


def go_on(cell: Cell, workspace: Workspace, name: str, known: set[str]) -> Callable[[], Any]:
    """The job that resumes the run that was killed.

    From the beginning where the kill came before there was a record; nothing where the run was done already.
    """
    made = [record for record in list_runs(workspace) if record.id not in known and not record.damaged]
    if any(record.status == "done" for record in made):
        return lambda: None
    return (lambda: stages.resume(workspace, made[0].id)) if made else start(cell, workspace, name)


def outcome(workspace: Workspace, run_id: str) -> dict[str, Any]:
    """Everything that must be the same, without clocks, ids and times.

    Events that tell of the kill itself (a checkpoint that it left unfinished is passed over) are left out.
    """
    run = Run.load(workspace, run_id)
    files = sorted(run.model_dir.rglob("*.safetensors")) if run.model_dir.is_dir() else []
    weights = {path.name: sha256_file(path) for path in files}
    if run.record.stage == "prepare":
        folder = workspace.dataset(str(run.record.config["name"]))
        weights = {path.name: sha256_file(path) for path in sorted(folder.glob("*.jsonl"))}
    events = [
        [event.kind, event.message.replace(run_id, "RUN"), dict(event.facts)]
        for event in run.record.events
        if event.kind != "broken checkpoint"
    ]
    found = {
        "status": run.record.status,
        "weights": weights,
        "results": _timeless(dict(run.record.results), run),
        "events": _timeless(events, run),
        "metrics": [_timeless(row, run) for row in _rows(run.folder / "metrics.jsonl")],
        "samples": [_timeless(row, run) for row in _rows(run.folder / "samples.jsonl")],
    }
    return json.loads(json.dumps(found, sort_keys=True, default=str))


def differences(calm: dict[str, Any], resumed: dict[str, Any]) -> list[str]:
    """The names of what is not the same; [] for a run that was resumed exactly."""
    return [key for key in calm if calm[key] != resumed[key]]


def _timeless(value: Any, run: Run) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item, run) for key, item in value.items() if key not in CLOCK}
    if isinstance(value, list | tuple):
        return [_timeless(item, run) for item in value]
    if isinstance(value, str):  # a data set's and a run's own name
        own = str(run.record.config.get("name") or run.id)
        return value.replace(run.id, "RUN").replace(own, "NAME")
    return value


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
