"""Identifies processes across restarts of the app, and ends them without affecting unrelated ones.

A process id alone does not identify a process, because the system reuses it. `identity` adds the time at
which the process started; on Linux in ticks since boot, so that a change of the clock has no effect. This
module starts no process.
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
    """A text that identifies process `pid`, unlike any other process with this id; None if it has ended."""
    try:
        return _identity(pid)
    except OSError:
        return None


def _identity(pid: int) -> str | None:
    """As `identity`; raises OSError if the system cannot tell now, for example without a free file handle."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return _identity_elsewhere(pid)
    except ProcessLookupError:
        return None
    # The name in parentheses can contain spaces, so count the fields after it: 3 is the state, 22 the start.
    rest = text.rpartition(")")[2].split()
    return None if rest[0] in "ZXx" else f"{boot}:{rest[19]}"


def _identity_elsewhere(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except (psutil.Error, ValueError, OverflowError):  # a damaged record can contain any number
        return None


def alive(pid: int | None, started: str | None) -> bool:
    """True if process `pid` runs and has the identity `started`.

    If the system cannot tell now, any process with this id counts as the same process, so that a run is not
    declared lost only because no file handle was free.
    """
    if not pid or not started:
        return False
    try:
        return _identity(pid) == started
    except OSError:
        return _number_taken(pid)


def _number_taken(pid: int) -> bool:
    """Whether a process has this id, determined without opening a file; only POSIX needs this."""
    if os.name == "nt":  # on Windows os.kill would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def family(pid: int) -> dict[int, str]:
    """{pid: identity} of the process and its descendants, and of its process group if it leads one.

    A stage on the command line shares its caller's group, so the group counts only if the process leads it.
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
    """Send SIGTERM to the process, or to its group if it leads one. Unrelated processes are not affected."""
    if identity(pid) != started:
        return
    with contextlib.suppress(ProcessLookupError):
        if _leads_group(pid):
            os.killpg(pid, signal.SIGTERM)
        elif os.name != "nt":  # on Windows SIGTERM kills at once; there only the cancel request asks
            os.kill(pid, signal.SIGTERM)


def stop(pid: int, started: str, grace: float) -> bool:
    """End a process in three steps: ask it, wait up to `grace` seconds, kill what is left of its `family`.

    Returns True if the process itself had to be killed. Blocks until all of them have ended.
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
    """Send SIGKILL to each of {pid: identity} that is still the same process, and wait for their end."""
    for pid, started in members.items():
        if identity(pid) == started:  # never kill a process whose identity is not certain
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
    """Lower a process's priority, so that the page and the arena stay responsive while it computes.

    Linux may divide CPU time between sessions first (autogroup) and apply priorities only within a session,
    so the session gets the lower priority as well. Errors are ignored: the process may have ended, or the
    system may refuse.
    """
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            psutil.Process(pid).nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            psutil.Process(pid).nice(LOW_PRIORITY)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(LOW_PRIORITY), encoding="ascii")
