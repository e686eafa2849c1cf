"""queue.json, written by the app alone: the runs that wait in its queue, and the one that it launched last.

A file with another structure counts as an empty queue; the app renames such a file when it starts.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from data.errors import Code, UserError
from data.files import read_json, write_json
from data.workspace import Workspace


@dataclass(frozen=True)
class Launched:
    """The child process of a run. process_started: see `processes.identity`."""

    run: str
    pid: int
    process_started: str | None


@dataclass(frozen=True)
class Queue:
    """queue: ids of the waiting runs, the next one first. launched: the child that has not ended yet."""

    queue: tuple[str, ...] = ()
    launched: Launched | None = None


_QUEUE = TypeAdapter(Queue)


def queue_path(workspace: Workspace) -> Path:
    return workspace.root / "queue.json"


def read_queue(workspace: Workspace) -> Queue:
    """The queue; an empty one if the file is missing, cannot be read or has another structure."""
    try:
        return _read(queue_path(workspace))
    except (OSError, UserError):
        return Queue()


def take_over_queue(workspace: Workspace) -> Queue:
    """The queue for an app that starts to serve it. A file with another structure is renamed to
    queue.json.corrupt. Raises OSError if the file exists but cannot be read."""
    path = queue_path(workspace)
    try:
        return _read(path)
    except FileNotFoundError:
        return Queue()
    except UserError:
        os.replace(path, path.with_name(path.name + ".corrupt"))
        return Queue()


def write_queue(workspace: Workspace, queue: Queue) -> None:
    write_json(queue_path(workspace), dataclasses.asdict(queue))


def _read(path: Path) -> Queue:
    content = read_json(path)
    if not isinstance(content, dict) or not {"queue", "launched"} <= content.keys():
        raise UserError(f"{path}: not a queue", code=Code.RECORD)
    try:
        return _QUEUE.validate_python(content)
    except ValidationError as error:
        raise UserError(f"{path}: {error.errors()[0]['msg']}", code=Code.RECORD) from None
