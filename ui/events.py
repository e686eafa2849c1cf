"""How handlers are bound to the page: private to the API, and errors that a user can mend as a message.

Where people log in, a handler that is bound with `QUIET` only reads, and is open to every login. Any other is
for admins, unless it is marked by `ui.access.for_raters`. `ui.payloads.CheckedBlocks` holds that.
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

# For polling and small updates, which change nothing: no queue, no spinner, not part of the public API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# For work that a user asked for and waits for.
WORK: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}


def warn(error: UserError, t: Texts) -> None:
    """Show an error and the advice for it. The message may quote what somebody typed, so it is escaped."""
    gr.Warning(escape(f"{error}. {t.advice(error.code)}".strip()))


def shown(handler: Callable[..., Any], t: Texts) -> Callable[..., Any]:
    """A page's handler whose UserErrors become a message beside what is there, which stays as it is.

    Bugs still crash.
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
    """An endpoint whose UserErrors reach the caller as text; of anything else Gradio tells nothing."""

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            raise gr.Error(told(error), print_exception=False) from error

    return call
