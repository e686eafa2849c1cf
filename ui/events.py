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

# For polling and small updates, which change nothing: no queue, no spinner, not part of the public API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# For work that a user asked for and waits for.
WORK: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}


def shown(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A page's handler whose UserErrors become a message beside what is there, which stays as it is.

    The message may quote what somebody typed, so it is escaped. Bugs still crash.
    """

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            gr.Warning(escape(str(error)))
            return gr.skip()

    return call


def raised(handler: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint whose UserErrors reach the caller as text; of anything else Gradio tells nothing."""

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return call
