"""The arena: one prompt, four answers side by side and blind, a vote, then the reveal; and the leaderboard.

Which policy is behind a letter stays on the server until the vote. The vote is the text in one box
("B>A=D>C"), edited by clicks and keys in the browser (`arena.js`); answers that it leaves out share the
last place.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from data import world
from data.errors import Code, UserError
from pipeline.arena.rounds import PROMPT_CHARACTERS, checked_text
from ui import arena_tables, parts
from ui.events import QUIET, WORK, rater_of, shown, warn
from ui.parts import Services
from ui.texts import Texts
from ui.theme import COLOURS

LETTERS = "ABCD"


@dataclass
class Panes:
    """The four panes and what belongs to a round."""

    columns: list[gr.Column]
    heads: list[gr.HTML]
    chats: list[gr.Chatbot]
    state: gr.State  # {"round", "conversation", "histories": {letter: messages}, "vote", "cast"}; no policies
    order: gr.Textbox
    vote: gr.Button
    follow: gr.Button
    reveal: gr.HTML
    retract: gr.Button
    comment: gr.Textbox

    def outputs(self) -> list[gr.components.Component]:
        return [
            self.state,
            *self.columns,
            *self.heads,
            *self.chats,
            self.order,
            self.vote,
            self.follow,
            self.reveal,
            self.retract,
        ]


def build(services: Services, t: Texts, language: str) -> dict[str, Any]:
    """Draw the tab and bind its handlers. Returns the handler that fills the leaderboard."""
    gr.HTML(parts.intro(t("intro.arena")), padding=False)
    with gr.Row(elem_classes="ask-row"):
        with gr.Column(scale=8, min_width=320):
            with gr.Row(equal_height=True):
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
                ask = gr.Button(
                    t("arena.ask"), variant="primary", elem_id="ask-button", scale=0, min_width=140
                )
            with gr.Row(elem_classes="examples"):
                examples = [gr.Button(text, size="sm") for text in world.example_prompts()[:6]]
        with gr.Column(scale=4, min_width=300):
            gr.HTML(can_html(t), padding=False)
            follow = gr.Button(t("arena.follow"), size="sm", interactive=False, elem_id="follow-button")
    panes = build_panes(follow, t)
    with gr.Accordion(t("arena.leaderboard"), open=True):
        board = gr.HTML(padding=False, elem_id="leaderboard")
        with gr.Row():
            export = gr.Button(t("arena.export"), size="sm", scale=0, min_width=220)
            table = gr.Button(t("arena.csv"), size="sm", scale=0, min_width=180)
        exported = gr.File(label=t("arena.file"), visible=False, interactive=False)

    def on_ask(text: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        yield from answers(services, text, rater_of(request), None, language, t)

    def on_follow(text: str, state: dict | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        yield from answers(services, text, rater_of(request), state, language, t)

    def on_vote(state: dict | None, order: str, comment: str, request: gr.Request) -> tuple[Any, ...]:
        return cast(services, state, order, comment, rater_of(request), t)

    def on_retract(state: dict | None, request: gr.Request) -> tuple[Any, ...]:
        return take_back(services, state, rater_of(request), t)

    stream = {
        "concurrency_id": "inference",
        "concurrency_limit": 1,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    for trigger in (ask.click, prompt.submit):
        trigger(on_ask, [prompt], panes.outputs(), **stream)
    follow.click(on_follow, [prompt, panes.state], panes.outputs(), **stream)
    for button in examples:
        button.click(lambda text: text, [button], [prompt], **QUIET).then(
            on_ask, [prompt], panes.outputs(), **stream
        )
    board_handler = {
        "fn": lambda: arena_tables.leaderboard_html(services, t),
        "inputs": None,
        "outputs": [board],
    }
    panes.vote.click(
        shown(on_vote, t), [panes.state, panes.order, panes.comment], panes.outputs(), **WORK
    ).then(**board_handler, **QUIET)
    panes.retract.click(
        shown(on_retract, t), [panes.state], [panes.state, panes.reveal, panes.retract], **WORK
    ).then(**board_handler, **QUIET)
    export.click(shown(lambda: export_pairs(services, t), t), None, None, **WORK)
    table.click(shown(lambda: export_csv(services), t), None, [exported], **WORK)
    return board_handler


def build_panes(follow: gr.Button, t: Texts) -> Panes:
    """Four panes, the order box with its buttons, and the place where the reveal appears."""
    columns, heads, chats = [], [], []
    with gr.Column(elem_classes="panes"):
        for letter in LETTERS:
            with gr.Column(elem_id=f"pane-{letter}", elem_classes="arena-pane") as column:
                columns.append(column)
                heads.append(gr.HTML(pane_head(letter), padding=False))
                chats.append(
                    gr.Chatbot(
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
                )
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
        comment = gr.Textbox(label=t("arena.comment"), max_lines=2, scale=3, min_width=180, max_length=1000)
        vote = gr.Button(
            t("arena.vote"),
            variant="primary",
            interactive=False,
            elem_id="vote-button",
            scale=0,
            min_width=130,
        )
    reveal = gr.HTML(padding=False, elem_id="reveal")
    retract = gr.Button(t("arena.retract"), size="sm", visible=False, elem_id="retract-button", scale=0)
    return Panes(columns, heads, chats, gr.State(None), order, vote, follow, reveal, retract, comment)


def can_html(t: Texts) -> str:
    """What the small model can do, said beside the box."""
    return f'<div class="can"><b>{escape(t("arena.can_title"))}</b>{escape(t("arena.can"))}</div>'


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
    ]
    listed = " ".join(f"<kbd>{k}</kbd> {escape(t(text))} &nbsp;" for k, text in keys)
    return f'<div class="keys">{escape(t("arena.how"))}</div><div class="keys keyboard">{listed}</div>'


def answers(
    services: Services, text: str, rater: str, state: Mapping[str, Any] | None, language: str, t: Texts
) -> Iterator[tuple[Any, ...]]:
    """Stream a round into the panes; with `state` it goes on with that conversation."""
    before = (state or {}).get("histories") or {letter: [] for letter in LETTERS}
    try:
        yield from answered(services, (text or "").strip(), rater, state, before, language, t)
    except UserError as error:  # shown beside the panes, which go back to what they were
        warn(error, t)
        yield pane_updates(None, before, waiting=not (state or {}).get("round"))


def answered(
    services: Services,
    message: str,
    rater: str,
    state: Mapping[str, Any] | None,
    before: Mapping[str, list],
    language: str,
    t: Texts,
) -> Iterator[tuple[Any, ...]]:
    """The updates of a round while its answers grow. Raises UserError where no answer comes."""
    if not message:
        raise UserError(t("arena.no_prompt"), code=Code.REQUEST)
    checked_text(message, PROMPT_CHARACTERS, "the prompt")  # before the panes show it: they show only text
    asked = {letter: [*said, {"role": "user", "content": message}] for letter, said in before.items()}
    yield pane_updates(None, asked, waiting=True)
    view = None
    conversation = (state or {}).get("conversation")
    for view in services.arena.ask(message, rater, conversation_id=conversation, language=language):
        asked = {letter: asked[letter] for letter in view.answers}  # fewer than four where fewer are trained
        yield pane_updates(None, with_answers(asked, view.answers), waiting=True)
    if view is None or not view.done:
        raise UserError(t("arena.no_answer"), code=Code.REQUEST)
    histories = with_answers(asked, view.answers)
    new = {
        "round": view.round,
        "conversation": view.conversation,
        "histories": histories,
        "vote": secrets.token_hex(16),
    }
    yield pane_updates(new, histories, waiting=False, note=same_note(view.identical, t))


def with_answers(asked: Mapping[str, list], texts: Mapping[str, str]) -> dict[str, list]:
    """Each pane's messages with its answer so far; a pane without a word yet shows the question only."""
    return {
        letter: [*messages, *([{"role": "assistant", "content": texts[letter]}] if texts.get(letter) else [])]
        for letter, messages in asked.items()
    }


