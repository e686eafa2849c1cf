"""The record of a run: one folder, one truth on disk.

`Run` is the writing side. The process that executes the stage is the only writer of run.json, from its first
`start_attempt` to the terminal state. Before that, whoever creates the run writes status "queued"; after the
process is dead, whoever killed it may write "cancelled" (`close_dead`). A process that died without a word
is shown as "lost", which is derived from the dead process and never written while the run may be resumed.
The reading side, for the page and the command line, is `pipeline.runs.reader`, re-exported here. No torch.

    runs/<id>/{config.yaml, run.json, metrics.jsonl, samples.jsonl, log.txt, checkpoints/, model/}
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from data.files import append_jsonl, read_jsonl, sync_folder, write_atomic, write_json
from data.workspace import Workspace
from pipeline.runs import processes
from pipeline.runs.hardware import hardware, software
from pipeline.runs.reader import (
    blank_record,
    list_runs,
    read_metrics,
    read_record,
    read_run,
    read_samples,
    tail_log,
)

__all__ = [
    "TERMINAL",
    "Cancelled",
    "Run",
    "cancel_wished",
    "close_dead",
    "list_runs",
    "now",
    "read_metrics",
    "read_run",
    "read_samples",
    "tail_log",
    "wish_to_cancel",
    "withdraw_wish",
]

TERMINAL = ("done", "failed", "cancelled", "lost")
_STAMP = "%Y%m%dT%H%M%SZ"


class Cancelled(Exception):
    """Raised by a stage that was asked to stop, after it saved its last checkpoint."""


class Run:
    """One run, seen from the process that executes it."""

    leads = True  # False in the other processes of a run on several devices, which write nothing

    def __init__(self, workspace: Workspace, record: dict[str, Any]):
        self.workspace = workspace
        self.record = record
        self.id: str = record["id"]
        self.folder: Path = workspace.run(self.id)
        self.on_log: Callable[[dict], None] | None = None
        self.agree: Callable[[bool], bool] = bool  # with the other processes, where there are any
        self._stop = False
        self._clock = time.monotonic()
        self._seconds_before = 0.0

    @classmethod
    def create(cls, workspace: Workspace, stage: str, settings: Any, parents: Mapping | None = None) -> Run:
        """A new run with status "queued": its folder, config.yaml (what was asked for) and run.json."""
        config = dataclasses.asdict(settings) if dataclasses.is_dataclass(settings) else dict(settings)
        workspace.create()
        run_id = _new_folder(workspace, stage, config.get("precision", "bf16"))
        record = blank_record(run_id) | {
            "stage": stage,
            "preset": config.get("preset"),
            "precision": config.get("precision"),
            "seed": config.get("seed"),
            "parents": dict(parents or {}),
            "config": config,
        }
        run = cls(workspace, record)
        write_atomic(run.folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        run.write()
        return run

    @classmethod
    def load(cls, workspace: Workspace, run_id: str) -> Run:
        """An existing run, to go on with it. Raises UserError when it is not there or not readable."""
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

    def write(self) -> None:
        write_json(self.folder / "run.json", self.record)

    def start_attempt(self, threads: int | None = None) -> None:
        """Take the record over for this process; an earlier attempt that died without a word becomes lost.

        threads: of the CPU that it computes with; a resumed run takes as many, to round as before.
        """
        attempts = self.record["attempts"]
        if attempts and attempts[-1]["status"] == "running":
            attempts[-1] |= {"status": "lost", "ended": now()}
        self._seconds_before = sum(attempt["seconds"] or 0.0 for attempt in attempts)
        self._clock = time.monotonic()
        attempts.append(
            {
                "number": len(attempts) + 1,
                "token": secrets.token_hex(8),
                "pid": os.getpid(),
                "process_started": processes.identity(os.getpid()),
                "started": now(),
                "ended": None,
                "seconds": None,
                "status": "running",
                "threads": threads,
                "from_step": 0,
                "total_steps": None,
                "error": None,
            }
        )
        self.record |= {
            "status": "running",
            "hardware": hardware(),
            "software": software(),
            "ended": None,
            "error": None,
            "results": {},
            "started": self.record["started"] or now(),
        }
        self.write()

    def set_total(self, total_steps: int) -> None:
        """How many steps the whole run has, for progress and time left."""
        self.record["attempts"][-1]["total_steps"] = int(total_steps)
        self.write()

    def log(self, row: Mapping[str, Any]) -> None:
        """One flushed line of metrics.jsonl; `row` has "step". Adds wall_seconds, this attempt's clock."""
        line = dict(row) | {"wall_seconds": round(time.monotonic() - self._clock, 3)}
        append_jsonl(self.folder / "metrics.jsonl", line)
        if self.on_log:
            self.on_log(line)

    def sample(self, row: Mapping[str, Any]) -> None:
        """One flushed line of samples.jsonl; `row` has "step"."""
        append_jsonl(self.folder / "samples.jsonl", dict(row))

    def event(self, kind: str, message: str, **facts: Any) -> None:
        """An anomaly and what was done about it; kept in run.json and printed."""
        self.record["events"].append({"time": now(), "kind": kind, "message": message} | facts)
        self.write()
        print(f"{kind}: {message}", flush=True)

    def note_resources(self, **values: int) -> None:
        """Set resources: peak_rss_bytes, peak_cuda_bytes, adapter_bytes, base_bytes."""
        self.record["resources"] |= values
        self.write()

    def sync_logs(self) -> None:
        """Make metrics and samples durable: before a checkpoint counts that is newer than they are."""
        for name in ("metrics.jsonl", "samples.jsonl"):
            with contextlib.suppress(FileNotFoundError), open(self.folder / name, "rb+") as file:
                os.fsync(file.fileno())

    def cut_back(self, step: int, forget: Callable[[dict], bool] = lambda row: False) -> None:
        """Forget metrics and samples after `step`, when a resume or a roll-back continues from there, and
        rows that `forget` names."""
        for name in ("metrics.jsonl", "samples.jsonl"):
            path = self.folder / name
            if path.exists():
                rows = read_jsonl(path)
                kept = [row for row in rows if row.get("step", 0) <= step and not forget(row)]
                write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
        if self.record["attempts"]:
            self.record["attempts"][-1]["from_step"] = step
            self.write()

    def request_stop(self) -> None:
        """What the signal handlers call: no more than a flag."""
        self._stop = True

    def should_stop(self) -> bool:
        """True once a signal asked to stop or the wish to cancel lies in the folder; agreed on by all
        processes of the run."""
        return self.agree(self.stop_asked())

    def stop_asked(self) -> bool:
        """What this process knows of it."""
        return self._stop or cancel_wished(self.folder)

    def finish(self, results: Mapping[str, Any]) -> None:
        self._end("done", None, results)

    def fail(self, error: str) -> None:
        """`error`: one line, what went wrong and what to do."""
        self._end("failed", error)

    def cancel(self) -> None:
        self._end("cancelled", None)

    def _end(self, status: str, error: str | None, results: Mapping[str, Any] | None = None) -> None:
        seconds = 0.0
        if self.record["attempts"]:
            attempt = self.record["attempts"][-1]
            if attempt["status"] in TERMINAL:
                raise RuntimeError(
                    f"{self.id}: attempt {attempt['number']} has already ended: {attempt['status']}"
                )
            seconds = round(time.monotonic() - self._clock, 3)
            attempt |= {"status": status, "ended": now(), "seconds": seconds, "error": error}
        self.record |= {
            "status": status,
            "ended": now(),
            "error": error,
            "results": dict(results or {}),
            "seconds": round(self._seconds_before + seconds, 3),
        }
        self.sync_logs()
        self.write()


