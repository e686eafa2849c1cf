"""A session's memory is freed after its page was closed or fell silent, and kept while it is in use."""

import gradio as gr
import pytest

from ui.sessions import CLOSED_SECONDS, SILENT_SECONDS, Sessions


@pytest.fixture
def sessions():
    with gr.Blocks() as page:
        gr.Textbox()
    now = [0.0]
    holder = Sessions(clock=lambda: now[0])
    holder.set_blocks(page)
    holder.wait = lambda seconds: now.__setitem__(0, now[0] + seconds)
    return holder


def test_a_closed_page_is_dropped_when_another_opens(sessions):
    sessions["closed"].is_closed = True
    sessions["open"]
    sessions.wait(CLOSED_SECONDS + 1)
    sessions["new"]
    assert set(sessions.session_data) == {"open", "new"}


def test_a_silent_page_is_dropped_later_and_a_page_that_asks_stays(sessions):
    sessions["silent"], sessions["asking"]
    sessions.wait(SILENT_SECONDS)
    sessions["asking"]
    sessions.wait(1)
    sessions["new"]
    assert set(sessions.session_data) == set(sessions._used) == {"asking", "new"}


def test_a_page_that_comes_back_soon_after_its_connection_closed_keeps_its_state(sessions):
    state = sessions["back"]
    state.is_closed = True
    sessions.wait(CLOSED_SECONDS)
    sessions["new"]
    assert sessions["back"] is state


def test_each_language_of_the_page_has_its_own_sessions(tmp_path):
    from ui.server import build

    pages = {}
    for code in ("en", "zh"):
        with gr.Blocks() as pages[code]:
            gr.Textbox()
    build(pages, workspace_root=tmp_path, host="127.0.0.1", port=7860)
    assert all(isinstance(page.state_holder, Sessions) for page in pages.values())
    assert pages["en"].state_holder is not pages["zh"].state_holder
