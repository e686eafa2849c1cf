"""The pairs of a data set: a table to search and turn over, and one pair in full.

A number that the split does not have is refused, in words; the table never shows another pair instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from data import world
from data.datasets import read_split
from ui import parts
from ui.events import QUIET, shown
from ui.parts import Services
from ui.run_view import conversation
from ui.texts import Texts

SPLITS = ("train", "validation", "test")
ROWS = 8  # per page of the table
SHOWN_CHARACTERS = 160  # per cell of the table
Row = dict[str, Any]


def build(services: Services, t: Texts, chosen: gr.Dropdown) -> None:
    """Build the table and the single pair, and bind them to the chosen data set."""
    with gr.Row(elem_classes="pair-bar"):
        split = gr.Radio(
            [(t("data." + s), s) for s in SPLITS],
            value="train",
            label=t("data.split"),
            scale=3,
            min_width=230,
        )
        search = gr.Textbox(
            label=t("data.search"), max_lines=1, max_length=200, scale=2, min_width=140, elem_id="pair-search"
        )
        index = gr.Number(
            label=t("data.pair"), value=1, precision=0, scale=1, min_width=90, elem_id="pair-index"
        )
    found = gr.HTML(padding=False, elem_id="pair-found")
    table = gr.Dataframe(
        headers=[t("data.number"), t("data.prompt"), t("data.chosen"), t("data.rejected")],
        datatype="str", interactive=False, wrap=True, show_label=False, max_height=300, elem_id="pair-table",
        elem_classes="plain-frame", column_widths=["12%", "30%", "29%", "29%"], visible=False,
    )  # fmt: skip
    with gr.Column(visible=False) as one:
        prompt = gr.Textbox(label=t("data.prompt"), lines=2, max_lines=8, interactive=False)
        with gr.Row():
            better = gr.Textbox(
                label=t("data.chosen"), lines=2, max_lines=8, interactive=False, min_width=240
            )
            worse = gr.Textbox(
                label=t("data.rejected"), lines=2, max_lines=8, interactive=False, min_width=240
            )
        gold = gr.HTML(padding=False)

    def listing(name: str | None, split_name: str, words: str) -> tuple[Any, ...]:
        rows, count = matches(rows_of(services, name, split_name), words or "")
        said = t("data.found", count=count, shown=len(rows)) if name else ""
        return parts_of(said), gr.Dataframe(value=[cells(n, row) for n, row in rows], visible=bool(rows))

    def pair(name: str | None, split_name: str, number: float | None) -> tuple[Any, ...]:
        return one_pair(rows_of(services, name, split_name), number, t)

    inputs = [chosen, split, index]
    outputs = [one, prompt, better, worse, gold]
    gr.on(
        [chosen.change, split.change, search.change],
        shown(listing, t), [chosen, split, search], [found, table], **QUIET,
    )  # fmt: skip
    gr.on([chosen.change, split.change, index.change], shown(pair, t), inputs, outputs, **QUIET)
    table.select(picked, [table], [index], **QUIET)


def rows_of(services: Services, name: str | None, split: str) -> Sequence[Row]:
    """The pairs of a split; [] without a data set."""
    return read_split(services.workspace.dataset(name), split) if name else []


def matches(rows: Sequence[Row], words: str) -> tuple[list[tuple[int, Row]], int]:
    """The first `ROWS` pairs that contain the words, whatever their case, with their numbers; and how many
    there are."""
    wanted = words.strip().casefold()
    found = [
        (number, row)
        for number, row in enumerate(rows, start=1)
        if not wanted or any(wanted in row[side].casefold() for side in ("prompt", "chosen", "rejected"))
    ]
    return found[:ROWS], len(found)


def cells(number: int, row: Row) -> list[str]:
    """One row of the table."""
    texts = (conversation(row["prompt"]), row["chosen"], row["rejected"])
    return [str(number), *(text[:SHOWN_CHARACTERS] + "…" * (len(text) > SHOWN_CHARACTERS) for text in texts)]


def picked(rows: Any, event: gr.SelectData) -> int:
    """The number of the pair whose row was clicked."""
    return int(rows.iloc[event.index[0], 0])


def one_pair(rows: Sequence[Row], number: float | None, t: Texts) -> tuple[Any, ...]:
    """The column's visibility, prompt, chosen, rejected, and a note: the gold reward of both answers in the
    tiny world, or that there is no such number."""
    if not rows:
        return gr.Column(visible=False), "", "", "", ""
    wanted = int(number or 0)
    if not 1 <= wanted <= len(rows):
        refused = parts.problem(t("data.no_such_pair", number=wanted, count=len(rows)))
        return gr.Column(visible=True), "", "", "", refused
    row = rows[wanted - 1]
    chosen, rejected = (world.gold(row["prompt"], row[side]) for side in ("chosen", "rejected"))
    note = ""
    if chosen is not None and rejected is not None:
        note = t("data.gold", chosen=f"{chosen.total:.2f}", rejected=f"{rejected.total:.2f}")
    return (
        gr.Column(visible=True),
        conversation(row["prompt"]),
        row["chosen"],
        row["rejected"],
        parts_of(note),
    )


def parts_of(text: str) -> str:
    """A quiet line; "" for no text."""
    return f'<p class="quiet small">{escape(text)}</p>' if text else ""
