"""How the page binds its handlers: hidden from the API, with UserErrors shown as messages.

With accounts, every login may call a handler that is bound with `QUIET`, because it only reads. All other
handlers are for admins, except those marked by `ui.access.for_raters`. `ui.payloads.CheckedBlocks` enforces
this.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from data.errors import UserError
from data.files import disk_full
from pipeline.commands.advice import told
from ui.texts import Texts

# For polling and small updates that only read: no queue, no spinner, not part of the public API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# For actions whose result the user waits for.
WORK: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}


def warn(error: UserError, t: Texts) -> None:
    """Show an error and the advice for it. The message is escaped, because it may quote user input."""
    said = [t.cause(error.code), t.advice(error.code)]
    message = str(error)
    # Messages of the code REQUEST are texts of the page already; others are English and come last.
    gr.Warning(escape(" ".join([message] if not any(said) else [*filter(None, said), f"({message})"])))


def shown(handler: Callable[..., Any], t: Texts) -> Callable[..., Any]:
    """Wrap a page handler: a UserError becomes a message and leaves the outputs unchanged.

    Other exceptions, which are bugs, pass through.
    """

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except (UserError, OSError) as error:
            mendable = error if isinstance(error, UserError) else disk_full(error)
            if mendable is None:
                raise
            warn(mendable, t)
            return gr.skip()

    return call


def raised(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an endpoint: the caller gets the text of a UserError; Gradio hides every other exception."""

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            raise gr.Error(told(error), print_exception=False) from error

    return call
