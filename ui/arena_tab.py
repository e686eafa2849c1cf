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
from data.errors import UserError
from pipeline.arena import PROMPT_CHARACTERS
from ui import parts
from ui.events import QUIET, WORK, rater_of, shown
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
    state: gr.State  # {"round", "conversation", "histories": {letter: messages}, "vote"}; no policy names
    order: gr.Textbox
    vote: gr.Button
    follow: gr.Button
    reveal: gr.HTML
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
    board_handler = {"fn": lambda: leaderboard_html(services, t), "inputs": None, "outputs": [board]}
    panes.vote.click(shown(on_vote), [panes.state, panes.order, panes.comment], panes.outputs(), **WORK).then(
        **board_handler, **QUIET
    )
    export.click(shown(lambda: export_pairs(services, t)), None, None, **WORK)
    table.click(shown(lambda: export_csv(services)), None, [exported], **WORK)
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
    return Panes(columns, heads, chats, gr.State(None), order, vote, follow, reveal, comment)


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
        gr.Warning(escape(str(error)))
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
        raise UserError(t("arena.no_prompt"))
    asked = {letter: [*said, {"role": "user", "content": message}] for letter, said in before.items()}
    yield pane_updates(None, asked, waiting=True)
    view = None
    conversation = (state or {}).get("conversation")
    for view in services.arena.ask(message, rater, conversation_id=conversation, language=language):
        asked = {letter: asked[letter] for letter in view.answers}  # fewer than four where fewer are trained
        yield pane_updates(None, with_answers(asked, view.answers), waiting=True)
    if view is None or not view.done:
        raise UserError(t("arena.no_answer"))
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
        raise UserError("say which answers you prefer, for example B>A=D>C")
    left = [letter for letter in letters if letter not in named]
    return ">".join([text, "=".join(left)]) if left else text


def cast(
    services: Services, state: Mapping[str, Any] | None, order: str, comment: str, rater: str, t: Texts
) -> tuple[Any, ...]:
    """Store the vote and show who was who: updates for `Panes.outputs`. A second click sends the same vote
    id."""
    if not state or not state.get("histories"):
        raise UserError(t("arena.ask_first"))
    full = complete_order(order, sorted(state["histories"]))
    result = services.arena.vote(
        state["round"], full, comment=comment or "", vote_id=state["vote"], rater=rater
    )
    policies = result["policies"]
    return (
        {**state, "conversation": None, "histories": None},
        *[gr.skip()] * len(LETTERS),
        *(pane_head(letter, policies.get(letter, "")) for letter in LETTERS),
        *[gr.skip()] * len(LETTERS),
        gr.Textbox(value=full, interactive=False),
        gr.Button(interactive=False),
        gr.Button(interactive=False),
        reveal_html(full, policies, t),
    )


def places(order: str) -> dict[str, int]:
    """{"B": 1, "A": 2, "D": 2, "C": 4} of "B>A=D>C"; {} of "none"."""
    found: dict[str, int] = {}
    if order != "none":
        for group in order.split(">"):
            place = len(found) + 1
            found |= dict.fromkeys(group.split("="), place)
    return found


def reveal_html(order: str, policies: Mapping[str, str], t: Texts) -> str:
    """Who was who, best first."""
    place = places(order)
    rows = []
    for letter in sorted(policies, key=lambda x: (place.get(x, 9), x)):
        name = policies[letter]
        rows.append(
            [
                f"{place.get(letter, '–')}",
                letter,
                parts.policy_mark(name, COLOURS.get(name, "#8792a8")),
                t("policy." + name) if t.has("policy." + name) else "",
            ]
        )
    head = [t("reveal.place"), t("reveal.answer"), t("reveal.policy"), t("reveal.what")]
    return parts.title(t("reveal.title")) + parts.table(head, rows, text_columns=4)


def leaderboard_html(services: Services, t: Texts) -> str:
    """The leaderboard: strength with interval, chance to be best, votes; and what quantising cost."""
    return board_table(services.arena.leaderboard(), t) + contrasts_html(services.arena.contrasts(), t)


def contrasts_html(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """Rows of `Arena.contrasts`, one sentence each: is the first of the two worse by more than the margin?"""
    found = []
    for row in rows:
        test = row["equivalence"]
        if test["verdict"] != "undecided":
            mood, key = ("good", "contrast.yes") if test["not_worse"] else ("warn", "contrast.no")
        elif test["more_needed"] is None:
            mood, key = "warn", "contrast.unlikely"
        else:
            mood, key = "note", "contrast.more"
        margin = f"{100 * test['margin']:.0f}"
        text = t(key, a=row["a"], b=row["b"], margin=margin, n=test["n"], more=test["more_needed"])
        found.append((mood, text))
    return parts.reading(found) if found else ""


def board_table(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """Rows of `Arena.leaderboard` as a table, with a plain word on how much they say."""
    votes = max((row.get("rankings") or 0 for row in rows), default=0)
    if not votes:
        return f'<p class="quiet">{escape(t("board.empty"))}</p>'
    body = [
        [
            place,
            parts.policy_mark(row["policy"], COLOURS.get(row["policy"], "#8792a8")),
            f"{row['score']:+.2f}",
            f"{row['score_low']:+.2f} … {row['score_high']:+.2f}",
            parts.percent(row["p_best"]),
            row["best"],
            parts.number(row["mean_rank"], 2),
            f"{row['wins']} / {row['ties']} / {row['losses']}",
        ]
        for place, row in enumerate(rows, start=1)
    ]
    head = [
        "#",
        t("board.policy"),
        t("board.strength"),
        t("board.interval"),
        t("board.p_best"),
        t("board.best"),
        t("board.rank"),
        t("board.pairs"),
    ]
    word = t("board.few" if votes < 30 else "board.some", votes=votes)
    return parts.table(head, body, text_columns=2) + f'<p class="quiet small">{escape(word)}</p>'


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
