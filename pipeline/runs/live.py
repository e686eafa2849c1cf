"""What a running run is doing now: its step, phase and time left, from the ends of its files. No torch."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from pathlib import Path

from pipeline.runs import phases
from pipeline.runs.record_file import Attempt, Progress


def progress(folder: Path, attempt: Attempt) -> Progress:
    """How far a running attempt is, from the last lines of its files."""
    rows: list[tuple[int, float]] = []
    for line in tail(folder / "metrics.jsonl", 2**15).splitlines():
        # The line may be incomplete or foreign. OverflowError: the step is infinite.
        with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
            row = json.loads(line)
            step, seconds = int(row["step"]), float(row["wall_seconds"])
            if math.isfinite(seconds):
                rows.append((step, seconds))
    step = rows[-1][0] if rows else attempt.from_step
    rows = [row for row in rows if row[0] > attempt.from_step]  # the clock of this attempt
    total, left = attempt.total_steps, None
    if total and len(rows) > 1 and rows[-1][0] > rows[0][0]:
        left = (rows[-1][1] - rows[0][1]) / (rows[-1][0] - rows[0][0]) * (total - step)
    touched = [
        path.stat().st_mtime
        for name in ("metrics.jsonl", "log.txt", "run.json")
        if (path := folder / name).exists()
    ]
    silent = max(0.0, time.time() - max(touched)) if touched else 0.0
    phase = next(iter(phases.read(folder)[-1:]), None)
    return Progress(
        step,
        total,
        left if phase is None or phase.name == phases.STEPS else None,
        silent,
        phase.name if phase else "",
        max(0.0, time.time() - phase.began) if phase else 0.0,
        phase.count if phase else None,
        (folder / "cancel.json").exists(),
    )


def tail(path: Path, size: int) -> bytes:
    """The last bytes of a file; b"" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read()
    except OSError:
        return b""
