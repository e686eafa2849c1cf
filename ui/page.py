"""The page in one language: the header and the tabs.

Only the selected tab polls. The page reads its state from disk, so a reload shows a running job again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from pipeline.settings.fields import PRESETS
from ui import api, arena_tab, data_tab, evaluation_tab, header, ppo_tab, reward_tab, runs_tab, sft_tab
from ui import form as forms
from ui.events import QUIET
from ui.parts import Services
from ui.payloads import CheckedBlocks
from ui.texts import Texts

TABS = ("data", "sft", "reward", "ppo", "arena", "evaluation", "runs")


def build(services: Services, language: str) -> gr.Blocks:
    """The complete page in one language; starts nothing."""
    t = Texts(language)
    with CheckedBlocks(title="EdgeRLHF Playground", analytics_enabled=False, fill_width=True) as page:
        page.access = services.access
        top = header.build(services, t, language)
        tabs, parts = {}, {}
        with gr.Tabs(elem_id="tabs"):
            for name in TABS:
                with gr.Tab(t("tab." + name), id=name, elem_id=f"tab-{name}") as tab:
                    opened = [tab.select, *([page.load] if name == TABS[0] else [])]
                    parts[name] = draw(name, services, t, language, top.preset, opened)
                tabs[name] = tab
        api.build(services)
        bind(page, services, top, tabs, parts)
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
    if name == "arena":
        return {"refresh": arena_tab.build(services, t, language)}
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

    page.load(lambda: newest_preset(services), None, [top.preset], **QUIET).then(**top.refresh, **QUIET)
    page.load(top.who, None, [top.account], **QUIET)
    page.load(lambda: in_front(TABS[0]), None, list(timers.values()), **QUIET)
    page.load(**parts[TABS[0]]["refresh"], **QUIET)
    for name, tab in tabs.items():
        tab.select(lambda name=name: in_front(name), None, list(timers.values()), **QUIET)
        tab.select(**parts[name]["refresh"], **QUIET)
    filled = [part["form"] for part in parts.values() if "form" in part]

    def follow(preset: str) -> list[Any]:
        return [value for form in filled for value in forms.defaults(form.stage, preset, form.names())]

    top.preset.change(follow, [top.preset], [c for form in filled for c in form.components], **QUIET).then(
        **top.refresh, **QUIET
    )


def newest_preset(services: Services) -> str:
    """The preset of the newest run."""
    records = services.runs.list()
    return next((r.preset for r in records if r.preset in PRESETS), "tiny")
