"""The upper part of the arena's tab: who answers, how to judge, the prompt, and prompts to click."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from data.everyday import PROMPTS
from data.modes import MODES
from pipeline.arena.rounds import PROMPT_CHARACTERS
from ui.arena_who import EXAMPLES
from ui.texts import Texts

SOURCES = ("held_out", "queue", "own")  # where the next prompt comes from


@dataclass(frozen=True)
class Asking:
    """The components with which a rater asks."""

    source: gr.HTML
    models: gr.Dropdown
    mode: gr.Radio
    wanted: gr.Radio
    prompt: gr.Textbox
    ask: gr.Button
    examples: list[gr.Button]

    def about(self) -> list[gr.components.Component]:
        """What `arena_who.about` updates."""
        return [self.source, self.models, *self.examples]


def draw(t: Texts) -> Asking:
    """Draw the components."""
    with gr.Row(elem_classes="who-row"):
        source = gr.HTML(padding=False, elem_id="arena-source")
        models = gr.Dropdown(
            choices=[], label=t("arena.models"), visible=False, elem_id="models", scale=0, min_width=400
        )
    with gr.Row(elem_classes="mode-row"):
        mode = gr.Radio(
            choices=[(t(f"mode.{name}"), name) for name in MODES],
            value=MODES[0],
            label=t("mode.label"),
            elem_id="mode",
            min_width=260,
        )
        wanted = gr.Radio(
            choices=[(t(f"source.{name}"), name) for name in SOURCES],
            value=SOURCES[0],
            label=t("source.label"),
            elem_id="next-from",
            min_width=260,
        )
    with gr.Row(equal_height=True, elem_classes="ask-row"):
        prompt = gr.Textbox(
            show_label=False,
            container=False,
            label=t("arena.prompt"),
            placeholder=t("arena.placeholder"),
            max_lines=5,
            scale=6,
            max_length=PROMPT_CHARACTERS,
            elem_id="prompt-box",
            min_width=220,
        )
        ask = gr.Button(t("arena.ask"), variant="primary", elem_id="ask-button", scale=0, min_width=140)
    with gr.Row(elem_classes="examples"):
        examples = [gr.Button(text, size="sm") for text in PROMPTS[:EXAMPLES]]
    return Asking(source, models, mode, wanted, prompt, ask, examples)
