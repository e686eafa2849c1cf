"""The output of a running stage: a bar with the time left on a terminal, plain lines elsewhere, and log.txt.

This output is for people; the page reads metrics.jsonl instead.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from data.files import disk_full
from pipeline.runs.record_file import Attempt

_SHOWN = {
    "loss": "loss",
    "accuracy": "accuracy",
    "eval_loss": "validation loss",
    "objective/scores": "score",
    "objective/kl": "KL",
    "gold/mean": "gold",
}
_LINE_EVERY = 2.0  # seconds between plain lines
_BAR = "{desc} |{bar}| {n_fmt}/{total_fmt}{postfix}  {remaining} left"


class ProgressLine:
    """Called with each metrics row of a run (`Run.on_log`)."""

    def __init__(
        self,
        name: str,
        attempt: Callable[[], Attempt],
        terminal: TextIO,
        log: TextIO | None,
        bar: bool = True,
    ):
        """attempt: returns the run's current attempt (from_step, total_steps). log: receives the lines, or
        None. bar: False = lines also on a terminal, because other stages write to the same terminal."""
        self._name, self._attempt, self._terminal, self._log = name, attempt, terminal, log
        self._draws = bar and terminal.isatty()
        self._bar: tqdm | None = None
        self._last_line = -_LINE_EVERY
        self._first: tuple[int, float] | None = None  # step, wall_seconds: after the start-up

    def __call__(self, row: dict[str, Any]) -> None:
        step, total = row.get("step", 0), self._attempt().total_steps
        facts = [
            f"{label} {row[name]:.4g}"
            for name, label in _SHOWN.items()
            if isinstance(row.get(name), int | float)
        ]
        pace = self._pace(row, step, total)
        clock = time.monotonic()
        if clock - self._last_line >= _LINE_EVERY or step == total:
            self._last_line = clock
            line = f"{self._name} step {step}{f'/{total}' if total else ''}  {'  '.join(facts + pace)}"
            if not self._draws:
                print(line, flush=True)
            elif self._log:
                with full_disk_ignored():
                    print(line, file=self._log, flush=True)
        if self._draws and total:
            self._draw(step, total, "  ".join(facts + pace[:1]))

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            self._bar.close()

    def _draw(self, step: int, total: int, facts: str) -> None:
        if (
            self._bar is None
        ):  # created after the first step, so that the start-up does not affect the time left
            self._bar = tqdm(
                desc=self._name,
                total=total,
                initial=step,
                file=self._terminal,
                bar_format=_BAR,
                # A terminal may report the size 0, and tqdm would then show nothing.
                ncols=shutil.get_terminal_size().columns or 80,
                nrows=20,
                leave=False,
            )
        self._bar.n, self._bar.total = step, total
        self._bar.set_postfix_str(facts)

    def _pace(self, row: dict[str, Any], step: int, total: int | None) -> list[str]:
        """Seconds per step and the time left; [] before the second step, which is needed to measure them."""
        self._first = self._first or (step, row["wall_seconds"])
        done = step - self._first[0]
        if done <= 0:
            return []
        each = (row["wall_seconds"] - self._first[1]) / done
        left = [f"{clock_time(each * max(0, total - step))} left"] if total else []
        return [f"{each:.2f} s/step", *left]


def clock_time(seconds: float) -> str:
    """65 -> "1:05"."""
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


@contextlib.contextmanager
def logged(path: Path) -> Iterator[TextIO | None]:
    """Copy stdout and stderr to log.txt as well; yields the log, or None if stdout already is the log."""
    if _is_stdout(path):
        with _printing_to(sys.stdout, sys.stderr, None):
            yield None
        return
    with (
        open(path, "a", encoding="utf-8", errors="backslashreplace", buffering=1) as log,
        _printing_to(sys.stdout, sys.stderr, log),
    ):
        yield log


def _is_stdout(path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), path.stat())
    except (OSError, ValueError):  # the log does not exist yet, or stdout is not a file
        return False


@contextlib.contextmanager
def full_disk_ignored() -> Iterator[None]:
    """Ignore a full disk while printing: only a write that matters may report it, not a printed line."""
    try:
        yield
    except OSError as error:
        if disk_full(error) is None:
            raise


@contextlib.contextmanager
def _printing_to(out: TextIO, err: TextIO, log: TextIO | None) -> Iterator[None]:
    sys.stdout, sys.stderr = _Tee(out, log), _Tee(err, log)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


class _Tee(io.TextIOBase):
    """Writes to a stream and, if there is one, to the log. Text with a carriage return, which redraws its
    line, is not copied to the log. On a full disk, text that cannot be written is dropped."""

    def __init__(self, stream: TextIO, log: TextIO | None):
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        with full_disk_ignored():
            self._stream.write(text)
        if self._log and "\r" not in text:
            with full_disk_ignored():
                self._log.write(text)
        return len(text)

    def flush(self) -> None:
        with full_disk_ignored():
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed declares a writable attribute
        return getattr(self._stream, "encoding", None) or "utf-8"
