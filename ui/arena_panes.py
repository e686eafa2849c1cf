"""The panes of the arena and what belongs to a round: how they are drawn, and how a `View` looks in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from data.modes import RATINGS, SKIPS, TAGS, answers_shown
from data.ranking import LETTERS
from ui import answers, parts
from ui.arena_views import Message, PageRound, View
from ui.texts import Texts
from ui.theme import COLOURS


@dataclass(frozen=True)
class Panes:
    """The components of a round; `state` stays on the server."""

    state: gr.State
    note: gr.HTML
    columns: list[gr.Column]
    heads: list[gr.HTML]
    chats: list[gr.Chatbot]
    how: gr.HTML
    order: gr.Textbox
    tie: gr.Button
    alike: gr.Button
    bad: gr.Button
    undo: gr.Button
    rating: gr.Radio
    tags: gr.CheckboxGroup
    vote: gr.Button
    comment: gr.Textbox
    stop: gr.Button
    regenerate: gr.Button
    skip: gr.Dropdown
    follow: gr.Button
    reveal: gr.HTML
    next: gr.Button
    go_on: gr.Button
    retract: gr.Button
    rewards: gr.Button
    scores: gr.HTML
    texts: Texts

    def outputs(self) -> list[gr.components.Component]:
        """The components, in the order of `updates`."""
        found = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "texts":
                found += value if isinstance(value, list) else [value]
        return found

    def updates(self, view: View) -> tuple[Any, ...]:
        """Updates for `outputs` that show this view."""
        phase, mode = view.phase, view.mode
        open_, ended = phase == "answered", phase in ("voted", "skipped")
        letters = view.histories or LETTERS[: answers_shown(mode, len(LETTERS))]
        markdown = bool(view.state and view.state.markdown) and phase != "asking"
        ranks, pairs, rates = mode == "rank", mode == "pair", mode == "rate"
        cleared = {} if open_ else {"value": ""}
        return (
            view.state,
            view.note,
            *(gr.Column(visible=letter in letters) for letter in LETTERS),
            *(self.head(letter, view.policies.get(letter, "")) for letter in LETTERS),
            *(inert(view.histories.get(letter, []), markdown) for letter in LETTERS),
            how_html(mode, self.texts),
            gr.Textbox(value=view.order, interactive=open_, visible=not rates),
            gr.Button(visible=ranks),
            gr.Button(visible=ranks or pairs),
            gr.Button(visible=ranks or pairs),
            gr.Button(visible=ranks or pairs),
            gr.Radio(value=None, interactive=open_, visible=rates),
            gr.CheckboxGroup(value=[], interactive=open_, visible=rates),
            gr.Button(interactive=open_),
            gr.Textbox(interactive=open_, **cleared),
            gr.Button(visible=phase == "asking"),
            gr.Button(visible=open_ and bool(view.state and view.state.first)),
            gr.Dropdown(value=None, visible=open_),
            gr.Button(visible=open_),
            view.reveal,
            gr.Button(visible=ended),
            gr.Button(visible=phase == "voted" and bool(view.state and view.state.best)),
            gr.Button(visible=phase == "voted"),
            gr.Button(visible=phase == "voted" and bool(view.state and view.state.rewards)),
            "",
        )

    def unchanged(self) -> tuple[Any, ...]:
        """Updates for `outputs` that leave everything as it is."""
        return (gr.skip(),) * len(self.outputs())

    def head(self, letter: str, policy: str = "") -> str:
        """The head of a pane: its letter, a button that copies the answer and, after the vote, the policy."""
        return pane_head(letter, self.texts, policy)


def build(t: Texts) -> Panes:
    """Draw the panes, the bar with the vote, and the place where the reveal appears."""
    found: dict[str, Any] = {"texts": t, "state": gr.State(None)}
    found["note"] = gr.HTML(padding=False, elem_id="arena-note")
    found |= {"columns": [], "heads": [], "chats": []}
    with gr.Column(elem_classes="panes"):
        for letter in LETTERS:
            with gr.Column(elem_id=f"pane-{letter}", elem_classes="arena-pane") as column:
                found["columns"].append(column)
                found["heads"].append(gr.HTML(pane_head(letter, t), padding=False))
                found["chats"].append(chat(t("arena.empty")))
    found["how"] = gr.HTML(how_html("rank", t), padding=False)
    found |= _vote_bar(t)
    found["comment"] = gr.Textbox(
        label=t("arena.comment"), max_lines=2, max_length=1000, interactive=False, elem_id="comment-box"
    )
    with gr.Row(elem_classes="round-tools"):
        small: dict[str, Any] = {"size": "sm", "visible": False, "scale": 0}
        found["stop"] = gr.Button(t("arena.stop"), elem_id="stop-button", **small)
        found["regenerate"] = gr.Button(t("arena.regenerate"), elem_id="regenerate-button", **small)
        found["follow"] = gr.Button(t("arena.follow"), elem_id="follow-button", **small)
        found["skip"] = gr.Dropdown(
            choices=[(t(f"skip.{reason}"), reason) for reason in SKIPS],
            value=None,
            label=t("arena.skip"),
            visible=False,
            elem_id="skip-box",
            scale=0,
            min_width=210,
        )
    found["reveal"] = gr.HTML(padding=False, elem_id="reveal")
    with gr.Row(elem_classes="after-vote"):
        found["next"] = gr.Button(t("arena.next"), variant="primary", elem_id="next-button", **small)
        found["go_on"] = gr.Button(t("arena.go_on"), elem_id="go-on-button", **small)
        found["retract"] = gr.Button(t("arena.retract"), elem_id="retract-button", **small)
        found["rewards"] = gr.Button(t("rewards.show"), elem_id="rewards-button", **small)
    found["scores"] = gr.HTML(padding=False, elem_id="reward-scores")
    return Panes(**found)


def _vote_bar(t: Texts) -> dict[str, Any]:
    """The order with its buttons, or the rating with its reasons, and the button that votes."""
    found: dict[str, Any] = {}
    with gr.Row(elem_classes="vote-bar"):
        found["order"] = gr.Textbox(
            label=t("arena.order"),
            placeholder="B>A=D>C",
            max_lines=1,
            interactive=False,
            elem_id="order-box",
            scale=2,
            min_width=150,
            max_length=20,
        )
        for name in ("tie", "alike", "bad", "undo"):
            found[name] = gr.Button(t(f"arena.{name}"), size="sm", elem_id=f"vote-do-{name}", scale=0)
        found["rating"] = gr.Radio(
            choices=[(str(rating), rating) for rating in RATINGS],
            label=t("arena.rating"),
            visible=False,
            interactive=False,
            elem_id="rating-box",
            scale=1,
            min_width=260,
        )
        found["tags"] = gr.CheckboxGroup(
            choices=[(t(f"tag.{tag}"), tag) for tag in TAGS],
            label=t("arena.tags"),
            visible=False,
            interactive=False,
            elem_id="tags-box",
            scale=2,
            min_width=260,
        )
        found["vote"] = gr.Button(
            t("arena.vote"),
            variant="primary",
            interactive=False,
            elem_id="vote-button",
            scale=0,
            min_width=130,
        )
    return found


def chat(placeholder: str) -> gr.Chatbot:
    """One pane's messages. Gradio renders nothing in them: `ui.answers` decides what is shown and how."""
    return gr.Chatbot(
        height=None,
        min_height=150,
        max_height=380,
        show_label=False,
        container=False,
        layout="bubble",
        render_markdown=False,
        sanitize_html=True,
        allow_tags=False,
        buttons=[],
        feedback_options=None,
        placeholder=placeholder,
        allow_file_downloads=False,
        elem_classes="pane-chat",
        latex_delimiters=[],
        group_consecutive_messages=False,
    )


