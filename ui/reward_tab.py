"""The reward model tab: the part that all training tabs share (`ui.training`), and below it the calibration
(`ui.calibration`) and the report cards (`ui.report_card`) of the finished reward models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ui import calibration, report_card, training
from ui.parts import Services
from ui.texts import Texts


def build(
    services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab and bind its handlers."""
    tab = training.build("reward", services, t, preset, opened)
    own = tab["refresh"]
    sections = [part.build(services, t, preset, tab["timer"]) for part in (calibration, report_card)]

    def refresh(wanted: str, preset_value: str, request: gr.Request) -> list[Any]:
        shown = own["fn"](wanted, request)
        return [*shown, *(value for one in sections for value in one["fn"](preset_value))]

    both = own | {
        "fn": refresh,
        "inputs": [*own["inputs"], preset],
        "outputs": [*own["outputs"], *(part for one in sections for part in one["outputs"])],
        "js": "(wanted, preset) => [playground.run('reward'), preset]",
    }
    return {**tab, "refresh": both}