def same_note(identical: Sequence[Sequence[str]], t: Texts) -> str:
    """Says which answers are the same text, so that nobody looks for a difference."""
    names = [" = ".join(group) for group in identical]
    return parts.advice(t("arena.same", letters=", ".join(names))) if names else ""


def pane_updates(
    state: dict | None, histories: Mapping[str, list], *, waiting: bool, note: str = ""
) -> tuple[Any, ...]:
    """Updates for `Panes.outputs` while answers come in and when they are there."""
    return (
        gr.skip() if state is None else state,
        *(gr.Column(visible=letter in histories) for letter in LETTERS),
        *(pane_head(letter) for letter in LETTERS),
        *(inert(histories.get(letter, [])) for letter in LETTERS),
        gr.Textbox(value="", interactive=not waiting),
        gr.Button(interactive=not waiting),
        gr.Button(interactive=not waiting),
        note,
        gr.Button(visible=False),
    )


def inert(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Messages for a chat pane, which inserts HTML even without Markdown: escaped, `<b>` is shown as
    typed."""
    return [{"role": m["role"], "content": escape(m["content"], quote=False)} for m in messages]


def complete_order(order: str, letters: Sequence[str] = LETTERS) -> str:
    """The order with the answers that it leaves out tied in the last place; UserError where it is no
    order."""
    text = "".join((order or "").split()).upper().strip(">=")
    if text == "NONE":
        return "none"
    named = [letter for group in text.split(">") for letter in group.split("=")]
    if not text or len(set(named)) != len(named) or not set(named) <= set(letters):
        raise UserError("say which answers you prefer, for example B>A=D>C", code=Code.ORDER)
    left = [letter for letter in letters if letter not in named]
    return ">".join([text, "=".join(left)]) if left else text


def cast(
    services: Services, state: Mapping[str, Any] | None, order: str, comment: str, rater: str, t: Texts
) -> tuple[Any, ...]:
    """Store the vote and show who was who: updates for `Panes.outputs`. A second click sends the same vote
    id."""
    if not state or not state.get("histories"):
        raise UserError(t("arena.ask_first"), code=Code.REQUEST)
    full = complete_order(order, sorted(state["histories"]))
    result = services.arena.vote(
        state["round"], full, comment=comment or "", vote_id=state["vote"], rater=rater
    )
    policies = result["policies"]
    return (
        {**state, "conversation": None, "histories": None, "cast": result["vote"]},
        *[gr.skip()] * len(LETTERS),
        *(pane_head(letter, policies.get(letter, "")) for letter in LETTERS),
        *[gr.skip()] * len(LETTERS),
        gr.Textbox(value=full, interactive=False),
        gr.Button(interactive=False),
        gr.Button(interactive=False),
        arena_tables.reveal_html(full, policies, result["gold"], t),
        gr.Button(visible=True),
    )


def take_back(services: Services, state: Mapping[str, Any] | None, rater: str, t: Texts) -> tuple[Any, ...]:
    """Retract the vote that this page cast last: updates for the state, the reveal and the button."""
    if not state or not state.get("cast"):
        raise UserError(t("arena.no_vote"), code=Code.REQUEST)
    services.arena.retract(state["cast"], rater)
    return {**state, "cast": None}, parts.advice(t("arena.taken_back")), gr.Button(visible=False)


def export_pairs(services: Services, t: Texts) -> None:
    """Write the votes as a preference data set."""
    result = services.arena.export("votes")
    gr.Info(escape(t("arena.exported", what=str(result))), duration=6)


def export_csv(services: Services) -> Any:
    """The votes as a spreadsheet to download."""
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp(prefix="arena-")) / "votes.csv"
    path.write_text(services.arena.csv(), encoding="utf-8-sig")
    return gr.File(value=str(path), visible=True)
