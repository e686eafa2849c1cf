"""HTML fragments that several tabs share. They escape all values from records.

Text written by a model or by another person is never rendered here; text boxes and chat panes show it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from data.workspace import Workspace
from pipeline.arena.rounds import Arena
from pipeline.runs.jobs import JobRunner, command_line
from pipeline.runs.reader import RunReader
from pipeline.runs.record_file import RunRecord
from pipeline.settings.stages import STAGES
from ui.access import Access
from ui.kept_rounds import KeptRounds
from ui.plots import finite
from ui.reading import Reading
from ui.texts import Texts

LIVE = ("running", "queued")
ENDED = ("failed", "cancelled", "lost")


@dataclass(frozen=True)
class Services:
    """The services that the page's handlers use; app.py creates them once."""

    workspace: Workspace
    jobs: JobRunner
    arena: Arena
    runs: RunReader
    access: Access = Access()
    kept: KeptRounds = field(default_factory=KeptRounds)


def command(
    services: Services, stage: str, preset: str, precision: str | None, changed: Sequence[str]
) -> str:
    """The equivalent command line, ready to be pasted into a shell."""
    line = shlex.join(command_line(stage, preset, precision, changed, services.workspace))
    return line.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair could not be sent


def duration(seconds: float | None, t: Texts) -> str:
    """ "35 s", "4 min", "1 h 20 min"; an en dash if unknown."""
    if seconds is None:
        return "–"
    seconds = max(0, int(seconds))
    if seconds < 60:
        return t("time.seconds", n=seconds)
    minutes = round(seconds / 60)
    return t("time.minutes", n=minutes) if minutes < 60 else t("time.hours", h=minutes // 60, n=minutes % 60)


def number(value: Any, digits: int = 3) -> str:
    """A single number; an en dash if there is none."""
    found = finite(value)
    if found is None:
        return "–"
    return f"{found:.0f}" if float(found).is_integer() and abs(found) >= 10 else f"{found:.{digits}g}"


def measured(value: Any, digits: int = 3) -> str:
    """A measured number with a fixed number of significant digits: 0.840 below 0.825, not 0.84."""
    found = finite(value)
    return number(value) if found in (None, 0) else f"{found:#.{digits}g}".removesuffix(".")


def signed(value: Any) -> str:
    """A difference with its sign, two decimals: +0.39, −0.40, 0.00."""
    found = finite(value)
    if found is None:
        return "–"
    text = f"{found:+.2f}".replace("-", "−")
    return text if float(text[1:]) else text[1:]


def shown_value(value: Any) -> str:
    """The value of a setting or a result, as text: a mark for yes or no."""
    if isinstance(value, bool):
        return "✓" if value else "✗"
    return number(value, 4) if isinstance(value, int | float) else str(value)


def gigabytes(value: Any) -> str:
    """Bytes as gigabytes (10^9) or megabytes."""
    found = finite(value)
    if found is None:
        return "–"
    return f"{found / 1e9:.1f} GB" if found >= 1e9 else f"{found / 1e6:.1f} MB"


def interval(pair: Any, digits: int = 2) -> str:
    """ "0.61–0.68" for [low, high]; "" if there is no interval."""
    if not isinstance(pair, (list, tuple)) or len(pair) != 2 or None in (finite(pair[0]), finite(pair[1])):
        return ""
    return f"{pair[0]:.{digits}f}–{pair[1]:.{digits}f}"


def percent(value: Any) -> str:
    """A share in percent."""
    found = finite(value)
    return "–" if found is None else f"{100 * found:.0f} %"


def with_interval(value: Any, pair: Any) -> str:
    """ "72 % (66–78)" """
    text = percent(value)
    if interval(pair) and text != "–":
        text += f" ({100 * pair[0]:.0f}–{100 * pair[1]:.0f})"
    return text


def run_title(record: RunRecord, t: Texts) -> str:
    """ "PPO int4", or "PPO bf16 · gold" if gold was the reward, and the name of the run. Not escaped."""
    row = STAGES.get(record.stage)
    if row is None:
        return record.stage or record.id
    title = t(f"stage.{record.stage}")
    if row.per_precision or record.precision not in (None, "bf16"):
        title += f" {record.precision or ''}"
    if record.against_gold:
        title += f" · {t('result.gold_mean')}"
    elif not record.usual:
        title += f" · {record.config.get('scoring') or record.config.get('reward')}"
    name = record.title or record.config.get("name")
    return f"{title} · {name}" if name else title


def run_label(record: RunRecord, t: Texts) -> str:
    """One line in a choice of runs: title, state, time, and the last four characters of the id."""
    when = local_time(record.id.split("-")[0])
    return f"{run_title(record, t)} · {t('status.' + record.status)} · {when} · {record.id[-4:]}"


def local_time(stamp: str | None) -> str:
    """A UTC time of a record or of a run's id as "11-26 21:05" in the time zone of this machine."""
    try:
        return datetime.fromisoformat(stamp or "").astimezone().strftime("%m-%d %H:%M")
    except ValueError:
        return stamp or "–"


def chip(state: str, text: str, title: str = "") -> str:
    """A coloured label."""
    return f'<span class="chip {escape(state)}" title="{escape(title, quote=True)}">{escape(text)}</span>'


def advice(text: str, bad: bool = False) -> str:
    """A highlighted line."""
    return f'<div class="advice{" bad" if bad else ""}">{escape(text)}</div>'


def problem(text: str) -> str:
    """Why a form cannot be run, as an alert; "" if it can."""
    return f'<div class="problem" role="alert">{escape(text)}</div>' if text else ""


def reading(found: Reading) -> str:
    """The reading of the curves as a list with marks."""
    return "".join(
        ['<ul class="reading">', *(f'<li class="{m}">{escape(x)}</li>' for m, x in found), "</ul>"]
    )


def intro(text: str) -> str:
    """The introduction of a tab. `text` is not escaped."""
    return f'<div class="intro"><p>{text}</p></div>'


def title(text: str) -> str:
    return f'<div class="card-title">{escape(text)}</div>'


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], text_columns: int = 1) -> str:
    """A plain table. The first `text_columns` columns are text, the others right-aligned numbers. Cells of
    type `Mark` are inserted as HTML, all others are escaped."""

    def line(tag: str, cells: Sequence[Any]) -> str:
        drawn = []
        for i, cell in enumerate(cells):
            look = ' class="number"' if i >= text_columns else ""
            drawn.append(f"<{tag}{look}>{cell if isinstance(cell, Mark) else escape(str(cell))}</{tag}>")
        return f"<tr>{''.join(drawn)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        '<div class="table-wrap"><table class="plain">'
        f"<thead>{line('th', headers)}</thead><tbody>{body}</tbody></table></div>"
    )


class Mark(str):
    """HTML that `table` does not escape."""


def policy_mark(name: str, colour: str) -> Mark:
    """A policy's name with its colour."""
    dot = f'<span class="dot" style="background:{colour}"></span>'
    return Mark(f'<span class="policy">{dot}{escape(name)}</span>')


def verdict(passed: bool | None, t: Texts) -> Mark:
    """A tick, a cross, or "not measured"."""
    if passed is None:
        return Mark(f'<span class="quiet">{escape(t("verdict.none"))}</span>')
    return Mark(
        f'<span class="{"pass" if passed else "fail"}">{"✓" if passed else "✗"} '
        f"{escape(t('verdict.pass' if passed else 'verdict.fail'))}</span>"
    )
