"""The live view of one run: its card, the charts with their reading, and sample answers.

The view holds no job state: `show` reads the run's folder and skips what has not changed since the last call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import gradio as gr

from data.records import messages
from pipeline.arena.one_policy import STAGES_THAT_ANSWER
from pipeline.runs import reader as runs
from pipeline.runs.record_file import RunRecord
from ui import job_card, parts, plots
from ui import reading as readings
from ui.events import WORK, shown
from ui.parts import LIVE, Services
from ui.texts import Texts

SAMPLES = 12
LOG_LINES = 40


@dataclass
class View:
    """The components that show one run, in the order of `outputs` and `show`."""

    choice: gr.Dropdown
    seen: gr.State
    wanted: gr.Textbox  # the run that the address names, filled in by the browser
    card: gr.HTML
    cancel: gr.Button
    resume: gr.Button
    body: gr.Column
    reading: gr.HTML
    samples: gr.Dataframe
    log: gr.Textbox
    charts: list[gr.Plot] = field(default_factory=list)

    def outputs(self) -> list[gr.components.Component]:
        return [
            self.choice,
            self.seen,
            self.card,
            self.cancel,
            self.resume,
            self.body,
            self.reading,
            self.samples,
            self.log,
            *self.charts,
        ]


def build_view(stage: str, t: Texts) -> View:
    """The live view of one run: the choice of the run, its card, charts with their reading, and samples."""
    with gr.Row(elem_classes="pick-row"):
        choice = gr.Dropdown(
            [(t("run.newest"), "")], value="", label=t("run.shown"), scale=3, filterable=False, min_width=200
        )
        cancel = gr.Button(
            t("run.cancel"), size="sm", visible=False, scale=0, min_width=110, elem_id=f"cancel-{stage}"
        )
        resume = gr.Button(t("run.resume"), size="sm", visible=False, scale=0, min_width=110)
    card = gr.HTML(job_card.card(None, t), elem_id=f"card-{stage}", padding=False)
    with gr.Column(visible=False) as body:
        reading = gr.HTML(padding=False)
        with gr.Column(elem_classes="charts"):
            charts = [gr.Plot(show_label=False, container=True) for _ in plots.CHARTS[stage]]
        samples = gr.Dataframe(
            headers=sample_headers(t),
            datatype="str",
            interactive=False,
            wrap=True,
            label=t("samples.title"),
            max_height=420,
            visible=False,
            elem_classes="plain-frame",
            column_widths=["10%", "39%", "39%", "12%"],
        )
    with gr.Accordion(t("run.log"), open=False):
        log = gr.Textbox(
            lines=8,
            max_lines=16,
            interactive=False,
            show_label=False,
            label=t("run.log"),
            elem_classes="command",
            placeholder=t("run.log_empty"),
        )
    wanted = gr.Textbox(visible=False)
    return View(choice, gr.State(""), wanted, card, cancel, resume, body, reading, samples, log, charts)


def bind_stop(view: View, services: Services, stage: str, t: Texts) -> None:
    """Bind the buttons that cancel and resume the displayed run."""

    def act(choice: str | None, what: str) -> tuple[Any, ...]:
        record = find(stage_runs(services, stage), choice or "")
        if record is not None:
            getattr(services.jobs, what)(record.id)
        return show(services, stage, choice or "", "", t)

    view.cancel.click(shown(lambda choice: act(choice, "cancel"), t), [view.choice], view.outputs(), **WORK)
    view.resume.click(shown(lambda choice: act(choice, "resume"), t), [view.choice], view.outputs(), **WORK)


def stage_runs(services: Services, stage: str) -> list[RunRecord]:
    """The runs of a stage, newest first."""
    return [r for r in services.runs.list() if r.stage == stage]


def find(records: Sequence[RunRecord], choice: str) -> RunRecord | None:
    """The chosen run; without a choice the running one, else the next in the queue, else the newest."""
    chosen = [r for r in records if r.id == choice]
    running = [r for r in records if r.status == "running"]
    queued = [r for r in reversed(records) if r.status == "queued"]
    return next(iter([*chosen, *running, *queued, *records]), None)


def fingerprint(services: Services, record: RunRecord | None, known: Sequence[str]) -> str:
    """A text that changes whenever the view of a run changes."""
    if record is None:
        return "none"
    folder = services.workspace.run(record.id)
    sizes = [
        p.stat().st_size if p.exists() else 0
        for p in (folder / name for name in ("metrics.jsonl", "samples.jsonl", "log.txt"))
    ]
    told = ""
    if (progress := record.progress) is not None:
        seconds = progress.phase_seconds if progress.seconds_left is None else progress.seconds_left
        told = f"{progress.phase}:{progress.cancelling}:{int(seconds) // 5}"
    return f"{record.id} {record.status} {sizes} {told} {hash(tuple(known))}"


def show(services: Services, stage: str, choice: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of `View.outputs`; skips all of them if nothing has changed since `seen`."""
    records = stage_runs(services, stage)
    known = [f"{r.id} {r.status}" for r in records]
    record = find(records, choice)
    now = fingerprint(services, record, known)
    if now == seen:
        return (gr.skip(),) * (9 + len(plots.CHARTS[stage]))
    rows = runs.read_metrics(services.workspace, record.id) if record else []
    samples = runs.read_samples(services.workspace, record.id) if record else []
    choices = [(t("run.newest"), "")] + [(parts.run_label(r, t), r.id) for r in records]
    choice = choice if any(choice == known_id for _, known_id in choices) else ""
    status = record.status if record else ""
    same_rows = seen.split(" ")[2:4] == now.split(" ")[2:4] and seen.split(" ")[0] == now.split(" ")[0]
    charts = [gr.skip()] * len(plots.CHARTS[stage]) if same_rows else plots.live_charts(stage, rows, t)
    return (
        gr.Dropdown(choices=choices, value=choice),
        now,
        job_card.card(record, t, next_to_run=is_next(services, record)) + onward(record, t),
        gr.Button(visible=status in LIVE and not (record and record.progress and record.progress.cancelling)),
        gr.Button(visible=status in parts.ENDED),
        gr.Column(visible=bool(rows or samples)),
        parts.reading(readings.read(stage, rows, t)),
        gr.Dataframe(value=sample_rows(samples), visible=bool(samples)),
        runs.tail_log(services.workspace, record.id, LOG_LINES) if record else "",
        *charts,
    )


