"""The look of the page: colours, system fonts (the page fetches none), the style sheet and the scripts.

The charts (`ui.plots`) use the same palette, so that a policy has one colour everywhere on the page.
"""

from pathlib import Path

import gradio as gr

COLOURS = {
    "sft": "#7c8aa5",
    "ppo-bf16": "#5b6ee1",
    "ppo-int8": "#159a8c",
    "ppo-int4": "#d9822b",
    "bf16": "#5b6ee1",
    "int8": "#159a8c",
    "int4": "#d9822b",
    "gold": "#c9a227",
    "good": "#2e9e5b",
    "bad": "#d64545",
}
SYSTEM_FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "Noto Sans CJK SC",
    "PingFang SC",
    "Microsoft YaHei",
    "sans-serif",
)
MONO_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """A calm theme in indigo and slate with system fonts only."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=SYSTEM_FONTS,
        font_mono=MONO_FONTS,
    ).set(
        body_background_fill="#f6f7fb",
        body_background_fill_dark="#0f1320",
        block_background_fill="#ffffff",
        block_background_fill_dark="#171c2b",
        block_border_color="#e4e7f0",
        block_border_color_dark="#283048",
        block_border_width="1px",
        block_radius="10px",
        container_radius="10px",
        input_radius="8px",
        checkbox_label_padding="6px 10px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="#4a5568",
        block_label_text_color_dark="#a9b4cc",
        block_title_text_weight="600",
        block_info_text_size="*text_sm",
        body_text_color_subdued="#5b677d",
        body_text_color_subdued_dark="#9aa6c0",
        input_background_fill="#ffffff",
        input_background_fill_dark="#121726",
        input_placeholder_color="#667085",
        input_placeholder_color_dark="#9aa6c0",
        input_border_width="1px",
        input_border_color="#d5dae8",
        input_border_color_dark="#2f3853",
        button_primary_background_fill="#4f5bd5",
        button_primary_background_fill_hover="#434ebf",
        button_primary_background_fill_dark="#5b68e0",
        button_primary_background_fill_hover_dark="#4f5bd5",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#eef0f7",
        button_secondary_background_fill_hover="#e3e7f3",
        button_secondary_background_fill_dark="#222a40",
        button_secondary_background_fill_hover_dark="#2b3450",
        button_large_padding="8px 16px",
    )


def asset(name: str) -> str:
    """The content of a text file next to this module."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def css() -> str:
    """The style sheets of the page; the one for phones comes last, because it overrides the other."""
    return asset("page.css") + asset("phone.css")


def head() -> str:
    """The scripts of the page and of the arena's keys, and the styles of the document itself, as tags.

    Gradio puts the selector of its container before every selector of `css`, so rules about the body or about
    that container have no effect there.
    """
    scripts = "".join(f"<script>{asset(name)}</script>" for name in ("page.js", "arena.js"))
    return f"<style>{asset('document.css')}</style>{scripts}"


def favicon() -> str:
    """The path of the page's icon."""
    return str(Path(__file__).parent / "favicon.svg")
