"""Processes as records know them: is it still the same one, and how to end it without touching a stranger.

A process id alone is not an identity, because the system uses it again. `identity` adds when the process
started, in the machine's own ticks where it can be had, so that a changed clock does not matter.
This module starts nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil


def identity(pid: int) -> str | None:
    """What tells process `pid` from every other one that has or had this number; None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return _identity_elsewhere(pid)
    except (OSError, ProcessLookupError):
        return None
    # The name in parentheses may hold spaces: count the fields after it. Field 3 is the state, 22 the start.
    rest = text.rpartition(")")[2].split()
    return None if rest[0] in "ZXx" else f"{boot}:{rest[19]}"


def _identity_elsewhere(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def alive(pid: int | None, started: str | None) -> bool:
    """True when `pid` runs and is the process that `started` (an `identity`) was taken from."""
    return bool(pid and started) and identity(pid) == started


def family(pid: int) -> dict[int, str]:
    """The process and everything it started, with identities: its group where it leads one, else its tree.

    A stage on the command line shares its caller's group, so the group is only taken from its leader.
    """
    found = {pid}
    with contextlib.suppress(psutil.Error):
        found |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
    if _leads_group(pid):
        for other in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getpgid(other) == pid:
                    found.add(other)
    return {member: started for member in found if (started := identity(member))}


def ask_to_stop(pid: int, started: str) -> None:
    """SIGTERM to the process, its whole group where it leads one. Does nothing to a stranger."""
    if not alive(pid, started):
        return
    with contextlib.suppress(ProcessLookupError):
        if _leads_group(pid):
            os.killpg(pid, signal.SIGTERM)
        elif (
            os.name != "nt"
        ):  # there SIGTERM would kill at once: the wish in the run's folder does the asking
            os.kill(pid, signal.SIGTERM)


def stop(pid: int, started: str, grace: float) -> bool:
    """End a process in three steps: ask, wait `grace` seconds, kill what is left of its family.

    Returns True when the process itself had to be killed. Blocks until everything is gone.
    """
    members = family(pid) if alive(pid, started) else {}
    ask_to_stop(pid, started)
    deadline = time.monotonic() + grace
    while alive(pid, started) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = alive(pid, started)
    if killed:
        members |= family(pid)
    kill(members)
    return killed


def kill(members: dict[int, str]) -> None:
    """SIGKILL each of {pid: identity} that is still the same process, and wait until they are gone."""
    for pid, started in members.items():
        if alive(pid, started):
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
    deadline = time.monotonic() + 10
    while any(alive(*member) for member in members.items()) and time.monotonic() < deadline:
        time.sleep(0.02)


def _leads_group(pid: int) -> bool:
    if os.name == "nt":
        return False
    try:
        return os.getpgid(pid) == pid and os.getsid(pid) == pid
    except ProcessLookupError:
        return False
