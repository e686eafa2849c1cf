"""How handlers are bound to the page: private to the API, errors that a user can mend shown as a message."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from data.errors import UserError

# For polling and small updates: no queue, no spinner, and not part of the public API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# For work that a user asked for and waits for.
WORK: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}


def page_error(error: UserError) -> gr.Error:
    """The message for a user's mistake. It may quote what somebody typed, so it is escaped."""
    return gr.Error(escape(str(error)), print_exception=False)


def shown(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with its UserErrors turned into messages on the page; bugs still crash."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from handler(*args, **kwargs)
            except UserError as error:
                raise page_error(error) from error

        return stream

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            raise page_error(error) from error

    return call


def rater_of(request: gr.Request | None) -> str:
    """Whose vote it is: the login where there is one, else the id that the server put into a cookie."""
    if request is None:
        return "anonymous"
    name = getattr(request, "username", None)
    if name:
        return f"user:{name}"
    cookie = (getattr(request, "cookies", None) or {}).get("rater")
    return f"cookie:{cookie}" if cookie else f"session:{request.session_hash or 'none'}"
