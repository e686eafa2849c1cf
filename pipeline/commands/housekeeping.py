"""`delete RUN` and `gc`: remove runs and what nobody needs, and say first what depends on it. No torch.

A deleted run leaves its place by one rename, so that a kill in between leaves no half of it. Its experiment
record and the votes about its answers stay: they are results of their own.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from data.errors import Code, UserError
from data.files import sync_folder
from data.workspace import Workspace
from evaluation.resources import folder_bytes
from pipeline.runs import leftovers, locks
from pipeline.runs.reader import list_runs, read_run

ENDED_EARLY = ("failed", "cancelled", "lost")


@dataclass(frozen=True)
class Waste:
    """Something that `gc` would remove, why, and how large it is."""

    path: Path
    reason: str
    bytes: int


def dependents(workspace: Workspace, run_id: str) -> list[str]:
    """What stands on a run, one line each: other runs, at any distance, and rounds of the arena."""
    runs = list_runs(workspace)
    standing = {run_id}
    lines = []
    for run in sorted(runs, key=lambda run: run.id):  # parents before children
        if run.id not in standing and standing & set(run.parents.ids):
            standing.add(run.id)
            lines.append(f"{run.id} ({run.status}) stands on it")
    rounds = _rounds(workspace, run_id)
    if rounds:
        lines.append(f"{rounds} rounds of the arena were answered by it (they stay, with their votes)")
    return lines


def delete(workspace: Workspace, run_id: str, yes: bool = False) -> list[str]:
    """Delete a run's folder; returns what depended on it.

    Raises UserError for a run that is not there or not over, and, without `yes`, where something depends on
    it.
    """
    folder = workspace.run(run_id)
    if not folder.is_dir():
        raise UserError(f"{run_id}: no such run in {workspace.root}; `status` lists them", code=Code.RUN)
    if (folder / "run.json").exists() and (status := _status(workspace, run_id)) in ("running", "queued"):
        raise UserError(f"{run_id}: is {status}; `cancel {run_id}` first", code=Code.STATE)
    named = dependents(workspace, run_id)
    if named and not yes:
        raise UserError(f"{run_id}: {'; '.join(named)}. Add --yes to delete it all the same", code=Code.STATE)
    _remove(workspace, folder)
    return named


def waste(workspace: Workspace) -> list[Waste]:
    """What nothing needs any more: runs that ended early, and checkpoints of runs that are done.

    A run that something stands on is kept.
    """
    runs = list_runs(workspace)
    needed = {parent for run in runs for parent in run.parents.ids}
    found = []
    for run in runs:
        folder = workspace.run(run.id)
        checkpoints = folder / "checkpoints"
        if run.status in ENDED_EARLY and run.id not in needed and not run.damaged:
            found.append(Waste(folder, f"{run.status}, and nothing stands on it", folder_bytes(folder)))
        elif run.status == "done" and checkpoints.is_dir() and any(checkpoints.iterdir()):
            found.append(Waste(checkpoints, "checkpoints of a run that is done", folder_bytes(checkpoints)))
    return found


def collect(workspace: Workspace, found: list[Waste]) -> list[Path]:
    """Remove what `waste` found, and leftovers of processes that were killed; returns the paths removed."""
    for item in found:
        _remove(workspace, item.path)
    removed = [item.path for item in found] + leftovers.remove_temporary(workspace)
    with locks.hold(locks.training_lock(workspace), stage="gc"):
        return removed + leftovers.remove_unfinished(workspace)


def _remove(workspace: Workspace, folder: Path) -> None:
    aside = workspace.root / f"{leftovers.TRASH}{folder.parent.name}-{folder.name}-{os.getpid()}"
    try:
        os.replace(folder, aside)
        sync_folder(folder.parent)
    except OSError as error:
        raise UserError(f"{folder}: cannot be removed ({error})", code=Code.WORKSPACE) from error
    shutil.rmtree(aside, ignore_errors=True)


def _status(workspace: Workspace, run_id: str) -> str:
    """ "" for a run whose record is damaged: it may be deleted."""
    try:
        return read_run(workspace, run_id).status
    except UserError:
        return ""


def _rounds(workspace: Workspace, run_id: str) -> int:
    """Rounds of the arena that the run's model answered."""
    if not workspace.votes_db.exists():
        return 0
    question = "SELECT count(DISTINCT round) FROM answers WHERE json_extract(weights, '$.run') = ?"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(workspace.votes_db))}?mode=rw", uri=True)) as votes:
            return votes.execute(question, (run_id,)).fetchone()[0]
    except sqlite3.Error as error:
        raise UserError(
            f"{workspace.votes_db}: cannot be read ({error}); `verify` says more", code=Code.DATABASE
        ) from error
