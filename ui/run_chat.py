"""A conversation with the model of one run, below the run in the Runs tab: named, stored nowhere, no vote.

The arena's inference process answers (`pipeline.arena.one_policy`). A run that has saved no policy shows
nothing of this. Admins only, like the training: raters judge blind.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import gradio as gr

from data.errors import UserError
from pipeline.arena import one_policy
from pipeline.arena.rounds import PROMPT_CHARACTERS
from ui import arena_panes
from ui.arena_rounds import checked_message
from ui.events import QUIET, warn
from ui.parts import Services
from ui.texts import Texts

Messages = list[dict[str, str]]
STREAM: dict[str, Any] = {
    "concurrency_id": "inference",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "api_visibility": "private",
}


def build(services: Services, t: Texts, choice: gr.Dropdown, stand: gr.State) -> None:
    """Draw the panel and bind it to the chosen run.

    stand: the run's `run_detail.standing`; the panel follows it, so that a new snapshot is offered.
    """
    with gr.Accordion(t("chat.title"), open=False, visible=False, elem_id="run-chat") as panel:
        gr.HTML(f'<p class="quiet small">{escape(t("chat.note"))}</p>', padding=False)
        version = gr.Dropdown([], label=t("chat.version"), filterable=False, elem_id="chat-version")
        chat = arena_panes.chat(t("chat.empty"))
        with gr.Row(equal_height=True, elem_classes="ask-row"):
            box = gr.Textbox(
                label=t("chat.message"),
                show_label=False,
                container=False,
                placeholder=t("chat.placeholder"),
                max_lines=5,
                max_length=PROMPT_CHARACTERS,
                scale=6,
                min_width=200,
                elem_id="chat-box",
            )
            send = gr.Button(t("chat.send"), variant="primary", scale=0, min_width=110, elem_id="chat-send")
        with gr.Row(elem_classes="round-tools"):
            stop = gr.Button(t("chat.stop"), size="sm", scale=0, visible=False, elem_id="chat-stop")
            clear = gr.Button(t("chat.clear"), size="sm", scale=0, elem_id="chat-clear")
    said: gr.State = gr.State([])
    of_run = gr.State("")  # the run that the conversation is with
    # The versions change with the run, and a choice refuses a value that lags behind them; this takes any.
    name = gr.Textbox(visible=False)
    outputs = [chat, said, box, send, stop]

    def on_send(
        run_id: str | None, chosen: str, text: str, before: Messages, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        yield from answered(services, run_id or "", chosen, text, before, session(request), t)

    def on_stop(request: gr.Request) -> None:
        services.arena.client.stop(session(request))

    def on_new(request: gr.Request) -> tuple[Any, ...]:
        services.arena.client.stop(session(request))
        return [], [], gr.Button(interactive=True), gr.Button(visible=False)

    gr.on(
        [choice.change, stand.change],
        lambda run_id, chosen, before: offered(services, run_id or "", chosen, before, t),
        [choice, name, of_run],
        [panel, version, name, of_run, chat, said],
        **QUIET,
    )
    version.input(None, [version], [name], js="(version) => version", api_visibility="private")
    answering = gr.on([send.click, box.submit], on_send, [choice, name, box, said], outputs, **STREAM)
    stop.click(on_stop, None, None, **QUIET)
    # An answer that is still growing belongs to the conversation that ends here.
    new = [clear.click, version.input, choice.input]
    gr.on(new, on_new, None, [chat, said, send, stop], cancels=answering, **QUIET)


def session(request: gr.Request) -> str:
    """The name of this page's request, for the button that stops it."""
    return f"chat:{request.session_hash}"


def offered(services: Services, run_id: str, name: str, before: str, t: Texts) -> tuple[Any, ...]:
    """The panel for a run: hidden without a saved policy; another run begins a new conversation.

    name: the chosen version. before: the run that the panel showed. Returns the values of panel, choice of
    the version, its name, run, chat and messages.
    """
    try:
        found = one_policy.versions(services.workspace, services.runs.read(run_id)) if run_id else []
    except UserError:
        found = []
    names = [version.name for version in found]
    same = run_id == before
    value = name if same and name in names else next(iter(names), "")
    return (
        gr.Accordion(visible=bool(found)),
        version_choice(names, value, t),
        value,
        run_id,
        *([gr.skip()] * 2 if same else ([], [])),
    )


def version_choice(names: Sequence[str], value: str, t: Texts) -> gr.Dropdown:
    """The choice of a version; hidden where there is only one."""
    labels = [(version_label(name, t), name) for name in names]
    return gr.Dropdown(choices=labels, value=value or None, visible=len(names) > 1)


def version_label(name: str, t: Texts) -> str:
    """The words for a version: the end of the run, or after a step."""
    return t("chat.last") if name == one_policy.LAST else t("chat.step", step=name)


def answered(
    services: Services, run_id: str, name: str, text: str, before: Messages, request: str, t: Texts
) -> Iterator[tuple[Any, ...]]:
    """The updates of chat, messages, box and buttons while an answer grows.

    What goes wrong is a message; the conversation is then as it was, and the text is in the box again.
    """
    lineup, markdown = None, False
    try:
        message = checked_message(text, t)
        lineup = one_policy.lineup_of(services.workspace, services.runs.read(run_id), name)
        markdown = lineup.preset != "tiny"
        asked = [*before, {"role": "user", "content": message}]
        thinking = {"role": "assistant", "content": "…"}
        yield update([*asked, thinking], asked, markdown, busy=True, box="")
        reply = ""
        for reply in one_policy.answer(
            services.arena.client, lineup, asked, seed=secrets.randbits(31), request=request
        ):
            yield update([*asked, {"role": "assistant", "content": reply}], asked, markdown, busy=True)
        whole = [*asked, {"role": "assistant", "content": reply}]
        yield update(whole, whole, markdown, busy=False)
    except UserError as error:
        warn(error, t)
        yield update(before, before, markdown, busy=False, box=text)


def update(
    shown: Messages, kept: Messages, markdown: bool, *, busy: bool, box: str | None = None
) -> tuple[Any, ...]:
    """The values of chat, messages, box and buttons. box: its new text; None leaves what is typed there."""
    return (
        arena_panes.inert(shown, markdown and not busy),
        kept,
        gr.skip() if box is None else box,
        gr.Button(interactive=not busy),
        gr.Button(visible=busy),
    )
