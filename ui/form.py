"""Forms made from a stage's settings: a few fields in sight, the other groups folded, values back as
overrides.

The form knows no stage by name: label, help, unit, bounds and choices all come from
`pipeline.settings.layers.fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from data.errors import UserError
from pipeline.settings import layers as settings
from ui.texts import Texts

HIDDEN = frozenset({"preset", "precision"})  # chosen elsewhere on the page
PARENTS = frozenset({"dataset", "sft_run", "reward_run", "judge_run"})  # a choice among what is there


@dataclass(frozen=True)
class Form:
    """The fields of one stage on the page; `components[i]` shows `fields[i]`."""

    stage: str
    fields: Sequence[settings.FieldInfo]
    components: Sequence[gr.components.Component]

    def names(self) -> list[str]:
        """Names of the fields, in the order of the components."""
        return [field.name for field in self.fields]

    def parents(self) -> list[tuple[str, gr.components.Component]]:
        """The fields that name a data set or a run, whose choices change as runs come and go."""
        return [(f.name, c) for f, c in zip(self.fields, self.components, strict=True) if f.name in PARENTS]


def build(stage: str, t: Texts, *, leave_out: frozenset[str] = frozenset(), preset: str = "tiny") -> Form:
    """Draw the form of a stage inside the current Gradio context."""
    shown = [f for f in settings.fields(stage, preset) if f.name not in HIDDEN | leave_out]
    made: dict[str, gr.components.Component] = {}
    with gr.Column(elem_classes="form-grid"):
        for field in shown:
            if field.group == "main":
                made[field.name] = component(stage, field, t)
    groups = list(dict.fromkeys(f.group for f in shown if f.group != "main"))
    if groups:
        with gr.Accordion(t("form.more"), open=False, elem_classes="form-more"):
            for group in groups:
                gr.HTML(f'<div class="group-name">{t.group(group)}</div>', padding=False)
                with gr.Column(elem_classes="form-grid"):
                    for field in shown:
                        if field.group == group:
                            made[field.name] = component(stage, field, t)
    return Form(stage, shown, [made[f.name] for f in shown])


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
    if field.name in PARENTS:
        return gr.Dropdown(choices=[(t("form.newest"), "")], allow_custom_value=False, **common)
    if field.type in (
        int,
        float,
    ):  # bounds are checked by `problem`, which says what is wrong instead of popping up
        whole = field.type is int
        return gr.Number(step=1 if whole else None, precision=0 if whole else None, **common)
    return gr.Textbox(max_lines=1, max_length=1000, **common)


def defaults(stage: str, preset: str, names: Sequence[str]) -> list[Any]:
    """The preset's value of each named field."""
    values = {field.name: field.default for field in settings.fields(stage, preset)}
    return [values[name] for name in names]


def overrides(stage: str, preset: str, names: Sequence[str], values: Sequence[Any]) -> list[str]:
    """["max_steps=20", ...]: the fields that differ from the preset; an emptied field counts as unchanged."""
    changed = []
    for name, default, value in zip(names, defaults(stage, preset, names), values, strict=True):
        if value is None or value == default:
            continue
        changed.append(f"{name}={as_text(value)}")
    return changed


def as_text(value: Any) -> str:
    """A value as `--set` takes it: no ".0" behind whole numbers, true and false in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def problem(stage: str, preset: str, precision: str | None, changed: Sequence[str]) -> str:
    """Why these settings cannot be run, in one line; "" where they can."""
    try:
        settings.build(stage, preset, precision=precision, overrides=changed)
    except UserError as error:
        return str(error)
    return ""


def on_change(
    form: Form,
    extra: Sequence[gr.components.Component],
    handler: Callable[..., Any],
    outputs: Sequence[gr.components.Component],
    opened: Sequence[Callable[..., Any]],
) -> None:
    """Call `handler(*extra, *values)` whenever anything on the form changes, and when its tab is opened.

    It is one event for all of that, so that the last answer on the page is the one to the last change.
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
