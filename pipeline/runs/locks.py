"""One trainer and one app per workspace: file locks that name their holder.

The operating system releases the lock when its process ends, so that no stale lock remains after a kill -9. A
second file next to the lock names its holder. The second process does not wait (beyond half a second); it
gets an error that names the holder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data.errors import Code, UserError
from data.files import disk_full, read_json, write_json
from data.workspace import Workspace
from pipeline.runs import processes


def training_lock(workspace: Workspace) -> Path:
    """The lock of the stage that runs in this workspace."""
    return workspace.root / "training.lock"


def app_lock(workspace: Workspace) -> Path:
    """The lock of the app that serves this workspace and owns its queue."""
    return workspace.root / "app.lock"


@contextlib.contextmanager
def hold(path: Path, **facts: Any) -> Iterator[Callable[..., None]]:
    """Hold the lock; yields a function that adds facts about the holder, such as run="...".

    Raises UserError that names the holder if another process has the lock.
    """
    lock = FileLock(path, timeout=0.5)
    try:
        lock.acquire()
    except Timeout:
        raise _taken(path) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be locked ({error})", code=Code.WORKSPACE) from None
    mine: dict[str, Any] = {"pid": os.getpid(), "process_started": processes.identity(os.getpid())} | facts

    def tell(**more: Any) -> None:
        mine.update(more)
        try:
            write_json(_holder_file(path), mine)
        except OSError as error:
            if disk_full(error) is None:  # the lock itself works without the holder's name
                raise

    try:
        tell()
        yield tell
    finally:
        _holder_file(path).unlink(missing_ok=True)
        lock.release()


def holder(path: Path) -> dict[str, Any] | None:
    """Facts about the running process that holds the lock, or None."""
    try:
        facts = read_json(_holder_file(path))
        return facts if processes.alive(facts["pid"], facts["process_started"]) else None
    except (OSError, UserError, KeyError, TypeError):
        return None


def _holder_file(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _taken(path: Path) -> UserError:
    facts = holder(path) or {}
    pid = facts.get("pid", "unknown")
    if path.name == "app.lock":
        where = f" at {facts['address']}" if facts.get("address") else ""
        message = f"another app (process {pid}{where}) serves the workspace {path.parent}"
        return UserError(message, code=Code.BUSY, command="use it, or stop it first")
    if facts.get("run"):
        return busy(Workspace(path.parent), facts["run"], pid)
    stage = str(facts.get("stage"))
    if stage == "all" or stage.startswith("study "):
        message = f"`{stage}` (process {pid}) is running in the workspace {path.parent}"
    else:
        message = f"{facts.get('stage') or 'another stage'} (process {pid}) is starting in {path.parent}"
    return UserError(message, code=Code.BUSY, command="wait until it has ended")


def busy(workspace: Workspace, run: str, pid: int | None) -> UserError:
    """The error for a second stage while `run` is running."""
    return UserError(
        f"{run} (process {pid}) is running in the workspace {workspace.root}",
        code=Code.BUSY,
        command="wait until it has ended, or stop it with: "
        f"python -m pipeline cancel {run} --workspace {workspace.root}",
    )
