"""What a running stage prints: a bar with the time left on a terminal, plain lines elsewhere, and log.txt.

Both are for people; the page reads metrics.jsonl.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

_SHOWN = {
    "loss": "loss",
    "accuracy": "accuracy",
    "eval_loss": "validation loss",
    "objective/scores": "score",
    "objective/kl": "KL",
    "gold/mean": "gold",
}
_LINE_EVERY = 2.0  # seconds between plain lines
_BAR = 24


class Progress:
    """Called with each metrics row of a run (`Run.on_log`)."""

    def __init__(
        self,
        name: str,
        attempt: Callable[[], dict[str, Any]],
        terminal: TextIO,
        log: TextIO | None,
        bar: bool = True,
    ):
        """`attempt` gives the run's current attempt (from_step, total_steps); `log` takes lines, or None;
        bar=False: lines on a terminal, too, because others write there."""
        self._name, self._attempt, self._terminal, self._log = name, attempt, terminal, log
        self._bar = bar and terminal.isatty()
        self._last_line = -_LINE_EVERY
        self._first: tuple[int, float] | None = None  # step, wall_seconds: after the start-up

    def __call__(self, row: dict[str, Any]) -> None:
        step, total = row.get("step", 0), self._attempt()["total_steps"]
        facts = self._facts(row, step, total)
        clock = time.monotonic()
        if clock - self._last_line >= _LINE_EVERY or step == total:
            self._last_line = clock
            line = f"{self._name} step {step}{f'/{total}' if total else ''}  {facts}"
            if self._bar:
                print(line, file=self._log, flush=True) if self._log else None
            else:
                print(line, flush=True)
        if self._bar and total:
            filled = min(_BAR, _BAR * step // total)
            bar = "#" * filled + "." * (_BAR - filled)
            self._terminal.write(f"\r\x1b[K{self._name} [{bar}] {step}/{total}  {facts}")
            self._terminal.flush()

    def close(self) -> None:
        if self._bar:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()

    def _facts(self, row: dict[str, Any], step: int, total: int | None) -> str:
        shown = [
            f"{label} {row[name]:.4g}"
            for name, label in _SHOWN.items()
            if isinstance(row.get(name), int | float)
        ]
        self._first = self._first or (step, row["wall_seconds"])
        done = step - self._first[0]
        if done > 0:
            each = (row["wall_seconds"] - self._first[1]) / done
            shown.append(f"{each:.2f} s/step")
            if total:
                shown.append(f"{clock_time(each * max(0, total - step))} left")
        return "  ".join(shown)


def clock_time(seconds: float) -> str:
    """65 -> "1:05"."""
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


@contextlib.contextmanager
def logged(path: Path) -> Iterator[TextIO | None]:
    """Copy stdout and stderr to log.txt as well; yields the log, or None where they are the log already."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        if path.exists() and os.path.samestat(os.fstat(sys.stdout.fileno()), path.stat()):
            yield None
            return
    out, err = sys.stdout, sys.stderr
    with open(path, "a", encoding="utf-8", errors="backslashreplace", buffering=1) as log:
        sys.stdout, sys.stderr = _Tee(out, log), _Tee(err, log)
        try:
            yield log
        finally:
            sys.stdout, sys.stderr = out, err


class _Tee(io.TextIOBase):
    """Writes to both; whatever redraws its line stays out of the log."""

    def __init__(self, stream: TextIO, log: TextIO):
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._stream.write(text)
        if "\r" not in text:
            self._log.write(text)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"
