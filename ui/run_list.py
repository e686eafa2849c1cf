"""The list of runs: one row per run, and the filter above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from pipeline.runs.lineage import Lineage
from pipeline.runs.record_file import RunRecord
from ui import parts, plots
from ui.parts import Services
from ui.texts import Texts

MOST_ROWS = 500  # of the list; a browser draws no more of them in a blink


def headers(t: Texts) -> list[str]:
    return [
        t("runs.what"),
        t("runs.state"),
        t("runs.started"),
        t("runs.time"),
        t("runs.result"),
        t("runs.tags"),
        t("runs.id"),
    ]


def row(record: RunRecord, stale: dict[str, str], t: Texts) -> list[str]:
    """One row of the list."""
    state = t("status." + record.status) + (f" · {t('status.stale')}" if record.id in stale else "")
    return [
        parts.run_title(record, t),
        state,
        parts.local_time(record.started),
        parts.duration(record.seconds, t),
        headline(record, t),
        " ".join(f"#{tag}" for tag in record.tags),
        record.id,
    ]


def headline(record: RunRecord, t: Texts) -> str:
    """The most important result of a run of this stage."""
    keys = {
        "sft": ("eval_loss", "loss"),
        "reward": ("accuracy",),
        "judge": ("accuracy",),
        "ppo": ("gold_mean", "score_gain"),
        "pretrain": ("eval_loss", "loss"),
    }.get(record.stage or "", ())
    key = next((k for k in keys if plots.finite(record.results.get(k)) is not None), None)
    return f"{t('result.' + key)} {parts.measured(record.results[key])}" if key else "–"


def matching(records: Sequence[RunRecord], words: str | None, t: Texts) -> list[RunRecord]:
    """The runs of which every word of the filter is a part: of title, preset, state, seed, tags or id."""
    wanted = (words or "").lower().split()
    return [record for record in records if all(word in searched(record, t) for word in wanted)]


def searched(record: RunRecord, t: Texts) -> str:
    """Everything by which a run can be found, in lower case."""
    tags = " ".join(f"#{tag}" for tag in record.tags)
    title, state = parts.run_title(record, t), t("status." + record.status)
    facts = (title, state, record.stage, record.precision, record.preset, record.status)
    more = (f"seed={record.seed}", record.config.get("name"), tags, record.id)
    return " ".join(str(fact) for fact in (*facts, *more) if fact).lower()


def show(
    services: Services, seen: str, current: str | None, picked: Sequence[str], words: str | None, t: Texts
) -> tuple[Any, ...]:
    """The list of runs and the choices made from it; skips all outputs if nothing has changed.

    current: the run shown in detail. picked: the runs that are compared. words: the filter.
    """
    records = services.runs.list()
    now = f"{words} " + (" ".join(f"{r.id}:{r.status}:{r.title}:{r.tags}" for r in records) or "none")
    if now == seen:
        return (gr.skip(),) * 5
    stale = Lineage(services.runs, records).stale()
    found = matching(records, words, t)
    choices = [(parts.run_label(r, t), r.id) for r in records]
    ids = {r.id for r in records}
    value = current if current in ids else records[0].id if records else None
    kept = [run_id for run_id in picked if run_id in ids]
    count = t("runs.count", shown=len(found), all=len(records))
    return (
        now,
        gr.Dataframe(value=[row(r, stale, t) for r in found[:MOST_ROWS]]),
        f'<p class="quiet small">{count}</p>' if records else "",
        gr.Dropdown(choices=choices, value=value),
        gr.Dropdown(choices=choices, value=kept, multiselect=True),
    )


def selected(rows: Any, event: gr.SelectData) -> str:
    """The id of the run whose row was clicked."""
    return str(rows.iloc[event.index[0], -1])
