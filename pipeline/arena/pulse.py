"""Distinguishes a slow process from one that hangs: a process that works uses CPU time.

A missing message proves little, because a large base on a busy machine is slow. A process that was stopped or
is in a deadlock uses no CPU time at all, and neither do its children.
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
        """Seconds since the last call (or the start of the watch) that found new CPU time of the process or
        its children."""
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
