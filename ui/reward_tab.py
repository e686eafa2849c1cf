"""The reward model tab: the part that all training tabs share (`ui.training`), and below it the calibration
of the finished reward models (`ui.calibration`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ui import calibration, training
from ui.parts import Services
from ui.texts import Texts


def build(
    services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab and bind its handlers."""
    tab = training.build("reward", services, t, preset, opened)
    own, section = tab["refresh"], calibration.build(services, t, preset, tab["timer"])

    def refresh(wanted: str, preset_value: str, request: gr.Request) -> list[Any]:
        return [*own["fn"](wanted, request), *section["fn"](preset_value)]

    both = own | {
        "fn": refresh,
        "inputs": [*own["inputs"], preset],
        "outputs": [*own["outputs"], *section["outputs"]],
        "js": "(wanted, preset) => [playground.run('reward'), preset]",
    }
    return {**tab, "refresh": both}
