"""Identifies processes across restarts, and ends them without touching unrelated ones.

A process id alone is not an identity, because the system uses it again. `identity` adds when the process
started, in the machine's own ticks where it can be had, so that a changed clock does not matter.
This module starts nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import psutil

LOW_PRIORITY = 10  # nice value of trainings that the page starts


def identity(pid: int) -> str | None:
    """An identity of process `pid` that no other process with this number shares; None if it is gone."""
    try:
        return _identity(pid)
    except OSError:
        return None


def _identity(pid: int) -> str | None:
    """As `identity`; OSError where the system cannot say it now, as without a free file handle."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return _identity_elsewhere(pid)
    except ProcessLookupError:
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
    except (psutil.Error, ValueError, OverflowError):  # a record may name any number
        return None


def alive(pid: int | None, started: str | None) -> bool:
    """True when `pid` runs and is the process that `started` (an `identity`) was taken from.

    Where the system cannot say it now, a process with this number counts as the same: a run is not given up
    because a file handle was missing.
    """
    if not pid or not started:
        return False
    try:
        return _identity(pid) == started
    except OSError:
        return _number_taken(pid)


def _number_taken(pid: int) -> bool:
    """Whether some process has this number, asked without opening a file; only POSIX needs it."""
    if os.name == "nt":  # there os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


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
    """Send SIGTERM to the process, or to its group if it leads one. Unrelated processes are left alone."""
    if identity(pid) != started:
        return
    with contextlib.suppress(ProcessLookupError):
        if _leads_group(pid):
            os.killpg(pid, signal.SIGTERM)
        elif os.name != "nt":  # there SIGTERM kills at once: the cancel request does the asking
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
        if identity(pid) == started:  # never a stranger: what cannot be told is left alone
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


def give_way(pid: int) -> None:
    """Lower a process's priority, so that the page and the arena stay quick while it computes.

    Linux may share the processor between sessions first and look at priorities only inside a session (its
    autogroup); there the session gets the lower priority as well. Nothing happens where it is gone already or
    the system refuses.
    """
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            psutil.Process(pid).nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            psutil.Process(pid).nice(LOW_PRIORITY)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(LOW_PRIORITY), encoding="ascii")
