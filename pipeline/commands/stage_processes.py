"""The processes in which `all` runs its stages, several at once where there are cores for them.

Each stage has a process of its own, so that its memory is free afterwards, in the caller's process group, so
that Ctrl-C reaches it. Importing torch and what belongs to it takes seconds and is the same for every stage:
where the system can fork, one process does it once and the stages are forked from that. What runs when is
decided in `chain.py`; the workspace's training lock is held there, for all of them.

    processes = StageProcesses()
    process = processes.start(workspace, "reward", "tiny", "int8", [], company=2)
    processes.wait([process])            # [process], with process.exitcode
"""

from __future__ import annotations

import io
import multiprocessing
import multiprocessing.connection
import os
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import cast

from data.workspace import Workspace
from pipeline.commands.foreground import run_within_all
from pipeline.settings.stages import STAGES


class StageProcesses:
    """Starts stages and waits for them. All its methods belong to one thread."""

    def __init__(self) -> None:
        self._plain = multiprocessing.get_context("spawn")
        self._forks = "forkserver" in multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver") if self._forks else self._plain

    def start(
        self,
        workspace: Workspace,
        stage: str,
        preset: str,
        precision: str,
        overrides: list[str],
        company: int = 1,
    ) -> BaseProcess:
        """Begin a stage; `company` is how many stages run side by side with it, itself included."""
        if self._forks:
            from multiprocessing import forkserver  # not on Windows

            self._context.set_forkserver_preload(["pipeline.commands.preload"])
            forkserver.ensure_running()
        # A stage without torch needs none of it, and runs while the fork server is still importing.
        context = self._context if STAGES[stage].uses_models else self._plain
        process = context.Process(
            target=_run, args=(workspace.root, stage, preset, precision, overrides, company)
        )
        process.start()
        return process

    def wait(self, processes: Sequence[BaseProcess]) -> list[BaseProcess]:
        """Those of the processes that have ended, once there is one; their exitcode is set."""
        ended = multiprocessing.connection.wait([process.sentinel for process in processes])
        done = [process for process in processes if process.sentinel in ended]
        for process in done:
            process.join()
        return done

    def stop(self, processes: Sequence[BaseProcess]) -> None:
        """Ask the processes to save and stop, and wait until they have."""
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _run(root, stage: str, preset: str, precision: str, overrides: list[str], company: int) -> None:
    """In the new process: the stage as the command line runs it; ends with its exit code."""
    cast(io.TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
    os.environ["PYTHONUNBUFFERED"] = "1"  # for whatever the stage starts in its turn
    sys.exit(run_within_all(Workspace(root), stage, preset, precision, overrides, company))
