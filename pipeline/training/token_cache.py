"""Token ids of training rows, kept on disk under a name made from all that they depend on.

The three reward models learn from the same rows with the same tokenizer: the second and third find the work
done. The name is a hash of the texts, the tokenizer's files, the longest length and the kind of rows, so that
nothing stale can be found; what is there is memory-mapped. Old entries go when there are too many.

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

FORMAT = 1  # goes up when the same rows become other ids
KEPT = 16  # entries


def cached(
    workspace: Workspace,
    kind: str,
    base: str | Path,
    max_length: int,
    rows: list[dict],
    make: Callable[[], Dataset],
) -> Dataset:
    """What `make()` returns, from the cache where it has been made before.

    kind: how rows become ids ("sft", "reward"). Processes that make the same at once do not disturb each
    other.
    """
    parts = [FORMAT, kind, max_length, tokenizer_hash(base), rows]
    folder = workspace.cache / "tokens" / sha256_text(json.dumps(parts, sort_keys=True))[:32]
    if not folder.is_dir():
        staging = folder.with_name(f"{folder.name}.{os.getpid()}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        make().save_to_disk(staging)
        with contextlib.suppress(OSError):  # somebody else was quicker
            os.rename(staging, folder)
        shutil.rmtree(staging, ignore_errors=True)
        _forget(folder.parent)
    os.utime(folder)
    return Dataset.load_from_disk(str(folder))


def _forget(folder: Path) -> None:
    """Remove all but the entries that were used last, and what killed processes have left."""
    entries = sorted((path for path in folder.iterdir()), key=lambda path: -path.stat().st_mtime)
    for path in entries[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
