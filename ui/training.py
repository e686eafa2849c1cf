"""The common part of the SFT, reward model and PPO tabs: a form, the command line, and a live view of one
run.

The tab holds no job state: a timer reads the run's folder, so that a reload or a second browser shows the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.records import messages
from pipeline.memory.estimate import estimate
from pipeline.runs import reader as runs
from pipeline.runs.lineage import Lineage
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build as build_settings
from pipeline.settings.stages import STAGES
from ui import form as forms
from ui import parts, plots
from ui import reading as readings
from ui.events import QUIET, WORK, shown
from ui.parts import LIVE, Services
from ui.texts import Texts

SAMPLES = 12
POLL_SECONDS = 2.0


@dataclass
class View:
    """The components that show one run, in the order of `outputs` and `show`."""

    choice: gr.Dropdown
    seen: gr.State
    card: gr.HTML
    cancel: gr.Button
    resume: gr.Button
    body: gr.Column
    reading: gr.HTML
    samples: gr.Dataframe
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
            *self.charts,
        ]


def build(
    stage: str, services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab of a stage inside the current Gradio context and bind its handlers.

    opened: the events that show the tab. Returns the tab's timer, which the page activates while the tab is
    selected, its form, and the handler that fills it.
    """
    gr.HTML(parts.intro(t(f"intro.{stage}")), padding=False)
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=4, min_width=320):
            precisions = precision_choice(stage, t)
            form = forms.build(stage, t)
            problem = gr.HTML(padding=False)
            command = gr.Textbox(
                label=t("form.command"),
                lines=2,
                max_lines=6,
                interactive=False,
                buttons=["copy"],
                elem_classes="command",
                elem_id=f"command-{stage}",
            )
            start = gr.Button(t(f"start.{stage}"), variant="primary", elem_id=f"start-{stage}")
        with gr.Column(scale=7, min_width=320):
            view = build_view(stage, t)
    timer = gr.Timer(POLL_SECONDS, active=False)

    def plan(preset_value: str, chosen: Any, request: gr.Request, *values: Any) -> tuple[str, str]:
        estimated = services.access.may(request, "admin")  # the estimate reveals whether a folder exists
        return preview(services, stage, preset_value, chosen, form.names(), values, t, estimated=estimated)

    def launch(preset_value: str, chosen: Any, *values: Any) -> tuple[Any, ...]:
        for precision in chosen_precisions(chosen):
            changed = forms.overrides(stage, preset_value, form.names(), values)
            services.jobs.start(stage, preset_value, precision, changed)
        gr.Info(t("start.done", count=len(chosen_precisions(chosen))), duration=4)
        return show(services, stage, "", "", t)

    def poll(choice: str | None, seen: str) -> tuple[Any, ...] | Any:
        return show(services, stage, choice or "", seen, t)

    forms.on_change(form, [preset, precisions], plan, [problem, command], opened)
    start.click(shown(launch, t), [preset, precisions, *form.components], view.outputs(), **WORK)
    timer.tick(poll, [view.choice, view.seen], view.outputs(), **QUIET)
    view.choice.input(
        lambda choice: show(services, stage, choice or "", "", t), [view.choice], view.outputs(), **QUIET
    )
    bind_stop(view, services, stage, t)

    def refresh() -> list[Any]:
        parents = [gr.Dropdown(choices=parent_choices(services, name, t)) for name, _ in form.parents()]
        return [*show(services, stage, "", "", t), *parents]

    binding = {
        "fn": refresh,
        "inputs": [],
        "outputs": [*view.outputs(), *(component for _, component in form.parents())],
    }
    return {"timer": timer, "form": form, "refresh": binding}


def precision_choice(stage: str, t: Texts) -> gr.components.Component:
    """One precision for SFT; for reward models and PPO any of the three, with one run per precision."""
    if not STAGES[stage].per_precision:
        return gr.Radio(
            list(PRECISIONS), value="bf16", label=t.label_of("precision"), info=t("precision.one")
        )
    return gr.CheckboxGroup(
        list(PRECISIONS),
        value=list(PRECISIONS),
        label=t.label_of("precision"),
        info=t(f"precision.{stage}"),
        elem_id=f"precisions-{stage}",
    )


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
    card = gr.HTML(parts.job_card(None, t), elem_id=f"card-{stage}", padding=False)
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
            column_widths=["70px", "42%", "42%", "80px"],
        )
    return View(choice, gr.State(""), card, cancel, resume, body, reading, samples, charts)


def bind_stop(view: View, services: Services, stage: str, t: Texts) -> None:
    """Bind the buttons that cancel and resume the displayed run."""

    def act(choice: str | None, what: str) -> tuple[Any, ...]:
        record = find(stage_runs(services, stage), choice or "")
        if record is not None:
            getattr(services.jobs, what)(record.id)
        return show(services, stage, choice or "", "", t)

    view.cancel.click(shown(lambda choice: act(choice, "cancel"), t), [view.choice], view.outputs(), **WORK)
    view.resume.click(shown(lambda choice: act(choice, "resume"), t), [view.choice], view.outputs(), **WORK)


