"""Starts and stops studies for the page: ready-made designs, and `python -m pipeline study` behind it.

A started study is a separate session that survives the page, like the page's other jobs; its output goes to
studies/NAME/log.txt. No torch.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from data.errors import Code, UserError
from data.workspace import Workspace
from pipeline.commands import study
from pipeline.commands.study_progress import running
from pipeline.runs import locks, processes
from pipeline.runs.child import child_environment
from pipeline.settings.study import read_design

GRACE = 60.0  # seconds in which the stages save their state


def ready_made() -> dict[str, Path]:
    """{name: file} of the designs that come with the project."""
    folder = Path(__file__).resolve().parents[2] / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def command(workspace: Workspace, file: Path) -> list[str]:
    """The command that runs a study, or continues it."""
    return [sys.executable, "-m", "pipeline", "study", str(file), "--workspace", str(workspace.root)]


def start(
    workspace: Workspace,
    file: Path,
    command: Callable[[Workspace, Path], list[str]] = command,
) -> int:
    """Start a study, or continue it; returns the process id.

    Raises UserError for a design that is not the one on record, and while something else trains.
    """
    design = read_design(file)
    study.record(workspace, design)
    if holder := locks.holder(locks.training_lock(workspace)):
        busy = holder.get("run") or holder.get("stage")
        raise UserError(f"{busy} is running in this workspace", code=Code.BUSY)
    with open(workspace.study(design.name) / "log.txt", "ab") as log:
        child = subprocess.Popen(
            command(workspace, file),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=child_environment(),
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    processes.give_way(child.pid)
    return child.pid


def stop(workspace: Workspace) -> None:
    """Ask the running study to stop; its stages save their state. Does nothing if none runs."""
    holder = locks.holder(locks.training_lock(workspace))
    if holder and running(workspace):
        processes.ask_to_stop(holder["pid"], holder["process_started"])
