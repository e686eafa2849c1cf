"""The drawing that explains RLHF, as inline SVG in the colours of the page."""

from __future__ import annotations

from html import escape

from ui.texts import Texts

WIDTH, HEIGHT = 560, 250


def rlhf(t: Texts) -> str:
    """The loop of prompt, answer, score and update, with people above the reward model."""
    boxes = [
        box(10, 105, 90, t("draw.prompt"), "plain"),
        box(145, 95, 125, t("draw.model"), "policy-box"),
        box(320, 105, 80, t("draw.answer"), "plain"),
        box(434, 95, 122, t("draw.reward"), "reward-box"),
        box(366, 12, 190, t("draw.people"), "plain"),
    ]
    arrows = [
        arrow("M100 125 H141"),
        arrow("M270 125 H316"),
        arrow("M400 125 H430"),
        arrow("M495 52 V91"),
        arrow("M495 155 V205 H207 V159"),
        '<path class="leash" d="M207 95 V62"/><circle class="leash-end" cx="207" cy="58" r="4"/>',
    ]
    words = [
        label(207, 44, t("draw.kl"), "middle"),
        label(503, 183, t("draw.score"), "start"),
        label(351, 228, t("draw.update"), "middle"),
    ]
    return (
        f'<svg class="drawing" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(t("home.drawing"), quote=True)}">'
        '<defs><marker id="tip-of-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        f"{''.join(arrows)}{''.join(boxes)}{''.join(words)}</svg>"
    )


def box(x: int, y: int, width: int, text: str, look: str) -> str:
    """A box 40 high (60 for a model) with its text in the middle."""
    height = 40 if look == "plain" else 60
    return (
        f'<rect class="box {look}" x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>'
        f'<text class="in {look}" x="{x + width / 2:g}" y="{y + height / 2 + 4.5:g}" text-anchor="middle">'
        f"{escape(text)}</text>"
    )


def arrow(path: str) -> str:
    return f'<path class="arrow-line" d="{path}" marker-end="url(#tip-of-arrow)"/>'


def label(x: int, y: int, text: str, anchor: str) -> str:
    return f'<text class="note" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