def pane_head(letter: str, t: Texts, policy: str = "") -> str:
    """The head of a pane; `Panes.head` says what is in it."""
    name = ""
    if policy:
        colour = COLOURS.get(policy, "#8792a8")
        name = f'<span class="pane-policy">{parts.policy_mark(policy, colour)}</span>'
    words = f'aria-label="{escape(t("arena.copy"))} {letter}" data-done="{escape(t("arena.copied"))}"'
    copy = f'<button type="button" class="pane-copy" {words}>{escape(t("arena.copy"))}</button>'
    return f'<div class="pane-head"><span class="pane-letter">{letter}</span>{name}{copy}</div>'


def how_html(mode: str, t: Texts) -> str:
    """How to vote in a mode, with the keys."""
    keys = {
        "rank": [("A B C D", "keys.pick"), ("=", "keys.tie"), ("E", "keys.alike"), ("X", "keys.bad")],
        "pair": [("A B", "keys.pick"), ("E", "keys.alike"), ("X", "keys.bad")],
        "rate": [("1 – 5", "keys.rate")],
    }[mode]
    keys += [("⌫", "keys.undo")] if mode != "rate" else []
    keys += [("Enter", "keys.vote"), ("N", "keys.next")]
    how = t("arena.how") if mode == "rank" else t(f"mode.how.{mode}")
    listed = " ".join(f"<kbd>{k}</kbd> {escape(t(text))} &nbsp;" for k, text in keys)
    return f'<div class="keys">{escape(how)}</div><div class="keys keyboard">{listed}</div>'


def inert(messages: Sequence[Mapping[str, str]], markdown: bool = False) -> list[Message]:
    """Messages for a chat pane, as HTML that shows the text: `<b>` stays `<b>`. Markdown in answers only."""
    return [
        {
            "role": message["role"],
            "content": answers.formatted(message["content"])
            if markdown and message["role"] == "assistant"
            else answers.plain(message["content"]),
        }
        for message in messages
    ]


__all__ = ["PageRound", "Panes", "View", "build", "inert"]
