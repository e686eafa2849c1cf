"""The four panes of the arena and what belongs to a round: how they are drawn, and how a round looks in them.

A `View` says what the page shows of a round; `Panes.updates` turns it into updates for the components.
Nothing in a view names a policy before the vote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import gradio as gr

from data.ranking import LETTERS
from ui import parts
from ui.texts import Texts
from ui.theme import COLOURS

Message = dict[str, str]
Phase = Literal["empty", "asking", "answered", "voted"]


@dataclass(frozen=True)
class PageRound:
    """What the server keeps of the round that a page shows.

    histories: the messages of each pane; empty once the vote is cast. vote: the id under which this page
    casts its vote, so that a second click is the same vote. cast: the vote that can be taken back.
    """

    round: str
    conversation: str
    models: str
    vote: str
    histories: Mapping[str, list[Message]] = field(default_factory=dict)
    cast: str | None = None


@dataclass(frozen=True)
class View:
    """What the page shows of a round. policies: of each letter, after the vote. note: above the panes."""

    phase: Phase
    state: PageRound | None
    histories: Mapping[str, Sequence[Message]]
    policies: Mapping[str, str] = field(default_factory=dict)
    order: str = ""
    note: str = ""
    reveal: str = ""


@dataclass(frozen=True)
class Panes:
    """The components of a round; `state` stays on the server."""

    state: gr.State
    note: gr.HTML
    columns: list[gr.Column]
    heads: list[gr.HTML]
    chats: list[gr.Chatbot]
    order: gr.Textbox
    comment: gr.Textbox
    vote: gr.Button
    follow: gr.Button
    stop: gr.Button
    reveal: gr.HTML
    retract: gr.Button
    next: gr.Button

    def outputs(self) -> list[gr.components.Component]:
        """The components, in the order of `updates`."""
        return [
            self.state, self.note, *self.columns, *self.heads, *self.chats, self.order, self.comment,
            self.vote, self.follow, self.stop, self.reveal, self.retract, self.next,
        ]  # fmt: skip

    @staticmethod
    def updates(view: View) -> tuple[Any, ...]:
        """Updates for `outputs` that show this view."""
        answered, voted = view.phase == "answered", view.phase == "voted"
        letters = view.histories or LETTERS
        return (
            view.state,
            view.note,
            *(gr.Column(visible=letter in letters) for letter in LETTERS),
            *(pane_head(letter, view.policies.get(letter, "")) for letter in LETTERS),
            *(inert(view.histories.get(letter, [])) for letter in LETTERS),
            gr.Textbox(value=view.order, interactive=answered),
            gr.Textbox(interactive=answered) if answered else gr.Textbox(value="", interactive=False),
            gr.Button(interactive=answered),
            gr.Button(interactive=answered),
            gr.Button(visible=view.phase == "asking"),
            view.reveal,
            gr.Button(visible=voted),
            gr.Button(visible=voted),
        )

    def unchanged(self) -> tuple[Any, ...]:
        """Updates for `outputs` that leave everything as it is."""
        return (gr.skip(),) * len(self.outputs())


def build(t: Texts) -> Panes:
    """Draw the panes, the bar with the order and its buttons, and the place where the reveal appears."""
    note = gr.HTML(padding=False, elem_id="arena-note")
    columns, heads, chats = [], [], []
    with gr.Column(elem_classes="panes"):
        for letter in LETTERS:
            with gr.Column(elem_id=f"pane-{letter}", elem_classes="arena-pane") as column:
                columns.append(column)
                heads.append(gr.HTML(pane_head(letter), padding=False))
                chats.append(chat(t))
    stop = gr.Button(t("arena.stop"), size="sm", visible=False, elem_id="stop-button", scale=0)
    gr.HTML(keys_html(t), padding=False)
    with gr.Row(elem_classes="vote-bar"):
        order = gr.Textbox(
            label=t("arena.order"),
            placeholder="B>A=D>C",
            max_lines=1,
            interactive=False,
            elem_id="order-box",
            scale=2,
            min_width=150,
            max_length=20,
        )
        for name in ("tie", "bad", "undo"):
            gr.Button(t(f"arena.{name}"), size="sm", elem_id=f"vote-do-{name}", scale=0)
        vote = gr.Button(
            t("arena.vote"),
            variant="primary",
            interactive=False,
            elem_id="vote-button",
            scale=0,
            min_width=130,
        )
    comment = gr.Textbox(
        label=t("arena.comment"),
        max_lines=2,
        max_length=1000,
        interactive=False,
        elem_id="comment-box",
    )
    reveal = gr.HTML(padding=False, elem_id="reveal")
    with gr.Row(elem_classes="after-vote"):
        following = gr.Button(
            t("arena.next"), size="sm", variant="primary", visible=False, elem_id="next-button", scale=0
        )
        retract = gr.Button(t("arena.retract"), size="sm", visible=False, elem_id="retract-button", scale=0)
    follow = gr.Button(t("arena.follow"), size="sm", interactive=False, elem_id="follow-button", scale=0)
    state = gr.State(None)
    return Panes(
        state, note, columns, heads, chats, order, comment, vote, follow, stop, reveal, retract, following
    )


def chat(t: Texts) -> gr.Chatbot:
    """One pane's messages. Nothing in them is rendered: a model's text is shown as it is."""
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
        placeholder=t("arena.empty"),
        allow_file_downloads=False,
        elem_classes="pane-chat",
        latex_delimiters=[],
        group_consecutive_messages=False,
    )


def pane_head(letter: str, policy: str = "") -> str:
    """The head of a pane: its letter and, after the vote, its policy in the policy's colour."""
    name = ""
    if policy:
        colour = COLOURS.get(policy, "#8792a8")
        name = f'<span class="pane-policy">{parts.policy_mark(policy, colour)}</span>'
    return f'<div class="pane-head"><span class="pane-letter">{letter}</span>{name}</div>'


def keys_html(t: Texts) -> str:
    """How to vote, with the keys."""
    keys = [
        ("A B C D", "keys.pick"),
        ("=", "keys.tie"),
        ("X", "keys.bad"),
        ("⌫", "keys.undo"),
        ("Enter", "keys.vote"),
        ("N", "keys.next"),
    ]
    listed = " ".join(f"<kbd>{k}</kbd> {escape(t(text))} &nbsp;" for k, text in keys)
    return f'<div class="keys">{escape(t("arena.how"))}</div><div class="keys keyboard">{listed}</div>'


def inert(messages: Sequence[Mapping[str, str]]) -> list[Message]:
    """Messages for a chat pane, escaped, because it inserts HTML even without Markdown: `<b>` stays `<b>`."""
    return [{"role": m["role"], "content": escape(m["content"], quote=False)} for m in messages]
