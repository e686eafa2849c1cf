"""Disk space that a run reserves until it has ended, so that its end can be recorded even on a full disk.

A change of run.json writes a new file, which needs additional space. The reserve is a file that is created
with the run and removed when no other space is left. No torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from data.files import disk_full

_BYTES = 256 * 1024  # several times the size of the largest run.json


def keep(folder: Path) -> None:
    """Create the reserve of a folder if it does not exist. Raises OSError if there is no space for it."""
    path = folder / ".reserve"
    if path.exists() and path.stat().st_size == _BYTES:
        return
    with open(path, "wb") as file:
        file.write(os.urandom(_BYTES))  # random bytes, because a file system might compress others to nothing
        file.flush()
        os.fsync(file.fileno())


def give_up(folder: Path) -> None:
    """Remove the reserve, after the run has ended."""
    (folder / ".reserve").unlink(missing_ok=True)


def with_room(folder: Path, write: Callable[[], None]) -> None:
    """Call `write`; if the disk is full, remove the reserve and call it again."""
    try:
        write()
    except OSError as error:
        if disk_full(error) is None:
            raise
        give_up(folder)
        write()
