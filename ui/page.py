"""The page in one language: the header and the tabs.

Only the selected tab polls. The page reads its state from disk, so a reload shows a running job again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from pipeline.settings.every_stage import PRESETS
from ui import (
    api,
    arena_tab,
    data_tab,
    evaluation_tab,
    header,
    ppo_tab,
    reward_tab,
    runs_tab,
    sft_tab,
    start_tab,
    study_tab,
)
from ui import form as forms
from ui.events import QUIET
from ui.parts import Services
from ui.payloads import CheckedBlocks
from ui.texts import Texts

TABS = ("start", "data", "sft", "reward", "ppo", "arena", "evaluation", "study", "runs")


def build(services: Services, language: str) -> gr.Blocks:
    """The complete page in one language; starts nothing."""
    t = Texts(language)
    with CheckedBlocks(title="EdgeRLHF Playground", analytics_enabled=False, fill_width=True) as page:
        page.access = services.access
        top = header.build(services, t, language)
        tabs, parts = {}, {}
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            for name in TABS:
                with gr.Tab(t("tab." + name), id=name, elem_id=f"tab-{name}") as tab:
                    parts[name] = draw(name, services, t, language, top.preset, [tab.select])
                tabs[name] = tab
        api.build(services)
        bind(page, services, top, tabs, parts)
        hide_from_raters(page, services)
    return page


def draw(
    name: str,
    services: Services,
    t: Texts,
    language: str,
    preset: gr.Radio,
    opened: Sequence[Callable[..., Any]],
) -> dict[str, Any]:
    """Build one tab. The result has "refresh" and, if the tab has them, "timer" and "form".

    opened: the events that show the tab.
    """
    if name == "start":
        return start_tab.build(services, t, preset)
    if name == "arena":
        return {"refresh": arena_tab.build(services, t, language)}
    if name == "study":
        return study_tab.build(services, t)
    if name == "runs":
        return runs_tab.build(services, t)
    module = {
        "data": data_tab,
        "sft": sft_tab,
        "reward": reward_tab,
        "ppo": ppo_tab,
        "evaluation": evaluation_tab,
    }[name]
    return module.build(services, t, preset, opened)


def bind(
    page: gr.Blocks,
    services: Services,
    top: header.Header,
    tabs: dict[str, gr.Tab],
    parts: dict[str, dict[str, Any]],
) -> None:
    """Fill the page on load, refresh a tab when it is selected, and apply a change of the preset."""
    timers = {name: part["timer"] for name, part in parts.items() if "timer" in part}

    def in_front(name: str) -> list[gr.Timer]:
        return [gr.Timer(active=name == other) for other in timers]

    wanted = gr.Textbox(visible=False)  # carries what the browser knows: the kept preset, the tab
    kept = Kept([part for part in parts.values() if "form" in part])
    page.load(
        lambda kept_preset: newest_preset(services, kept_preset), [wanted], [top.preset],
        js="() => [playground.preset()]", **QUIET,
    ).then(**top.refresh, **QUIET).then(**kept.restore(top.preset), api_visibility="private")  # fmt: skip
    page.load(top.who, None, [top.account], **QUIET)
    page.load(in_front, [wanted], list(timers.values()), js="() => [playground.tab()]", **QUIET)
    page.load(**parts[TABS[0]]["refresh"], **QUIET)
    for name, tab in tabs.items():
        tab.select(lambda name=name: in_front(name), None, list(timers.values()), **QUIET)
        tab.select(**parts[name]["refresh"], **QUIET)
    top.preset.input(
        None, [top.preset], None, js="(preset) => playground.keepPreset(preset)", api_visibility="private"
    )
    top.preset.change(kept.defaults, [top.preset], kept.components, **QUIET).then(
        **kept.restore(top.preset), api_visibility="private"
    ).then(**top.refresh, **QUIET)


class Kept:
    """The forms of all tabs: their values for a preset, and what the browser has kept of them."""

    def __init__(self, parts: Sequence[dict[str, Any]]):
        self.parts = [(part["form"], part.get("extra", [])) for part in parts]
        self.components = [c for form, _ in self.parts for c in form.components]

    def defaults(self, preset: str) -> list[Any]:
        """The preset's value of each component."""
        return [v for form, _ in self.parts for v in forms.defaults(form.stage, preset, form.names())]

    def restore(self, preset: gr.Radio) -> dict[str, Any]:
        """The event that puts what the browser has kept for the preset into the forms."""
        components = [c for form, extra in self.parts for c in (*extra, *form.components)]
        layout = ", ".join(f"[{form.stage!r}, {forms.kept_names(form, extra)}]" for form, extra in self.parts)
        script = f"(preset, ...values) => playground.restore([{layout}], preset, values)"
        return {"fn": None, "inputs": [preset, *components], "outputs": components, "js": script}


def hide_from_raters(page: gr.Blocks, services: Services) -> None:
    """Show raters the arena alone. This is presentation; the server checks the role in every handler."""
    role = gr.Textbox(visible=False)

    def role_of(request: gr.Request) -> str:
        return "admin" if services.access.may(request, "admin") else "rater"

    page.load(role_of, None, [role], **QUIET).then(
        None, [role], None, js="(role) => playground.role(role)", api_visibility="private"
    )


def newest_preset(services: Services, kept: str | None) -> str:
    """The preset that the browser has kept, else that of the newest run."""
    if kept in PRESETS:
        return kept
    records = services.runs.list()
    return next((r.preset for r in records if r.preset in PRESETS), "tiny")
