"""The PPO tab: the part that all training tabs share (`ui.training`), and below it how far the reward model
can be trusted in the shown run (`ui.overoptimisation`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ui import overoptimisation, training
from ui.parts import Services
from ui.texts import Texts


def build(
    services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab and bind its handlers."""
    tab = training.build("ppo", services, t, preset, opened)
    own, section = tab["refresh"], overoptimisation.build(services, t, tab["choice"], tab["timer"])

    def refresh(wanted: str, request: gr.Request) -> list[Any]:
        return [*own["fn"](wanted, request), *section["fn"](wanted)]

    both = own | {"fn": refresh, "outputs": [*own["outputs"], *section["outputs"]]}
    return {**tab, "refresh": both}
