"""The phases of a running stage, such as loading, steps or evaluating. The page shows the current one.

The run appends a line to phases.jsonl when a phase begins; nothing else depends on this file. How long a
phase takes is known from the newest finished run of the same kind. No torch.

    phases.jsonl    {"phase": "evaluating", "count": 256, "began": 1764162000.1}
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from data.files import append_jsonl, read_jsonl
from pipeline.runs.progress import full_disk_ignored

LOADING, STANDARDISING, STEPS, EVALUATING = "loading", "standardising", "steps", "evaluating"
PRACTISING = "practising"
FILE = "phases.jsonl"


@dataclass(frozen=True)
class Phase:
    """A phase that began at `began` (seconds since 1970). count: how many items it works on, if known."""

    name: str
    began: float
    count: int | None = None


def begin(folder: Path, name: str, count: int | None = None) -> None:
    """Record that a phase of the run in `folder` begins. A full disk is ignored: the phase is only shown."""
    with full_disk_ignored():
        append_jsonl(folder / FILE, {"phase": name, "count": count, "began": round(time.time(), 2)})


def read(folder: Path) -> list[Phase]:
    """The phases of the run in `folder`, of all its attempts; lines of another shape are skipped."""
    found = []
    for row in read_jsonl(folder / FILE):
        name, began, count = row.get("phase"), row.get("began"), row.get("count")
        if isinstance(name, str) and isinstance(began, int | float) and isinstance(count, int | None):
            found.append(Phase(name, float(began), count))
    return found


def seconds_of(folder: Path, ended: str | None) -> dict[str, float]:
    """How long each phase of a finished run took; `ended`: the end of the run as in run.json."""
    phases = read(folder)
    try:
        end = datetime.fromisoformat(ended).timestamp() if ended else None
    except ValueError:
        end = None
    ends = [phase.began for phase in phases[1:]] + ([end] if end is not None else [])
    return {phase.name: max(0.0, stop - phase.began) for phase, stop in zip(phases, ends, strict=False)}
