"""The report cards of the reward models: what accuracy does not show, one column per precision.

The numbers come from card.json in the runs (`pipeline.runs.cards`), which `evaluate` and `python -m pipeline
card` write; this module measures nothing. A line that the data cannot give is left out, and a note says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from data.errors import UserError
from pipeline.runs import cards
from pipeline.runs.record_file import RunRecord
from ui import calibration, parts
from ui.events import QUIET
from ui.parts import Mark, Services
from ui.texts import Texts
from ui.theme import COLOURS

Card = Mapping[str, Any]
# Where to look twice: a seen subject this much easier than a new one; a slope in sd; a share of pairs.
GAP, SLOPE, FLIPPED = 0.1, 0.25, 0.02


@dataclass(frozen=True)
class Line:
    """One row of the card: its text key, the explanation's key, and how a card is read. depth: 1 for a part
    of the line above."""

    name: str
    cell: Callable[[Card], str]
    depth: int = 0


def estimate(name: str, digits: int = 3) -> Callable[[Card], str]:
    """A cell with a value and its standard error."""
    return lambda card: with_error(card.get(name), digits)


def with_error(value: Any, digits: int = 3) -> str:
    """ "0.812 ± 0.009", or an en dash."""
    if not isinstance(value, Mapping) or value.get("value") is None:
        return "–"
    text = f"{value['value']:.{digits}f}".replace("-", "−")
    return text if value.get("se") is None else f"{text} ± {value['se']:.{digits}f}"


def within(card: Card) -> str:
    return parts.percent(card.get("within"))


def gained(card: Card) -> str:
    return with_error((card.get("best_of") or {}).get("gain"))


def share(card: Card) -> str:
    return parts.percent((card.get("best_of") or {}).get("share"))


def flipped(card: Card) -> str:
    batch = card.get("batch") or {}
    return f"{parts.percent(batch.get('flipped'))} · {parts.number(batch.get('largest'), 2)}"


LINES: tuple[Line, ...] = (
    Line("accuracy", estimate("accuracy")),
    Line("seen", estimate("seen"), 1),
    Line("unseen", estimate("unseen"), 1),
    Line("bayes", lambda card: parts.measured(card.get("bayes"))),
    Line("specificity", estimate("specificity")),
    Line("within", within),
    Line("best_of", gained),
    Line("share", share, 1),
    Line("length", estimate("length")),
    Line("politeness", estimate("politeness")),
    Line("batch", flipped),
    Line("ece", lambda card: parts.measured(card.get("ece"), 2)),
)


def build(services: Services, t: Texts, preset: gr.Radio, timer: gr.Timer) -> dict[str, Any]:
    """Build the section; `timer` updates it. Returns the handler that fills it."""
    body = gr.HTML(padding=False, elem_id="report-card", elem_classes="sheet")
    seen = gr.State("")
    outputs = [seen, body]
    timer.tick(lambda p, s: show(services, p, s, t), [preset, seen], outputs, **QUIET)
    preset.change(lambda p: show(services, p, "", t), [preset], outputs, **QUIET)
    return {"fn": lambda p: show(services, p, "", t), "inputs": [preset], "outputs": outputs}


def show(services: Services, preset: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of the section's outputs; skips them if nothing has changed since `seen`."""
    done = calibration.newest(services.runs.list(), preset)
    stamps = [stamp(services, record) for record in done.values()]
    now = f"{preset} {stamps}"
    if now == seen:
        return (gr.skip(),) * 2
    return now, html(done, read(services, done), t)


def stamp(services: Services, record: RunRecord) -> str:
    path = services.workspace.run(record.id) / cards.FILE
    return f"{record.id}:{path.stat().st_mtime_ns if path.is_file() else 0}"


def read(services: Services, done: Mapping[str, RunRecord]) -> dict[str, Card]:
    """The cards by precision; a damaged one counts as missing."""
    found: dict[str, Card] = {}
    for precision, record in done.items():
        try:
            card = cards.read(services.workspace, record.id)
        except UserError:
            continue
        if card:
            found[precision] = card
    return found


