"""Token ids of training rows, cached on disk under a hash of everything that they depend on.

The three reward models learn from the same rows with the same tokenizer, so the second and third can use the
tokens of the first. The hash covers the texts, the tokenizer's files, the longest length and the kind of
rows, so a stale entry is never found. Entries are memory-mapped; the oldest are removed.

    examples = cached(workspace, "reward", base, max_length, rows, lambda: tokenise(text, rows, max_length))
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from datasets import Dataset

from data.files import sha256_text
from data.workspace import Workspace
from models.loading import tokenizer_hash

FORMAT = 1  # must be increased whenever the same rows get other ids
KEPT = 16  # number of entries


def cached(
    workspace: Workspace,
    kind: str,
    base: str | Path,
    max_length: int,
    rows: list[dict],
    make: Callable[[], Dataset],
) -> Dataset:
    """The data set that `make()` returns, from the cache if it is there.

    kind: how rows become ids ("sft", "reward"). Several processes may create the same entry at the same time.
    """
    parts = [FORMAT, kind, max_length, tokenizer_hash(base), rows]
    folder = workspace.cache / "tokens" / sha256_text(json.dumps(parts, sort_keys=True))[:32]
    if not folder.is_dir():
        staging = folder.with_name(f"{folder.name}.{os.getpid()}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        make().save_to_disk(staging)
        with contextlib.suppress(OSError):  # another process has written the entry first
            os.rename(staging, folder)
        shutil.rmtree(staging, ignore_errors=True)
        _forget(folder.parent)
    os.utime(folder)
    return Dataset.load_from_disk(str(folder))


def _forget(folder: Path) -> None:
    """Remove all but the most recently used entries, and the leftovers of killed processes."""
    entries = sorted((path for path in folder.iterdir()), key=lambda path: -path.stat().st_mtime)
    for path in entries[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
