"""Forms generated from a stage's settings. At most six settings are visible, the others folded; the values
are returned as overrides. What a visitor enters survives a reload (`page.js`).

The form knows no stage by name: label, help, unit and choices come from `pipeline.settings.layers.fields`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from data.errors import UserError
from pipeline.settings import layers as settings
from ui.texts import Texts

HIDDEN = frozenset({"preset", "precision"})  # the page has its own controls for these
# Fields whose choices change with the workspace (`ui.choices`).
PICKED = frozenset({"base_model", "dataset", "sft_run", "reward_run", "start_run", "judge_run"})
# The settings that matter most, in the order of the first screen; a form shows the first five that it has.
# The precision, which the page shows above them, is the sixth.
FIRST = (
    "base_model", "dataset", "max_steps", "batch_size", "learning_rate", "kl_coef", "eval_prompts",
    "max_rows", "train_rows", "seed",
)  # fmt: skip
MOST_FIRST = 5


@dataclass(frozen=True)
class Form:
    """The fields of one stage on the page; `components[i]` shows `fields[i]`."""

    stage: str
    fields: Sequence[settings.FieldInfo]
    components: Sequence[gr.components.Component]

    def names(self) -> list[str]:
        """The names of the fields, in the order of the components."""
        return [field.name for field in self.fields]

    def picked(self) -> list[tuple[settings.FieldInfo, gr.components.Component]]:
        """The fields that name a base model, a data set or a run, with their components."""
        return [(f, c) for f, c in zip(self.fields, self.components, strict=True) if f.name in PICKED]


def build(stage: str, t: Texts, *, leave_out: frozenset[str] = frozenset(), preset: str = "tiny") -> Form:
    """Build the form of a stage inside the current Gradio context."""
    shown = [f for f in settings.fields(stage, preset) if f.name not in HIDDEN | leave_out]
    first = first_screen(shown)
    made: dict[str, gr.components.Component] = {}
    with gr.Column(elem_classes="form-grid"):
        for field in first:
            made[field.name] = component(stage, field, t)
    rest = [field for field in shown if field.name not in made]
    if rest:
        with gr.Accordion(t("form.more"), open=False, elem_classes="form-more"):
            for group in dict.fromkeys(f.group for f in rest):
                gr.HTML(f'<div class="group-name">{escape(t.group(group))}</div>', padding=False)
                with gr.Column(elem_classes="form-grid"):
                    for field in rest:
                        if field.group == group:
                            made[field.name] = component(stage, field, t)
    return Form(stage, shown, [made[f.name] for f in shown])


def first_screen(fields: Sequence[settings.FieldInfo]) -> list[settings.FieldInfo]:
    """The settings that are visible at once. A base model that a stage takes from its parent is not one."""
    known = {f.name: f for f in fields if f.name != "base_model" or f.default}
    return [known[name] for name in FIRST if name in known][:MOST_FIRST]


def component(stage: str, field: settings.FieldInfo, t: Texts) -> gr.components.Component:
    """The input for one field: a checkbox, a choice, a number with bounds or a line of text."""
    common = {
        "label": t.label(field),
        "info": t.help(field),
        "value": field.default,
        "min_width": 120,
        "elem_id": f"{stage}-{field.name}",
    }
    if field.type is bool:
        return gr.Checkbox(**common)
    if field.choices:
        return gr.Dropdown(choices=list(field.choices), filterable=False, **common)
    if field.name in PICKED:
        # A kept form may name a run before the choices are known; the settings check the value.
        empty = t("form.parents_base" if field.name == "base_model" else "form.newest")
        known = [(t("base.tiny"), "tiny")] if field.default == "tiny" else [(empty, "")]
        return gr.Dropdown(choices=known, allow_custom_value=True, **common)
    if field.type in (
        int,
        float,
    ):  # `problem` checks the bounds and explains a violation next to the form; Gradio shows a pop-up
        whole = field.type is int
        return gr.Number(step=1 if whole else None, precision=0 if whole else None, **common)
    return gr.Textbox(max_lines=1, max_length=1000, **common)


def defaults(stage: str, preset: str, names: Sequence[str]) -> list[Any]:
    """The preset's value of each named field."""
    values = {field.name: field.default for field in settings.fields(stage, preset)}
    return [values[name] for name in names]


def overrides(stage: str, preset: str, names: Sequence[str], values: Sequence[Any]) -> list[str]:
    """["max_steps=20", ...]: the fields that differ from the preset; an empty field counts as unchanged."""
    changed = []
    for name, default, value in zip(names, defaults(stage, preset, names), values, strict=True):
        if value is None or value == default:
            continue
        changed.append(f"{name}={as_text(value)}")
    return changed


def as_text(value: Any) -> str:
    """A value in the syntax of `--set`: no ".0" after whole numbers, true and false in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def problem(stage: str, preset: str, precision: str | None, changed: Sequence[str], t: Texts) -> str:
    """Why these settings cannot be run, in one line; "" if they can."""
    try:
        settings.build(stage, preset, precision=precision, overrides=changed)
    except UserError as error:
        return out_of_bounds(stage, preset, changed, t) or f"{t.cause(error.code)} ({error})"
    return ""


def out_of_bounds(stage: str, preset: str, changed: Sequence[str], t: Texts) -> str:
    """The first number outside its bounds, in the words of the page; "" if there is none."""
    asked = dict(text.split("=", 1) for text in changed)
    for field in settings.fields(stage, preset):
        try:
            value = float(asked[field.name]) if field.type in (int, float) else None
        except (KeyError, ValueError):
            continue
        for bound, key, broken in (
            (field.minimum, "form.below", float.__lt__),
            (field.maximum, "form.above", float.__gt__),
        ):
            if value is not None and bound is not None and broken(value, float(bound)):
                return t(key, label=t.label_of(field.name), bound=f"{bound:g}")
    return ""


def on_change(
    form: Form,
    extra: Sequence[gr.components.Component],
    handler: Callable[..., Any],
    outputs: Sequence[gr.components.Component],
    opened: Sequence[Callable[..., Any]],
) -> None:
    """Call `handler(*extra, *values)` whenever a field of the form changes, and when its tab is opened.

    All triggers share one event, so that the page always shows the response to the last change.
    """
    inputs = [*extra, *form.components]
    gr.on(
        [*(c.change for c in inputs), *opened],
        handler,
        inputs=inputs,
        outputs=list(outputs),
        show_progress="hidden",
        queue=False,
        trigger_mode="always_last",
        api_visibility="private",
    )


def keep(form: Form, preset: gr.Radio, extra: Sequence[gr.components.Component] = ()) -> None:
    """Store what a visitor enters in the browser, per stage and preset. extra: further inputs of the form."""
    kept = [*extra, *form.components]
    names = kept_names(form, extra)
    script = f"(preset, ...values) => playground.keep({json.dumps(form.stage)}, preset, {names}, values)"
    gr.on(
        [component.input for component in kept],
        None,
        inputs=[preset, *kept],
        outputs=None,
        js=script,
        api_visibility="private",
    )


def kept_names(form: Form, extra: Sequence[gr.components.Component] = ()) -> str:
    """The names of the stored values, as a JavaScript array."""
    return json.dumps([*(f"extra{number}" for number in range(len(extra))), *form.names()])