def chosen_precisions(chosen: Any) -> list[str]:
    """The chosen precisions of a radio or a checkbox group, in the usual order."""
    picked = [chosen] if isinstance(chosen, str) else list(chosen or [])
    if not picked:
        raise UserError("choose at least one precision", code=Code.SETTING)
    return [p for p in PRECISIONS if p in picked]


def preview(
    services: Services,
    stage: str,
    preset: str,
    chosen: Any,
    names: Sequence[str],
    values: Sequence[Any],
    t: Texts,
    estimated: bool = True,
) -> tuple[str, str]:
    """The form's first problem, or otherwise the memory it needs (as HTML), and its command lines."""
    try:
        changed = forms.overrides(stage, preset, names, values)
        precisions = chosen_precisions(chosen)
    except UserError as error:
        return parts.problem(str(error)), ""
    wrong = next((w for p in precisions if (w := forms.problem(stage, preset, p, changed))), "")
    commands = [parts.command(services, stage, preset, p, changed) for p in precisions]
    if wrong or not estimated:
        return parts.problem(wrong), "\n".join(commands)
    return memory_note(services, stage, preset, precisions, changed, t), "\n".join(commands)


def memory_note(
    services: Services, stage: str, preset: str, precisions: Sequence[str], changed: Sequence[str], t: Texts
) -> str:
    """The estimated memory before the start; "" if the base is not local or a parent is missing."""
    found = []
    try:
        line = Lineage(services.runs)
        for precision in precisions:
            settings = build_settings(stage, preset, precision=precision, overrides=changed)
            if not settings.base_model:
                settings = line.resolve(stage, settings).settings
            if settings.base_model != "tiny" and not Path(settings.base_model).is_dir():
                return ""  # the shape of a hub model would need a download
            found.append(estimate(stage, settings, services.workspace))
    except UserError:
        return ""
    most = max(found, key=lambda e: e.total)
    text = t("form.memory", need=parts.gigabytes(most.total), there=parts.gigabytes(most.available))
    return f'<p class="quiet small">{escape(text)}</p>' if most.fits else parts.advice(text, bad=True)


def parent_choices(services: Services, name: str, t: Texts) -> list[tuple[str, str]]:
    """The choices of a parent's field: the newest, or one by name."""
    newest = [(t("form.newest"), "")]
    if name == "dataset":
        folder = services.workspace.datasets
        found = (
            sorted(p.name for p in folder.iterdir() if (p / "dataset.json").is_file())
            if folder.is_dir()
            else []
        )
        return newest + [(n, n) for n in found]
    stage = name.removesuffix("_run")
    records = [r for r in services.runs.list() if r.stage == stage and r.status == "done"]
    return newest + [(parts.run_label(r, t), r.id) for r in records]


def stage_runs(services: Services, stage: str) -> list[RunRecord]:
    """The runs of a stage, newest first."""
    return [r for r in services.runs.list() if r.stage == stage]


def find(records: Sequence[RunRecord], choice: str) -> RunRecord | None:
    """The chosen run; without a choice the running one, else the newest that has started."""
    chosen = [r for r in records if r.id == choice]
    running = [r for r in records if r.status == "running"]
    begun = [r for r in records if r.status != "queued"]
    return next(iter([*chosen, *running, *begun, *records]), None)


def fingerprint(services: Services, record: RunRecord | None, known: Sequence[str]) -> str:
    """A text that changes whenever the view of a run changes."""
    if record is None:
        return "none"
    folder = services.workspace.run(record.id)
    sizes = [
        p.stat().st_size if p.exists() else 0 for p in (folder / "metrics.jsonl", folder / "samples.jsonl")
    ]
    ticks = int(record.progress.seconds_left or 0) // 5 if record.progress else 0
    return f"{record.id} {record.status} {sizes} {ticks} {hash(tuple(known))}"


def show(services: Services, stage: str, choice: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of `View.outputs`; skips all of them if nothing has changed since `seen`."""
    records = stage_runs(services, stage)
    known = [f"{r.id} {r.status}" for r in records]
    record = find(records, choice)
    now = fingerprint(services, record, known)
    if now == seen:
        return (gr.skip(),) * (8 + len(plots.CHARTS[stage]))
    rows = runs.read_metrics(services.workspace, record.id) if record else []
    samples = runs.read_samples(services.workspace, record.id) if record else []
    choices = [(t("run.newest"), "")] + [(parts.run_label(r, t), r.id) for r in records]
    status = record.status if record else ""
    same_rows = seen.split(" ")[2:4] == now.split(" ")[2:4] and seen.split(" ")[0] == now.split(" ")[0]
    charts = [gr.skip()] * len(plots.CHARTS[stage]) if same_rows else plots.live_charts(stage, rows, t)
    return (
        gr.Dropdown(choices=choices, value=choice),
        now,
        parts.job_card(record, t),
        gr.Button(visible=status in LIVE),
        gr.Button(visible=status in parts.ENDED),
        gr.Column(visible=bool(rows or samples)),
        parts.reading(readings.read(stage, rows, t)),
        gr.Dataframe(value=sample_rows(samples), visible=bool(samples)),
        *charts,
    )


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
