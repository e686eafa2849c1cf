"""The SFT tab; what it shares with the other training tabs is in `ui.training`."""

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
    """Draw the tab and bind its handlers."""
    return training.build("sft", services, t, preset, opened)
