"""Removes what processes that were killed have left half done in a workspace. No torch.

`remove_temporary` may be called at any time: a temporary file carries the number of the process that writes
it, and only those of processes that are gone are removed. `remove_unfinished` needs the training lock: with
it, nothing else makes data sets, checkpoints or token files, so that every unfinished one is a leftover.
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
    """Remove temporary files whose process is gone; returns their paths."""
    removed = []
    for folder in _folders(workspace):
        for path in _entries(folder):
            match = _TEMPORARY.fullmatch(path.name)
            if match and not psutil.pid_exists(int(match[1])):
                path.unlink(missing_ok=True)
                removed.append(path)
    return removed


def remove_unfinished(workspace: Workspace) -> list[Path]:
    """Remove data sets, checkpoints and token files that were not finished, and runs that were being deleted.

    A data set that had been set aside for its successor comes back where there is none. Returns the paths
    that were removed. The caller holds the training lock.
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
    """Every folder that files are written to atomically."""
    yield from (workspace.root, workspace.arena, workspace.experiments)
    for parent in (workspace.runs, workspace.datasets):
        for folder in _entries(parent):
            yield from (folder, folder / "model")


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it is none, or cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
