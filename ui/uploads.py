"""The folder for uploads and downloads of the page: private to one app, with a total size limit.

Gradio keeps every upload for good. This module removes a file after an hour, earlier if the next one needs
the space, and all files when the app starts or ends.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import Code, UserError

MIB = 1 << 20
TOTAL_BYTES = 500 * MIB
KEPT_SECONDS = 3600.0  # an older file is always removed
SAFE_SECONDS = 300.0  # a younger file is never removed, because it is about to be used


@dataclass
class Uploads:
    """The files below `folder`: at most `total` bytes, with those that are being uploaded. Thread-safe."""

    folder: Path
    total: int = TOTAL_BYTES
    _coming: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def room_for(self, size: int) -> Iterator[bool]:
        """Whether there is room for `size` more bytes; they are reserved until the end of the block."""
        with self._lock:
            there = self.sweep(time.time(), size + self._coming) + size + self._coming <= self.total
            self._coming += size * there
        try:
            yield there
        finally:
            with self._lock:
                self._coming -= size * there

    def sweep(self, now: float, needed: int = 0) -> int:
        """Remove old files, and then the oldest until `needed` bytes fit. Returns the remaining bytes.

        now: seconds since 1970.
        """
        files = sorted(
            (f.stat().st_mtime, f.stat().st_size, f) for f in self.folder.rglob("*") if f.is_file()
        )
        left = sum(size for _, size, _ in files)
        for changed, size, file in files:
            age = now - changed
            if age > KEPT_SECONDS or (age > SAFE_SECONDS and left + needed > self.total):
                file.unlink(missing_ok=True)
                left -= size
                if file.parent != self.folder and not any(file.parent.iterdir()):
                    file.parent.rmdir()
        return left


@contextmanager
def upload_folder(workspace_root: Path) -> Iterator[Path]:
    """An empty private folder outside the workspace; its path depends only on the workspace.

    It is removed at the end; the next start removes what a killed app left behind. Raises UserError if the
    folder belongs to another user.
    """
    name = hashlib.sha256(str(workspace_root).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()).resolve() / f"edgerlhf-{name}"
    if folder.is_symlink() or (
        folder.exists() and os.name == "posix" and folder.stat().st_uid != os.getuid()
    ):
        raise UserError(
            f"{folder} belongs to somebody else; remove it, or set TMPDIR to a folder of yours",
            code=Code.OPTION,
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
