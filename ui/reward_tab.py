"""The reward model tab: what all training tabs share (`ui.training`), and below it how well the finished
reward models know what they know (`ui.calibration`)."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import calibration, training
from ui.parts import Services
from ui.texts import Texts


def build(services: Services, t: Texts, preset: gr.Radio) -> dict[str, Any]:
    """Draw the tab and bind its handlers."""
    tab = training.build("reward", services, t, preset)
    own, section = tab["refresh"], calibration.build(services, t, preset, tab["timer"])

    def refresh(preset_value: str, *values: Any) -> list[Any]:
        return [*own["fn"](preset_value, *values), *section["fn"](preset_value)]

    both = {"fn": refresh, "inputs": own["inputs"], "outputs": [*own["outputs"], *section["outputs"]]}
    return {**tab, "refresh": both}
