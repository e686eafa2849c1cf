"""Removes unfinished files that killed processes have left in a workspace. No torch.

`remove_temporary` may be called at any time: the name of a temporary file contains the id of the process that
writes it, and only files of processes that no longer exist are removed. `remove_unfinished` needs the
training lock: while it is held, no other process creates data sets, checkpoints or token files, so that every
unfinished one is a leftover.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from data.workspace import Workspace

_TEMPORARY = re.compile(r"\.(\d+)-[0-9a-f]{12}\.tmp")  # of data.files.write_atomic
_ASIDE = re.compile(r"\.(.+)~[0-9a-f]{8}\.(new|old)")  # of the stage `prepare`
_STAGING = ".staging-"  # of pipeline.runs.checkpoints
_TOKENS = re.compile(r"[0-9a-f]{32}\.\d+")  # of pipeline.training.token_cache
TRASH = ".deleted-"  # of pipeline.commands.housekeeping


def remove_temporary(workspace: Workspace) -> list[Path]:
    """Remove temporary files whose process no longer exists; returns their paths."""
    removed = []
    for folder in _folders(workspace):
        for path in _entries(folder):
            match = _TEMPORARY.fullmatch(path.name)
            if match and not psutil.pid_exists(int(match[1])):
                path.unlink(missing_ok=True)
                removed.append(path)
    return removed


def remove_unfinished(workspace: Workspace) -> list[Path]:
    """Remove unfinished data sets, checkpoints and token files, and the remains of deleted runs.

    If a data set was moved aside and its replacement is missing, it is moved back. Returns the removed paths.
    The caller must hold the training lock.
    """
    found = [path for path in _entries(workspace.root) if path.name.startswith(TRASH)]
    for run in _entries(workspace.runs):
        found += [path for path in _entries(run / "checkpoints") if path.name.startswith(_STAGING)]
    found += [path for path in _entries(workspace.cache / "tokens") if _TOKENS.fullmatch(path.name)]
    for path in _entries(workspace.datasets):
        if match := _ASIDE.fullmatch(path.name):
            if match[2] == "old" and not workspace.dataset(match[1]).exists():
                os.replace(path, workspace.dataset(match[1]))
            else:
                found.append(path)
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return found


def _folders(workspace: Workspace) -> Iterator[Path]:
    """Yield every folder in which files are written atomically."""
    yield from (workspace.root, workspace.arena, workspace.experiments)
    for parent in (workspace.runs, workspace.datasets):
        for folder in _entries(parent):
            yield from (folder, folder / "model")


def _entries(folder: Path) -> list[Path]:
    """The contents of a folder, sorted; [] if it does not exist or cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
