"""Checkpoints that are complete or absent: staging folder, hash manifest, fsync, rename, fsync of the parent.

A checkpoint counts as complete only if every file matches the manifest. After a kill or a full disk, or if a
file is truncated or has a flipped bit, the previous checkpoint is used. Rotation goes by step, never by time,
because clocks can jump. The caller decides about the content. Only one process at a time writes to a folder.

    save(folder, step, lambda path: torch.save(state, path / "state.pt"))
    found = latest(folder)          # (step, path) or None
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from data.errors import UserError
from data.files import read_json, sha256_file, write_json

MANIFEST = "manifest.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_STAGING = ".staging-"  # `pipeline.runs.leftovers` removes such a folder if a process was killed in `save`


def save(folder: Path, step: int, write: Callable[[Path], None], keep: int = 2) -> Path:
    """Write checkpoint `step` through `write(empty folder)`; keeps the newest `keep`. Returns its path.

    Checkpoints of later steps are removed, because a roll-back has discarded those steps. If `write` fails,
    or the disk is full, the error is raised to the caller and the earlier checkpoints are unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sync(folder.parent)
    _remove_staging(folder)
    staging = folder / f"{_STAGING}{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        write(staging)
        seal(staging, step)
        target = folder / f"checkpoint-{step}"
        if target.exists():
            os.replace(target, folder / f"{_STAGING}{secrets.token_hex(4)}")
        os.replace(staging, target)
        _sync(folder)
    finally:
        _remove_staging(folder)
    drop_after(folder, step)
    rotate(folder, keep)
    return target


def amend(folder: Path, step: int, change: Callable[[Path], None], keep: int = 2) -> Path:
    """Replace checkpoint `step` by a copy to which `change(folder of the copy)` was applied. The checkpoint
    is complete at every moment."""

    def copy(staging: Path) -> None:
        shutil.copytree(folder / f"checkpoint-{step}", staging, dirs_exist_ok=True)
        (staging / MANIFEST).unlink()
        change(staging)

    return save(folder, step, copy, keep)


def give_up_newest(folder: Path) -> None:
    """Remove the newest complete checkpoint if there is an earlier one to return to."""
    complete = [step for step, path in _found(folder) if is_complete(path)]
    if len(complete) > 1:
        drop_after(folder, complete[-2])


def seal(path: Path, step: int | None = None) -> None:
    """Make a folder that a Trainer wrote a complete checkpoint: fsync the files, then write the manifest.

    step: None = read it from the folder's name.
    """
    if step is None:
        step = _step(path)
    files = _files(path)
    for file in files:
        _sync(file)
    for inner in (item for item in path.rglob("*") if item.is_dir()):
        _sync(inner)
    entries = {
        file.relative_to(path).as_posix(): {"sha256": sha256_file(file), "bytes": file.stat().st_size}
        for file in files
    }
    write_json(path / MANIFEST, {"step": step, "files": entries})
    _sync(path)


def is_complete(path: Path) -> bool:
    """True if there is a manifest and every file in it has the recorded size and hash."""
    try:
        entries = read_json(path / MANIFEST)["files"]
        return all(
            (path / name).stat().st_size == entry["bytes"] and sha256_file(path / name) == entry["sha256"]
            for name, entry in entries.items()
        )
    except (OSError, UserError, KeyError, TypeError, AttributeError):
        return False


def latest(folder: Path) -> tuple[int, Path] | None:
    """The newest complete checkpoint as (step, path), or None."""
    for step, path in reversed(_found(folder)):
        if is_complete(path):
            return step, path
    return None


def broken(folder: Path) -> list[Path]:
    """The incomplete or damaged checkpoints, to be reported to the user."""
    return [path for _, path in _found(folder) if not is_complete(path)]


def rotate(folder: Path, keep: int) -> None:
    """Keep only the newest `keep` complete checkpoints, and incomplete ones that are newer than those.

    The names of the kept checkpoints are made durable before others are removed.
    """
    complete = [(step, path) for step, path in _found(folder) if is_complete(path)]
    kept = {path for _, path in complete[-keep:]} if keep > 0 else set()
    old = [path for step, path in _found(folder) if path not in kept and complete and step <= complete[-1][0]]
    if old:
        _sync(folder)
    for path in old:
        shutil.rmtree(path, ignore_errors=True)


def drop_after(folder: Path, step: int) -> None:
    """Remove checkpoints of steps after `step`."""
    for other, path in _found(folder):
        if other > step:
            shutil.rmtree(path, ignore_errors=True)


def _found(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    return sorted(
        (_step(path), path) for path in folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)
    )


def _step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    if not match:
        raise ValueError(f"{path.name}: not the name of a checkpoint")
    return int(match[1])


def _files(path: Path) -> list[Path]:
    return sorted(item for item in path.rglob("*") if item.is_file() and item.name != MANIFEST)


def _remove_staging(folder: Path) -> None:
    for path in folder.glob(f"{_STAGING}*"):
        shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    """fsync a file or, if the system allows it, a folder."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
