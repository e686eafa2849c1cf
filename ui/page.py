"""The page: the bar on top and the tabs, put together for one language.

Only the tab in front polls. Everything that is shown comes from disk, so a reload finds what is running.
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
    """The whole page in one language; nothing is started."""
    t = Texts(language)
    with CheckedBlocks(title="EdgeRLHF Playground", analytics_enabled=False, fill_width=True) as page:
        page.access = services.access
        top = header.build(services, t, language)
        tabs, parts = {}, {}
        with gr.Tabs(elem_id="tabs") as bar:
            for name in TABS:
                with gr.Tab(t("tab." + name), id=name, elem_id=f"tab-{name}") as tab:
                    opened = [tab.select, *([page.load] if name == TABS[0] else [])]
                    parts[name] = draw(name, services, t, language, top.preset, opened)
                tabs[name] = tab
        api.build(services)
        bind(page, services, top, tabs, parts)
        hide_from_raters(page, services, bar, tabs, top.trainers)
    return page


def draw(
    name: str,
    services: Services,
    t: Texts,
    language: str,
    preset: gr.Radio,
    opened: Sequence[Callable[..., Any]],
) -> dict[str, Any]:
    """Draw one tab; what it gives back has "refresh" and, where it has them, "timer" and "form".

    opened: the events at which the tab comes to the front.
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
    """Fill the page on load, refresh a tab when it comes to the front, and follow the preset."""
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


def hide_from_raters(
    page: gr.Blocks, services: Services, bar: gr.Tabs, tabs: dict[str, gr.Tab], buttons: list[gr.Button]
) -> None:
    """Show who may only rate the arena alone: no tab or button that would refuse them."""
    outputs = [bar, *tabs.values(), *buttons]

    def shown_to(request: gr.Request) -> list[Any]:
        if services.access.may(request, "admin"):
            return [gr.skip()] * len(outputs)
        seen = [gr.Tab(visible=name == "arena") for name in tabs]
        return [gr.Tabs(selected="arena"), *seen, *(gr.Button(visible=False) for _ in buttons)]

    page.load(shown_to, None, outputs, **QUIET)


def newest_preset(services: Services) -> str:
    """The preset that was worked with last."""
    records = services.runs.list()
    return next((r.preset for r in records if r.preset in PRESETS), "tiny")
