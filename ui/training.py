"""The common part of the SFT, reward model and PPO tabs: a form, the start button, the command line, and the
live view of one run (`ui.run_view`).

The tab holds no job state: a timer reads the run's folder, so that a reload or a second browser shows the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from data.errors import Code, UserError
from data.policies import PRECISIONS
from pipeline.memory.estimate import estimate
from pipeline.runs.lineage import Lineage
from pipeline.settings.layers import build as build_settings
from pipeline.settings.stages import STAGES
from ui import choices, parts, prerequisites, terms
from ui import form as forms
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.run_view import bind_stop, build_view, show
from ui.texts import Texts

POLL_SECONDS = 2.0


def build(
    stage: str, services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab of a stage inside the current Gradio context and bind its handlers.

    opened: the events that show the tab. Returns the tab's timer, which the page activates while the tab is
    selected, its form, the choice of the shown run, and the handler that fills it.
    """
    gr.HTML(parts.intro(terms.explained(t(f"intro.{stage}"), t)), padding=False)
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=4, min_width=320, elem_classes="form-side"):
            precisions = precision_choice(stage, t)
            form = forms.build(stage, t)
            problem, start, reset = start_bar(stage, t)
            command = command_box(stage, t)
        with gr.Column(scale=7, min_width=320, elem_id=f"view-{stage}"):
            view = build_view(stage, t)
    timer = gr.Timer(POLL_SECONDS, active=False)

    def plan(preset_value: str, chosen: Any, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        estimated = services.access.may(request, "admin")  # the estimate reveals whether a folder exists
        said = preview(services, stage, preset_value, chosen, form.names(), values, t, estimated=estimated)
        return (*said, gr.Button(start_text(services, stage, preset_value, chosen, form.names(), values, t)))

    def launch(preset_value: str, chosen: Any, *values: Any) -> tuple[Any, ...]:
        changed = forms.overrides(stage, preset_value, form.names(), values)
        started = prerequisites.start(services, stage, preset_value, chosen_precisions(chosen), changed)
        gr.Info(t("start.done", count=len(started)), duration=4)
        return show(services, stage, "", "", t)

    def poll(choice: str | None, seen: str) -> tuple[Any, ...] | Any:
        return show(services, stage, choice or "", seen, t)

    forms.on_change(form, [preset, precisions], plan, [problem, command, start], opened)
    forms.keep(form, preset, [precisions])
    asked = [preset, precisions, *form.components]
    start.click(shown(launch, t), asked, view.outputs(), **WORK).then(
        plan, asked, [problem, command, start], js=revealing(stage), **QUIET
    )
    reset.click(
        lambda preset_value: forms.defaults(stage, preset_value, form.names()), [preset], form.components,
        js=f"(preset) => (playground.forget('{stage}', preset), [preset])", **QUIET,
    )  # fmt: skip
    timer.tick(poll, [view.choice, view.seen], view.outputs(), **QUIET)
    view.choice.input(
        lambda choice: show(services, stage, choice or "", "", t), [view.choice], view.outputs(),
        js=f"(choice) => (playground.shows('{stage}', choice), [choice])", **QUIET,
    )  # fmt: skip
    bind_stop(view, services, stage, t)

    def refresh(wanted: str, request: gr.Request) -> list[Any]:
        whole = services.access.may(request, "admin")  # the choices name folders of this machine
        picked = picked_choices(services, form, t) if whole else [gr.skip()] * len(form.picked())
        return [*show(services, stage, wanted, "", t), *picked]

    binding = {
        "fn": refresh,
        "inputs": [view.wanted],
        "outputs": [*view.outputs(), *(component for _, component in form.picked())],
        "js": f"() => [playground.run('{stage}')]",
    }
    return {
        "timer": timer, "form": form, "extra": [precisions], "refresh": binding, "choice": view.choice
    }  # fmt: skip


def picked_choices(services: Services, form: forms.Form, t: Texts) -> list[gr.Dropdown]:
    """The choices of the fields that name a base model, a data set or a run, as they are now."""
    return [
        gr.Dropdown(choices=choices.of_field(services, field.name, t, inherits=not field.default))
        for field, _ in form.picked()
    ]


def revealing(stage: str) -> str:
    """The script that scrolls to the view of a run where it is out of sight, and passes its inputs on."""
    return f"(...values) => (playground.reveal('view-{stage}'), values)"


def start_bar(stage: str, t: Texts) -> tuple[gr.HTML, gr.Button, gr.Button]:
    """The form's problem, the start button and the reset, which stay in sight while the form scrolls."""
    with gr.Column(elem_classes="start-bar"):
        problem = gr.HTML(padding=False)
        with gr.Row(elem_classes="start-row"):
            start = gr.Button(t(f"start.{stage}"), variant="primary", elem_id=f"start-{stage}", scale=3)
            reset = gr.Button(t("form.reset"), size="sm", scale=1, min_width=120, elem_id=f"reset-{stage}")
    return problem, start, reset


def command_box(stage: str, t: Texts) -> gr.Textbox:
    """The equivalent command line, to be copied."""
    return gr.Textbox(
        label=t("form.command"),
        lines=2,
        max_lines=6,
        interactive=False,
        buttons=["copy"],
        elem_classes="command",
        elem_id=f"command-{stage}",
    )


def start_text(
    services: Services,
    stage: str,
    preset: str,
    chosen: Any,
    names: Sequence[str],
    values: Sequence[Any],
    t: Texts,
) -> str:
    """The text of the start button: it names the earlier steps that it runs first."""
    try:
        changed = forms.overrides(stage, preset, names, values)
        missing = prerequisites.missing_before(services, stage, preset, chosen_precisions(chosen), changed)
    except UserError:
        return t(f"start.{stage}")
    return prerequisites.start_label(stage, missing, t)


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
        return parts.problem(t.advice(error.code) or str(error)), ""
    wrong = next((w for p in precisions if (w := forms.problem(stage, preset, p, changed, t))), "")
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
