"""Room on the disk that a run keeps until it has ended, so that its end can be written when the disk is full.

run.json is replaced by a new file, which needs room of its own. The reserve is made with the run and gives
that room up at the moment when nothing else is left. No torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from data.files import disk_full

_BYTES = 256 * 1024  # several times the size of the largest run.json


def keep(folder: Path) -> None:
    """Make the reserve of a folder, unless it is there. Raises OSError where there is no room for it."""
    path = folder / ".reserve"
    if path.exists() and path.stat().st_size == _BYTES:
        return
    with open(path, "wb") as file:
        file.write(os.urandom(_BYTES))  # a file system that compresses has to give it real room, too
        file.flush()
        os.fsync(file.fileno())


def give_up(folder: Path) -> None:
    """Remove the reserve, once the run has ended."""
    (folder / ".reserve").unlink(missing_ok=True)


def with_room(folder: Path, write: Callable[[], None]) -> None:
    """Call `write`; where the disk is full, give the reserve up and call it again."""
    try:
        write()
    except OSError as error:
        if disk_full(error) is None:
            raise
        give_up(folder)
        write()
