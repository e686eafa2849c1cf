"""The header above the tabs: name, language, preset, the state of the pipeline, the next step and the
running job.

It reads the workspace on each tick and sends only what has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.runs import hardware
from pipeline.runs.lineage import Lineage
from pipeline.runs.record_file import RunRecord
from pipeline.settings.every_stage import PRESETS
from pipeline.settings.layers import stages_of
from pipeline.settings.stages import STAGES, Stages
from ui import job_card, parts
from ui.events import QUIET, WORK, shown
from ui.login import logout_form
from ui.parts import Services
from ui.texts import Texts
from ui.visitors import LANGUAGES

POLL_SECONDS = 2.0

LITTLE_DISK = 100_000_000  # bytes; about one checkpoint of a real base


@dataclass
class Header:
    """Components of the header that other modules use."""

    preset: gr.Radio
    account: gr.HTML
    who: Callable[[gr.Request], gr.HTML]  # the content of `account` for a visitor
    timer: gr.Timer
    outputs: list[gr.components.Component]
    refresh: dict[str, Any]


def build(services: Services, t: Texts, language: str) -> Header:
    """Build the header and bind its handlers."""
    with gr.Row(elem_id="top"):
        gr.HTML(brand_html(t), elem_id="brand", padding=False)
        preset = gr.Radio(
            [(t(f"preset.{preset}"), preset) for preset in PRESETS],
            value="tiny",
            label=t("preset.label"),
            show_label=False,
            container=False,
            elem_id="preset",
            scale=0,
            min_width=230,
        )
        machine = gr.HTML(padding=False, elem_id="machine")
        gr.HTML(language_links(language), padding=False, elem_id="languages")
        account = gr.HTML(padding=False, elem_id="account", visible=False)
    with gr.Row(elem_id="bar"):
        strip = gr.HTML(padding=False, elem_id="pipeline")
        missing = gr.Button(
            t("bar.run_missing"),
            size="sm",
            variant="secondary",
            scale=0,
            min_width=190,
            elem_id="run-missing",
        )
    with gr.Row(elem_id="now", visible=False) as now:
        card = gr.HTML(padding=False, elem_id="now-card")
    seen = gr.State("")
    outputs = [seen, strip, now, card, missing, machine]
    timer = gr.Timer(POLL_SECONDS)

    def poll(preset_value: str, last: str) -> tuple[Any, ...]:
        return show(services, preset_value, last, t)

    def run_missing(preset_value: str) -> tuple[Any, ...]:
        started = services.jobs.start_missing(preset_value)
        gr.Info(t("start.done", count=len(started)), duration=4)
        return show(services, preset_value, "", t)

    def who(request: gr.Request) -> gr.HTML:
        key = services.access.logout_key(request)
        form = logout_form(t, LANGUAGES[language], request.username, key) if key else ""
        return gr.HTML(form, visible=bool(form))

    timer.tick(poll, [preset, seen], outputs, **QUIET)
    missing.click(shown(run_missing, t), [preset], outputs, **WORK)
    return Header(
        preset,
        account,
        who,
        timer,
        outputs,
        {"fn": lambda p: show(services, p, "", t), "inputs": [preset], "outputs": outputs},
    )


def brand_html(t: Texts) -> str:
    """Name and motto, and the button that unfolds the header on a phone (`page.js`)."""
    label = escape(t("bar.menu"), quote=True)
    return (
        '<div class="brand-row"><div><h1 class="brand-name"><a href="#start">EdgeRLHF Playground</a></h1>'
        f'<p class="brand-line">{escape(t("brand.line"))}</p></div>'
        f'<button type="button" class="unfold" aria-label="{label}" aria-expanded="false">☰</button></div>'
    )


def language_links(language: str) -> str:
    """The language switch, as plain links that work without a script."""
    links = [
        f"<b>{name}</b>" if code == language else f'<a href="{path}?lang={code}" hreflang="{code}">{name}</a>'
        for code, name, path in (("en", "English", "/"), ("zh", "简体中文", "/zh/"))
    ]
    return f'<nav class="languages" aria-label="Language">{"".join(links)}</nav>'


def state_of(records: Sequence[RunRecord], line: Lineage, stage: str, precision: str) -> str:
    """The state of one step of the pipeline: of a running or queued run, else of the newest done run, else of
    the newest run. precision: "" for a stage without arms."""
    own = [r for r in records if r.stage == stage and precision in ("", r.precision)]
    for status in ("running", "queued"):
        if any(r.status == status for r in own):
            return status
    done = next((r for r in own if r.status == "done"), None)
    if done is not None:
        return "stale" if line.stale_reason(done) else "done"
    return own[0].status if own else "missing"


def strip_html(line: Lineage, preset: str, t: Texts, stages: Stages = STAGES) -> str:
    """The steps of the pipeline with their states, and the next step."""
    own = [r for r in line.records if r.preset == preset]
    steps = []
    for row in stages_of(preset, stages=stages).chain:
        stage, chips = row.name, []
        for precision in PRECISIONS if row.per_precision else ("",):
            state = state_of(own, line, stage, precision)
            text = precision or t("bar." + stage)
            chips.append(parts.chip(state, text, t("status." + state)))
        name = f'<span class="step-name">{escape(t("bar." + stage))}</span>' if len(chips) > 1 else ""
        steps.append(f'<span class="step">{name}{"".join(chips)}</span>')
    joined = '<span class="arrow">→</span>'.join(steps)
    following = next_text(line, preset, own, t, stages)
    return f'<div class="pipeline">{joined}</div><div class="next">{following}</div>'


def next_text(
    line: Lineage, preset: str, records: Sequence[RunRecord], t: Texts, stages: Stages = STAGES
) -> str:
    """The next step, in one sentence."""
    waiting = len([r for r in records if r.status == "queued"])
    if waiting:
        return escape(t("bar.waiting", count=waiting))
    running = {(r.stage, r.precision) for r in records if r.status == "running"}
    steps = [step for step in line.missing(preset) if (step.stage, step.precision) not in running]
    if not steps:
        return escape(t("bar.last" if running else "bar.complete"))
    stage, precision = steps[0].stage, steps[0].precision
    name = t("stage." + stage) + (f" {precision}" if stages[stage].per_precision else "")
    key = "bar.after" if running else "bar.next" if records else "bar.next_first"
    return f"{escape(t(key))} <b>{escape(name)}</b>"


def machine_html(workspace: Workspace, t: Texts) -> str:
    """One line about the machine's load, with a warning if the workspace's disk is nearly full."""
    now = hardware.live()
    facts = [
        t("machine.cpu", percent=f"{now['cpu_percent']:.0f}"),
        t("machine.ram", used=f"{now['ram_used_bytes'] / 1e9:.1f}", total=f"{now['ram_bytes'] / 1e9:.0f}"),
    ]
    if now["gpu"]:
        facts.append(
            t(
                "machine.gpu",
                name=now["gpu"],
                used=f"{(now['vram_used_bytes'] or 0) / 1e9:.1f}",
                total=f"{(now['vram_bytes'] or 0) / 1e9:.0f}",
                percent=now.get("gpu_percent") or 0,
            )
        )
    else:
        facts.append(t("machine.no_gpu"))
    free = hardware.free_disk(workspace.root)
    if free < LITTLE_DISK:
        facts.append(t("machine.disk", free=f"{free / 1e6:.0f}"))
    return '<div class="machine">' + "".join(f"<span>{escape(fact)}</span>" for fact in facts) + "</div>"


def show(services: Services, preset: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of the header's outputs; unchanged ones are skipped."""
    records = services.runs.list()
    running = next((r for r in records if r.status == "running"), None)
    states = " ".join(f"{r.id[-4:]}:{r.status}" for r in records)
    told = job_card.now(running, t) if running else []
    now = f"{preset} {states} {told}"
    machine = machine_html(services.workspace, t)
    if now == seen:
        return (*[gr.skip()] * 5, machine)
    line = Lineage(services.runs, records)
    strip = strip_html(line, preset, t)
    busy = any(r.status in parts.LIVE for r in records)
    complete = not busy and not line.missing(preset)
    return (
        now,
        strip,
        gr.Row(visible=running is not None),
        job_card.line(running, t) if running else gr.skip(),
        gr.Button(interactive=not busy and not complete),
        machine,
    )
