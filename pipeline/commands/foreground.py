"""Runs a stage in the caller's process: returns its exit code, prints the path of its run.json as last line.

The command line and `all` both run stages through this module.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from data.errors import Code, UserError
from data.files import disk_full
from data.workspace import Workspace
from pipeline.commands.advice import told
from pipeline.commands.execute import execute, resume
from pipeline.runs.progress import full_disk_ignored
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from pipeline.training import distributed


def run_within_all(
    workspace: Workspace,
    stage: str,
    preset: str,
    precision: str,
    overrides: list[str],
    company: int,
    run_id: str = "",
) -> int:
    """Run a stage for `all` or a study, which hold the training lock; returns the exit code.

    run_id: an earlier run of the stage that is to be continued, with the settings that it has.
    """

    def command() -> int:
        if run_id:
            return foreground(lambda started: resume(workspace, run_id, started, company))
        settings = build(stage, preset, precision=precision, overrides=overrides)
        return foreground(
            lambda started: execute(stage, settings, workspace, started=started, company=company)
        )

    return exit_code(command)


def exit_code(command: Callable[[], int]) -> int:
    """Call a command and return its exit code; an error is printed on stderr and becomes 2 (the user can
    correct it) or 1 (a bug)."""
    try:
        return command()
    except UserError as error:
        distributed.let_the_leader_speak()
        _say(told(error))
        return 2
    except KeyboardInterrupt:
        _say("interrupted; `resume` continues from the last checkpoint")
        return 2
    except BrokenPipeError:
        return 0
    except Exception as error:  # the outermost frame: show a bug's full traceback
        if full := disk_full(error):
            _say(told(full))
            return 2
        traceback.print_exc()
        return 1


def _say(text: str) -> None:
    with full_disk_ignored():
        print(f"error: {text}", file=sys.stderr)


def foreground(run_it: Callable[[Callable[[Run], None]], Run]) -> int:
    """Run a stage in this process; the last line on stdout is the path of its run.json, even on an error."""
    begun: list[Run] = []
    try:
        run = run_it(begun.append)
        if run.record.status == "cancelled":
            raise UserError(
                f"{run.id}: cancelled",
                code=Code.CANCELLED,
                command=f"continue with: python -m pipeline resume {run.id} --workspace {run.workspace.root}",
            )
    finally:
        for run in begun:
            with full_disk_ignored():
                print(run.folder / "run.json", flush=True)
    return 0