def html(done: Mapping[str, RunRecord], found: Mapping[str, Card], t: Texts) -> str:
    """The table of the cards with its reading; without any, how to make one; "" without a reward model."""
    if not done:
        return ""
    title = parts.title(t("card.title"))
    if not found:
        command = f"python -m pipeline card {next(iter(done.values())).id}"
        return f'{title}<p class="quiet">{escape(t("card.none"))}</p><p><code>{escape(command)}</code></p>'
    rows = []
    for line in LINES:
        cells = [line.cell(card) for card in found.values()]
        if any(cell != "–" for cell in cells):
            rows.append([label(line.name, line.depth, t), *cells])
        if line.name == "accuracy":
            rows += kinds(list(found.values()), t)
    heads = [t("card.line"), *(parts.policy_mark(p, COLOURS[p]) for p in found)]
    prompts = min(int(card.get("prompts") or 0) for card in found.values())
    note = t("card.note", prompts=prompts)
    missing = dict.fromkeys(
        reason for card in found.values() for reason in (card.get("absent") or {}).values()
    )
    absent = "".join(f'<p class="quiet small">{escape(t(f"card.absent.{reason}"))}</p>' for reason in missing)
    table = parts.table(heads, rows)
    return (
        f'{title}{parts.reading(reading(found, t))}{table}<p class="quiet small">{escape(note)}</p>{absent}'
    )


def label(name: str, depth: int, t: Texts) -> Mark:
    """A line's name with its explanation."""
    tip = f'<span class="tip" role="tooltip">{escape(t(f"card.about.{name}"))}</span>'
    shown = f'<button type="button" class="term">{escape(t(f"card.{name}"))}{tip}</button>'
    return Mark(f'<span class="depth-{depth}">{shown}</span>')


def kinds(found: Sequence[Card], t: Texts) -> list[list[Any]]:
    """One row per kind of request; [] if the data have none."""
    names = dict.fromkeys(name for card in found for name in (card.get("by_kind") or {}))
    return [
        [
            Mark(
                f'<span class="depth-1">{escape(t(f"kind.{name}") if t.has(f"kind.{name}") else name)}</span>'
            ),
            *(with_error((card.get("by_kind") or {}).get(name)) for card in found),
        ]
        for name in names
    ]


def reading(found: Mapping[str, Card], t: Texts) -> list[tuple[str, str]]:
    """What stands out, by rules of thumb and the standard errors; a good word if nothing does."""
    said: list[tuple[str, str]] = []
    for precision, card in found.items():
        seen, new = card.get("seen"), card.get("unseen")
        if seen and new and seen["value"] - new["value"] > max(GAP, 2 * joint(seen, new)):
            said.append(("warn", t("card.says.gap", name=precision, seen=pct(seen), new=pct(new))))
        for name in ("length", "politeness"):
            slope = card.get(name)
            if slope and abs(slope["value"]) > max(SLOPE, 2 * (slope.get("se") or 0)):
                key = "card.says.likes" if slope["value"] > 0 else "card.says.dislikes"
                said.append(
                    ("warn", t(key, name=precision, what=t(f"card.taste.{name}"), slope=with_error(slope, 2)))
                )
        specific = card.get("specificity")
        if specific and specific["value"] - 2 * (specific.get("se") or 0) < 0.5:
            said.append(("warn", t("card.says.unspecific", name=precision, value=with_error(specific, 2))))
        if (card.get("batch") or {}).get("flipped", 0) > FLIPPED:
            said.append(
                ("warn", t("card.says.batch", name=precision, share=parts.percent(card["batch"]["flipped"])))
            )
    return said or [("good", t("card.says.good"))]


def joint(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The standard error of a difference of two independent values."""
    return float((one.get("se") or 0) ** 2 + (other.get("se") or 0) ** 2) ** 0.5


def pct(value: Mapping[str, Any]) -> str:
    return parts.percent(value["value"])
