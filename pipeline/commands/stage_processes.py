"""The processes in which `all` and studies run their stages, several of them at the same time.

Each stage has its own process, so that its memory is released afterwards. The process belongs to the caller's
process group, so that Ctrl-C reaches it. Importing torch and its companions takes seconds and is the same for
every stage: if the system can fork, one server process imports them once, and each stage is forked from it.
With a GPU each stage does its own imports: bitsandbytes starts CUDA when it is imported, and a process that
is forked after that cannot use CUDA.
`side_by_side.py` decides which stage runs when; its callers hold the workspace's training lock.

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
from pipeline.runs.hardware import has_gpu
from pipeline.settings.stages import STAGES


def forks() -> bool:
    """Whether stages are forked from a process that has done their imports."""
    return "forkserver" in multiprocessing.get_all_start_methods() and not has_gpu()


class StageProcesses:
    """Starts stages and waits for them. All methods must be called from the same thread."""

    def __init__(self) -> None:
        self._plain = multiprocessing.get_context("spawn")
        self._forks = forks()
        self._context = multiprocessing.get_context("forkserver") if self._forks else self._plain

    def start(
        self,
        workspace: Workspace,
        stage: str,
        preset: str,
        precision: str,
        overrides: list[str],
        company: int = 1,
        run_id: str = "",
    ) -> BaseProcess:
        """Start a stage. company: the number of stages that run side by side, including this one. run_id: a
        run to continue, with its own settings; "" starts a new one."""
        if self._forks:
            from multiprocessing import forkserver  # does not exist on Windows

            self._context.set_forkserver_preload(["pipeline.commands.preload"])
            forkserver.ensure_running()
        # A stage without torch does not need the fork server and can run while the server is importing.
        context = self._context if STAGES[stage].uses_models else self._plain
        process = context.Process(
            target=_run, args=(workspace.root, stage, preset, precision, overrides, company, run_id)
        )
        process.start()
        return process

    def wait(self, processes: Sequence[BaseProcess]) -> list[BaseProcess]:
        """Wait until at least one process has ended; returns those that have, with their exitcode set."""
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


def _run(
    root, stage: str, preset: str, precision: str, overrides: list[str], company: int, run_id: str
) -> None:
    """Run the stage in the new process, as the command line does, and exit with its code."""
    cast(io.TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
    os.environ["PYTHONUNBUFFERED"] = "1"  # for the processes that the stage starts
    sys.exit(run_within_all(Workspace(root), stage, preset, precision, overrides, company, run_id))
