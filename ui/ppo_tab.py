"""The PPO tab; `ui.training` has the part that all training tabs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ui import training
from ui.parts import Services
from ui.texts import Texts


def build(
    services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab and bind its handlers."""
    return training.build("ppo", services, t, preset, opened)
