"""Snapshots of a policy in training: its adapter at some steps, each a small model folder in bf16.

A checkpoint contains the state for a resume, and only the newest two are kept. A snapshot contains the
policy, so that `evaluate` can find its best step, and all snapshots are kept; a resume does not use them. The
caller decides about the content.

    snapshots/step-4/{adapter_model.safetensors, adapter_config.json, model.json}
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from data.errors import Code, UserError

_NAME = re.compile(r"step-(\d+)")


def folder_of(run: Path, step: int) -> Path:
    """The folder of the snapshot of a step, in a run's folder."""
    return run / "snapshots" / f"step-{step}"


def due(step: int, every: int, total: int) -> bool:
    """Whether a step has a snapshot: neither the start, which is SFT, nor the end, which is in model/."""
    return 0 < step < total and step % every == 0


def found(run: Path) -> dict[int, Path]:
    """{step: folder} of a run's snapshots, in the order of their steps."""
    folder = run / "snapshots"
    matches = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()] if folder.is_dir() else []
    return dict(sorted((int(match[1]), path) for match, path in matches if match))


def at(run: Path, step: int) -> Path:
    """The folder of the snapshot of a step. Raises UserError if there is none."""
    known = found(run)
    if step not in known:
        kept = f"it has those of {', '.join(map(str, known))}" if known else "it kept none"
        raise UserError(f"{run.name}: no snapshot of step {step}; {kept}", code=Code.STATE)
    return known[step]


def drop_after(run: Path, step: int) -> None:
    """Remove snapshots of steps after `step`, because a resume or roll-back has discarded those steps."""
    for other, path in found(run).items():
        if other > step:
            shutil.rmtree(path)
