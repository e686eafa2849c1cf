"""The Study tab: the workspace's studies with progress and verdict, and the start of a ready-made one."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from data.errors import UserError
from data.files import read_json
from pipeline.commands import study, study_launch, study_page, study_report
from pipeline.commands.study_progress import Progress, begun, newest, progress, running, wanted
from pipeline.runs.reader import RunReader
from pipeline.settings.study import StudyDesign
from ui import parts
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.study_plan import plan_html
from ui.texts import Texts

NO_STUDY = "none"  # what `seen` is while the workspace has no study
Readers = dict[str, RunReader]  # one per study, so that a poll reads only what has changed


def build(services: Services, t: Texts) -> dict[str, Any]:
    """Build the tab and bind its handlers. Returns its timer and the handler that fills it."""
    readers: Readers = {}
    designs = list(study_launch.ready_made())
    gr.HTML(parts.intro(escape(t("intro.study"))), padding=False)
    with gr.Row(elem_classes="pick-row"):
        design = gr.Dropdown(designs, value="mini", label=t("study.design"), filterable=False, scale=3)
        start = gr.Button(t("study.start"), variant="primary", scale=0, min_width=200, elem_id="start-study")
        stop = gr.Button(t("study.stop"), scale=0, min_width=110, visible=False, elem_id="stop-study")
    plan = gr.HTML(padding=False, elem_id="study-plan")
    choice = gr.Dropdown([], label=t("study.shown"), filterable=False, visible=False)
    card = gr.HTML(padding=False, elem_id="study-card")
    with gr.Column(visible=False, elem_classes="charts two") as body:
        charts = [gr.Plot(show_label=False) for _ in range(2)]
    timer, seen = gr.Timer(4.0, active=False), gr.State("")
    outputs = [seen, choice, stop, card, body, *charts]

    def begin(name: str, current: str | None) -> tuple[Any, ...]:
        file = study_launch.ready_made()[name]
        study_launch.start(services.workspace, file)
        gr.Info(t("study.started"), duration=5)
        return show(services, readers, "", study.read_design(file).name, t)

    def end(current: str | None) -> tuple[Any, ...]:
        study_launch.stop(services.workspace)
        return show(services, readers, "", current, t)

    start.click(shown(begin, t), [design, choice], outputs, **WORK)
    stop.click(shown(end, t), [choice], outputs, **WORK)
    design.change(shown(lambda name: plan_html(services, name, t), t), [design], [plan], **QUIET)
    choice.input(lambda current: show(services, readers, "", current, t), [choice], outputs, **QUIET)
    timer.tick(lambda s, current: show(services, readers, s, current, t), [seen, choice], outputs, **QUIET)

    def fill(name: str, current: str | None) -> tuple[Any, ...]:
        return (plan_html(services, name, t), *show(services, readers, "", current, t))

    return {
        "timer": timer,
        "refresh": {"fn": fill, "inputs": [design, choice], "outputs": [plan, *outputs]},
    }


def show(services: Services, readers: Readers, seen: str, current: str | None, t: Texts) -> tuple[Any, ...]:
    """The values of the tab's outputs; skips all of them if nothing has changed since `seen`."""
    workspace = services.workspace
    names, live = begun(workspace), running(workspace)
    chosen = current if current in names else live if live in names else next(iter(names), None)
    choice = gr.Dropdown(list(names), value=chosen, visible=len(names) > 1)
    stop = gr.Button(visible=bool(live))
    nothing = (gr.Column(visible=False), None, None)
    if chosen is None:
        if seen == NO_STUDY:
            return (gr.skip(),) * 7
        return NO_STUDY, choice, stop, f'<div class="empty">{escape(t("study.none"))}</div>', *nothing
    try:
        design = study.recorded(workspace, chosen)
        reader = readers.setdefault(chosen, RunReader(study.folder_of(workspace, chosen)))
        how_far = progress(design, newest(reader.list()), wanted(workspace, design))
        content = _report(services, chosen)
    except UserError as error:
        return "", choice, stop, parts.problem(str(error)), *nothing
    now = f"{chosen} {live} {how_far.done} {how_far.running} {content and content['made']}"
    if now == seen:
        return (gr.skip(),) * 7
    figures = (None, None)
    if content:
        measured, found = study_report.measured_of(content), study_report.findings_of(content)
        figures = (study_page.forest(measured, found), study_page.over_kl(measured, found))
    html = card_html(services, design, how_far, content, chosen == live, t)
    drawn = bool(content and content["findings"]["curves"])
    return now, choice, stop, html, gr.Column(visible=drawn), *figures


def card_html(
    services: Services,
    design: StudyDesign,
    how_far: Progress,
    content: dict[str, Any] | None,
    live: bool,
    t: Texts,
) -> str:
    """Progress and verdict of a study."""
    state = "running" if live else "done" if how_far.done == how_far.planned else "missing"
    facts = [
        t("study.runs", done=how_far.done, planned=how_far.planned),
        t("study.replicates", done=len(how_far.replicates), planned=how_far.wanted),
        t("study.spent", time=parts.duration(how_far.seconds, t)),
    ]
    lines = [
        f'<div class="job-line">{parts.chip(state, t("status." + state))}<b>{escape(design.name)}</b>'
        f'<span class="phase">{escape(" · ".join(facts))}</span></div>'
    ]
    if how_far.failed:
        lines.append(parts.advice(t("study.failed", names=", ".join(how_far.failed)), bad=True))
    if content:
        found = content["findings"]
        lines.append(result_html(found, t))
        place = services.workspace.study(design.name) / study_report.HTML
        lines.append(f'<p class="quiet small">{escape(t("study.report", path=str(place)))}</p>')
    return f'<div class="job">{"".join(lines)}</div>'


def result_html(found: dict[str, Any], t: Texts) -> str:
    """The verdict of a report: its own English sentence and limits, and in other languages first a line per
    arm. found: the `findings` of report.json."""
    said = "".join(f"<li>{escape(limit)}</li>" for limit in found["limits"])
    words = f"<p><b>{escape(found['sentence'])}</b></p>" + (f"<ol>{said}</ol>" if said else "")
    if t.language == "en":
        return words
    lines = [("warn", t("study.partial"))] if found["partial"] else []
    arms = [_arm_line(arm, t) for arm in found["arms"] if arm["role"] == "treatment"]
    lines += arms or [("warn", t("study.no_verdict"))]
    summary = escape(t("study.original"))
    return parts.reading(lines) + f'<details lang="en"><summary>{summary}</summary>{words}</details>'


def _arm_line(arm: dict[str, Any], t: Texts) -> tuple[str, str]:
    """(mood, sentence) about an arm against the reference."""
    if arm["low"] is None:
        return "warn", t("study.too_few", arm=arm["arm"], count=len(arm["replicates"]))
    mood, key = {
        "equivalent": ("good", "study.is_equivalent"),
        "worse": ("bad", "study.is_worse"),
        "better": ("good", "study.is_better"),
        "undecided": ("warn", "study.is_undecided"),
        "invalid": ("warn", "study.is_invalid"),
    }[arm["outcome"]]
    figures = {name: f"{arm[name]:+.3f}" for name in ("mean", "low", "high")}
    return mood, t(key, arm=arm["arm"], count=len(arm["replicates"]), **figures)


def _report(services: Services, name: str) -> dict[str, Any] | None:
    """The newest report of a study; None before the first one."""
    try:
        content = read_json(services.workspace.study(name) / study_report.JSON)
    except FileNotFoundError:
        return None
    return content if isinstance(content, dict) else None
