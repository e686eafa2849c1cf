"""`delete RUN` and `gc`: remove runs and files that are no longer needed, after listing what depends on them.

A run is first moved away by one rename, so that a kill cannot leave half of it in place. Its experiment
record and the votes on its answers are kept, because they are independent results. No torch.
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
from pipeline.runs import labels, leftovers, locks
from pipeline.runs.reader import list_runs, read_run
from pipeline.runs.record_file import RunRecord

ENDED_EARLY = ("failed", "cancelled", "lost")


@dataclass(frozen=True)
class Waste:
    """A folder that `gc` would remove, the reason, and its size."""

    path: Path
    reason: str
    bytes: int


def dependent_runs(workspace: Workspace, run_id: str) -> list[RunRecord]:
    """The runs that depend on a run, directly or indirectly, parents before children."""
    standing, found = {run_id}, []
    for run in sorted(list_runs(workspace), key=lambda run: run.id):
        if run.id not in standing and standing & set(run.parents.ids):
            standing.add(run.id)
            found.append(run)
    return found


def dependents(workspace: Workspace, run_id: str) -> list[str]:
    """What depends on a run, directly or indirectly: one line per run, and one for rounds of the arena."""
    lines = [f"{run.id} ({run.status}) depends on it" for run in dependent_runs(workspace, run_id)]
    if rounds := rounds_with(workspace, run_id):
        lines.append(f"{rounds} rounds of the arena have answers from it (they and their votes are kept)")
    return lines


def delete(workspace: Workspace, run_id: str, yes: bool = False) -> list[str]:
    """Delete a run's folder; returns what depended on it.

    Raises UserError for a run that does not exist or has not ended, and, without `yes`, if something depends
    on it.
    """
    folder = workspace.run(run_id)
    if not folder.is_dir():
        raise UserError(f"{run_id}: no such run in {workspace.root}; `status` lists them", code=Code.RUN)
    if (folder / "run.json").exists() and (status := _status(workspace, run_id)) in ("running", "queued"):
        raise UserError(f"{run_id}: is {status}; `cancel {run_id}` first", code=Code.STATE)
    named = dependents(workspace, run_id)
    if named and not yes:
        raise UserError(f"{run_id}: {'; '.join(named)}. Add --yes to delete it nevertheless", code=Code.STATE)
    _remove(workspace, folder)
    labels.forget(workspace, run_id)
    return named


def waste(workspace: Workspace) -> list[Waste]:
    """What is no longer needed: runs that ended early, and checkpoints of runs that are done.

    A run that another run depends on is kept.
    """
    runs = list_runs(workspace)
    needed = {parent for run in runs for parent in run.parents.ids}
    found = []
    for run in runs:
        folder = workspace.run(run.id)
        checkpoints = folder / "checkpoints"
        if run.status in ENDED_EARLY and run.id not in needed and not run.damaged:
            found.append(Waste(folder, f"{run.status}, and nothing depends on it", folder_bytes(folder)))
        elif run.status == "done" and checkpoints.is_dir() and any(checkpoints.iterdir()):
            found.append(Waste(checkpoints, "checkpoints of a run that is done", folder_bytes(checkpoints)))
    return found


def collect(workspace: Workspace, found: list[Waste]) -> list[Path]:
    """Remove what `waste` found and the leftovers of killed processes; returns the removed paths."""
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
    """The run's status; "" if its record is damaged, because such a run may be deleted."""
    try:
        return read_run(workspace, run_id).status
    except UserError:
        return ""


def rounds_with(workspace: Workspace, run_id: str) -> int:
    """The number of rounds of the arena with an answer from the run's model."""
    if not workspace.votes_db.exists():
        return 0
    question = "SELECT count(DISTINCT round) FROM answers WHERE json_extract(weights, '$.run') = ?"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(workspace.votes_db))}?mode=rw", uri=True)) as votes:
            return votes.execute(question, (run_id,)).fetchone()[0]
    except sqlite3.Error as error:
        raise UserError(
            f"{workspace.votes_db}: cannot be read ({error}); `verify` shows more", code=Code.DATABASE
        ) from error
