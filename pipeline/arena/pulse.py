"""Tells a process that is slow from one that hangs: a process that works uses the CPU.

No message for a while says little, because a large base on a busy machine is slow. A process that was stopped
or waits for itself uses no CPU time at all; neither do its children.
"""

from __future__ import annotations

import contextlib
import time

import psutil


class Pulse:
    """Watches one process from outside."""

    def __init__(self, pid: int):
        self._pid = pid
        self._used = self._cpu_seconds()
        self._since = time.monotonic()

    def idle_seconds(self) -> float:
        """How long the process and its children have used no CPU time, as far as this was watched: since the
        first of the calls that found no more than the one before."""
        used = self._cpu_seconds()
        if used != self._used:
            self._used, self._since = used, time.monotonic()
        return time.monotonic() - self._since

    def _cpu_seconds(self) -> float:
        used = 0.0
        with contextlib.suppress(psutil.Error):
            watched = psutil.Process(self._pid)
            for process in (watched, *watched.children(recursive=True)):
                with contextlib.suppress(psutil.Error):  # it ended in between
                    times = process.cpu_times()
                    used += times.user + times.system
        return used
