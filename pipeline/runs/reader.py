"""Runs as the page and the command line see them: the reading side of a run's folder.

The status that is shown is derived from the record and the live process: a run whose process is gone without
a terminal state is "lost". Nothing here writes, except that an unreadable run.json is set aside. No torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.files import read_json, read_jsonl
from data.workspace import Workspace
from pipeline.runs import processes

_QUEUE_PATIENCE = 60  # seconds that a queued run may be outside the queue (it is being started)


def read_run(
    workspace: Workspace, run_id: str, queue: tuple[list[str], str | None] | None = None
) -> dict[str, Any]:
    """The record with its status as it is now ("lost" is derived). A running one has "progress" with
    step, total, seconds_left and silent_seconds (since it last wrote a metric or a line of its log).
    `queue` is the app's `queue_state`, read anew where it is not given."""
    record = read_record(workspace, run_id)
    record["status"] = _status(workspace, record, queue or queue_state(workspace))
    if record["status"] == "lost" and not record["error"]:
        waited = not record["attempts"]  # its status on disk was still "queued"
        cause = "the queue it waited in is gone" if waited else "its process died (killed, or out of memory)"
        record["error"] = f"{cause}; `resume {run_id}` {'starts it' if waited else 'goes on with it'}"
    if record["status"] == "running":
        record["progress"] = _progress(workspace.run(run_id), record["attempts"][-1])
    return record


def list_runs(workspace: Workspace) -> list[dict[str, Any]]:
    """All runs, newest first. A run.json that cannot be read is set aside and its run shown as failed."""
    if not workspace.runs.is_dir():
        return []
    runs, queue = [], queue_state(workspace)
    for folder in sorted(workspace.runs.iterdir(), reverse=True):
        if not folder.is_dir() or not any(
            (folder / name).exists() for name in ("run.json", "run.json.corrupt")
        ):
            continue
        try:
            runs.append(read_run(workspace, folder.name, queue))
        except UserError as error:
            if (folder / "run.json").exists():
                os.replace(folder / "run.json", folder / "run.json.corrupt")
            runs.append(
                blank_record(folder.name)
                | {"status": "failed", "error": f"{error} (set aside as run.json.corrupt)"}
            )
    return runs


def read_metrics(workspace: Workspace, run_id: str, start: int = 0) -> list[dict]:
    """Rows of metrics.jsonl from row `start` on."""
    return read_jsonl(workspace.run(run_id) / "metrics.jsonl", start)


def read_samples(workspace: Workspace, run_id: str, start: int = 0) -> list[dict]:
    """Rows of samples.jsonl from row `start` on."""
    return read_jsonl(workspace.run(run_id) / "samples.jsonl", start)


def tail_log(workspace: Workspace, run_id: str, lines: int = 40) -> str:
    """The last lines of log.txt; reads no more than its last 64 KiB."""
    text = _tail(workspace.run(run_id) / "log.txt", 2**16).decode("utf-8", "replace")
    return "\n".join(line.rpartition("\r")[2] for line in text.splitlines()[-lines:])


def blank_record(run_id: str) -> dict[str, Any]:
    """A record with every field and nothing in it."""
    return {
        "id": run_id,
        "stage": None,
        "preset": None,
        "precision": None,
        "seed": None,
        "status": "queued",
        "parents": {},
        "config": {},
        "hardware": {},
        "software": {},
        "attempts": [],
        "started": None,
        "ended": None,
        "seconds": None,
        "results": {},
        "resources": {},
        "events": [],
        "error": None,
    }


def read_record(workspace: Workspace, run_id: str) -> dict[str, Any]:
    """run.json as it is on disk. Raises UserError when there is none or it is not a record."""
    path = workspace.run(run_id) / "run.json"
    try:
        record = read_json(path)
    except FileNotFoundError:
        raise UserError(f"{run_id}: no such run in {workspace.root}; `status` lists them") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if not isinstance(record, dict) or blank_record(run_id).keys() - record.keys() or record["id"] != run_id:
        raise UserError(f"{path}: not a run record")
    return record


def _status(workspace: Workspace, record: dict[str, Any], queue: tuple[list[str], str | None]) -> str:
    if record["status"] == "running":
        attempt = record["attempts"][-1] if record["attempts"] else {}
        return "running" if processes.alive(attempt.get("pid"), attempt.get("process_started")) else "lost"
    waiting, launched = queue
    if record["status"] == "queued":
        age = time.time() - (workspace.run(record["id"]) / "run.json").stat().st_mtime
        known = record["id"] in waiting or record["id"] == launched or abs(age) < _QUEUE_PATIENCE
        return "queued" if known else "lost"
    if record["id"] in waiting and record["status"] != "done":
        return "queued"  # waits for its resume
    return record["status"]


def queue_path(workspace: Workspace) -> Path:
    """The app's queue: {"queue": [run ids], "launched": {"run", "pid", "process_started"} or null}."""
    return workspace.root / "queue.json"


def queue_state(workspace: Workspace) -> tuple[list[str], str | None]:
    """(ids that wait, id of the one that was launched last and has not been settled)."""
    try:
        state = read_json(queue_path(workspace))
        return list(state["queue"]), state["launched"]["run"] if state["launched"] else None
    except (OSError, UserError, KeyError, TypeError):
        return [], None


def _progress(folder: Path, attempt: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for line in _tail(folder / "metrics.jsonl", 2**15).splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # torn, or not of ours
            row = json.loads(line)
            rows.append((int(row["step"]), float(row["wall_seconds"])))
    step = rows[-1][0] if rows else attempt["from_step"]
    rows = [row for row in rows if row[0] > attempt["from_step"]]  # the clock of this attempt
    total, left = attempt["total_steps"], None
    if total and len(rows) > 1 and rows[-1][0] > rows[0][0]:
        left = (rows[-1][1] - rows[0][1]) / (rows[-1][0] - rows[0][0]) * (total - step)
    touched = [
        path.stat().st_mtime
        for name in ("metrics.jsonl", "log.txt", "run.json")
        if (path := folder / name).exists()
    ]
    silent = max(0.0, time.time() - max(touched)) if touched else 0.0
    return {"step": step, "total": total, "seconds_left": left, "silent_seconds": silent}


def _tail(path: Path, size: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read()
    except FileNotFoundError:
        return b""
