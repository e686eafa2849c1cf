"""Frees the memory of pages that are no longer open.

Gradio keeps a copy of the page's whole configuration for each session (about 9 MB here) until 10,000 sessions
exist, whether their pages are open or not. `Sessions` takes the place of Gradio's holder and drops a session
some time after its page was closed or fell silent. A page that comes back after that starts a new session:
what a reload restores is restored, and nothing that was saved is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder
from starlette.routing import Mount

# An open page asks for news every few seconds, in a hidden tab of the browser at least once a minute.
CLOSED_SECONDS, SILENT_SECONDS = 180.0, 900.0


class Sessions(StateHolder):
    """Gradio's sessions; a new one removes those that ended. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._used: dict[str, float] = {}

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self._drop_ended()
        self._used[session_id] = self._clock()
        return super().__getitem__(session_id)

    def _drop_ended(self) -> None:
        now = self._clock()
        for session_id, state in list(self.session_data.items()):
            kept = CLOSED_SECONDS if state.is_closed else SILENT_SECONDS
            if now - self._used.get(session_id, now) > kept:
                self.delete_state(session_id)
                with self.lock:
                    self.session_data.pop(session_id, None)
                    self.time_last_used.pop(session_id, None)
        for session_id in self._used.keys() - self.session_data.keys():
            self._used.pop(session_id, None)


def forget_ended(server: FastAPI, page: gr.Blocks) -> None:
    """Give the mounted page's Gradio app a `Sessions` in place of its own holder."""
    for route in server.routes:
        if isinstance(route, Mount) and isinstance(route.app, App) and route.app.get_blocks() is page:
            route.app.state_holder = Sessions()
            route.app.state_holder.set_blocks(page)
