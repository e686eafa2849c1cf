"""Runs the steps of a graph in processes, several at the same time: the loop of `all` and of studies.

A step starts when every step that it depends on has ended. A failed step does not stop the others; the caller
decides which steps are left out because of it. `stage_processes.py` starts the processes. No torch.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pipeline.commands.stage_processes import StageProcesses

Step = TypeVar("Step", bound=Hashable)


def run(
    steps: Iterable[Step],
    needs: Mapping[Step, Collection[Step]],
    start: Callable[[Step, int], Any],
    left_out: Callable[[Step, Collection[Step]], bool],
    processes: StageProcesses,
    jobs: int,
    ended: Callable[[Step, int], None] = lambda step, code: None,
) -> int:
    """Run the steps, in their order as far as possible; returns the worst exit code.

    needs: {step: the steps that it waits for}; those that are not among `steps` count as done. start: starts
    a step's process, given the number of steps that then run side by side. left_out: whether a step cannot
    run, given the failed steps. jobs: the most processes at the same time. ended: is told each step's exit
    code. SIGTERM and Ctrl-C stop all processes, which save their state, and raise KeyboardInterrupt.
    """
    waiting = dict.fromkeys(steps)
    running: dict[Any, Step] = {}
    failed: set[Step] = set()
    worst = 0
    with interrupted_by_termination():
        try:
            while waiting or running:
                open_ = set(waiting) | set(running.values())
                ready = [step for step in waiting if not open_.intersection(needs[step])]
                company = min(jobs, len(running) + len(ready))
                for step in ready[: jobs - len(running)]:
                    del waiting[step]
                    if left_out(step, failed):
                        failed.add(step)
                    else:
                        running[start(step, company)] = step
                for process in processes.wait(list(running)) if running else []:
                    step = running.pop(process)
                    if process.exitcode:
                        failed.add(step)
                        worst = max(worst, process.exitcode, key=badness)
                    ended(step, process.exitcode or 0)
        except KeyboardInterrupt:
            processes.stop(list(running))
            raise
    return worst


def badness(code: int) -> int:
    """Rank exit codes: 0, then 2 (an error that the user can correct), then any other (a bug, a kill)."""
    return {0: 0, 2: 1}.get(code, 2)


@contextlib.contextmanager
def interrupted_by_termination() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C. SIGTERM reaches only this process, which has to forward it to the stages."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