def now() -> str:
    """UTC time as records keep it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wish_to_cancel(folder: Path) -> None:
    """Ask the run in `folder` to stop; whoever asks writes this, the run only reads it."""
    write_json(folder / "cancel.json", {"asked": now()})


def withdraw_wish(folder: Path) -> None:
    """Before a resume."""
    (folder / "cancel.json").unlink(missing_ok=True)


def cancel_wished(folder: Path) -> bool:
    return (folder / "cancel.json").exists()


def close_dead(workspace: Workspace, run_id: str, status: str, error: str | None = None) -> bool:
    """Write the terminal state of a run whose process is gone (killed, or never got to its first attempt).

    Does nothing, and returns False, when the run has a terminal state or its process lives.
    """
    run = Run.load(workspace, run_id)
    attempt = run.record["attempts"][-1] if run.record["attempts"] else None
    if run.record["status"] not in ("queued", "running"):
        return False
    if attempt and attempt["status"] == "running":
        if processes.alive(attempt["pid"], attempt["process_started"]):
            return False
        attempt |= {"status": status, "ended": now(), "error": error}
    run.record |= {"status": status, "ended": now(), "error": error}
    run.write()
    return True


def _new_folder(workspace: Workspace, stage: str, precision: str) -> str:
    """Make the folder of a new run. Its time is later than that of every run there is, whatever the clock
    says, so that ids sort in the order of creation."""
    moment = datetime.now(UTC).replace(microsecond=0)
    for folder in workspace.runs.iterdir():
        try:
            stamp = datetime.strptime(folder.name.split("-")[0], _STAMP).replace(tzinfo=UTC)
        except ValueError:
            continue
        moment = max(moment, stamp + timedelta(seconds=1))
    run_id = f"{moment.strftime(_STAMP)}-{stage}-{precision}-{secrets.token_hex(2)}"
    workspace.run(run_id).mkdir()
    sync_folder(workspace.runs)
    return run_id
