"""The whole page on a free port in a thread, for tests: real server and store; who answers can be a fake."""

import contextlib
import os
import socket
import threading

import uvicorn
from fake_policies import facts_of
from waiting import NEVER, eventually

from data.policies import POLICIES
from pipeline.arena.client import Progress
from pipeline.arena.rounds import Arena
from pipeline.runs.jobs import JobRunner
from pipeline.runs.reader import RunReader
from ui import page, server
from ui.parts import Services

WORDS = ("one", "two", "three", "four")


class FakeClient:
    """Answers at once, each policy with words of its own that do not give it away."""

    def start(self, lineup):
        pass

    def close(self):
        pass

    def stream(self, lineup, conversations, **sampling):
        texts = {policy: f"Answer with {WORDS[POLICIES.index(policy)]}." for policy in conversations}
        yield Progress({policy: text[:6] for policy, text in texts.items()})
        answers = {
            policy: {"text": text, "tokens": 3, "finish": "stop", "first_token_seconds": 0.1, "seconds": 0.2}
            for policy, text in texts.items()
        }
        yield Progress(texts, answers, facts_of(lineup))


@contextlib.contextmanager
def services_on(workspace, demo, client, **job_options):
    """Services of a workspace, closed again at the end."""
    jobs = JobRunner(workspace, **job_options)
    arena = Arena(workspace, client, demos=demo)
    try:
        yield Services(workspace, jobs, arena, RunReader(workspace))
    finally:
        arena.close()
        jobs.close()


@contextlib.contextmanager
def served(services, auth=None):
    """The address of the page, served until the end of the block."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    pages = {language: page.build(services, language) for language in server.LANGUAGES}
    app = server.build(pages, workspace_root=services.workspace.root, host="127.0.0.1", port=port, auth=auth)
    config = uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    eventually(lambda: running.started, "the server's start")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(timeout=NEVER)
        listener.close()