def onward(record: RunRecord | None, t: Texts) -> str:
    """A link to what a finished run is good for: a conversation with its policy, or its export."""
    if record is None or record.status != "done":
        return ""
    text = t("trained.link" if record.stage in STAGES_THAT_ANSWER else "trained.link_export")
    return f'<p class="onward"><a href="#runs/{escape(record.id, quote=True)}">{escape(text)} →</a></p>'


def is_next(services: Services, record: RunRecord | None) -> bool:
    """Whether a queued run is the next to start, with nothing running before it."""
    if record is None or record.status != "queued":
        return False
    others = [r for r in services.runs.list() if r.status in LIVE and r.id < record.id]
    return not others


def sample_headers(t: Texts) -> list[str]:
    return [t("samples.step"), t("samples.prompt"), t("samples.answer"), t("samples.score")]


def sample_rows(samples: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The newest sample answers, newest first: step, prompt, answer, score."""
    rows = []
    for sample in list(samples)[::-1][:SAMPLES]:
        answer = sample.get("response") or sample.get("answer") or ""
        score = parts.number(sample.get("score", sample.get("gold")))
        rows.append(
            [
                str(sample.get("step", "")),
                conversation(str(sample.get("prompt", ""))),
                str(answer).strip(),
                score,
            ]
        )
    return rows


def conversation(prompt: str) -> str:
    """A prompt for display: the text alone, with the speakers' names only if it has several turns."""
    turns = messages(prompt)
    if len(turns) == 1:
        return turns[0]["content"]
    names = {"user": "Human", "assistant": "Assistant"}
    return "\n".join(f"{names[turn['role']]}: {turn['content']}" for turn in turns)
