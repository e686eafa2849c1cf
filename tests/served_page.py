"""The complete page on a free port in a thread: real server and store, real or fake inference client."""

import contextlib
import os
import socket
import threading
from unittest import mock

import uvicorn
from argon2 import PasswordHasher
from fake_policies import facts_of
from waiting import eventually

from data.accounts import Accounts
from data.logins import Logins
from data.policies import POLICIES
from pipeline.arena.client import AnswersSoFar
from pipeline.arena.rounds import Arena
from pipeline.runs import processes
from pipeline.runs.jobs import JobRunner
from pipeline.runs.reader import RunReader
from ui import page, server
from ui.access import Access
from ui.connections import Listener, within_handles
from ui.parts import Services

WORDS = ("one", "two", "three", "four")


SMALLEST = {
    "prepare": ["train_rows=300", "validation_rows=20", "test_rows=40"],
    "sft": ["max_steps=2", "eval_steps=2", "batch_size=16", "micro_batch_size=16"],
    "reward": ["max_steps=2", "eval_steps=2", "batch_size=8", "micro_batch_size=8"],
    "ppo": ["max_steps=2", "batch_size=8", "micro_batch_size=8", "eval_prompts=8"],
    "evaluate": ["eval_prompts=8"],
}


class UrgentJobs(JobRunner):
    """A job runner that trains as urgently as everything else.

    A training that gives way would wait for whatever else the machine does, and the test with it.
    """

    def _launch(self, run_id):
        with mock.patch.object(processes, "give_way"):
            super()._launch(run_id)


class QuickJobs(UrgentJobs):
    """An urgent job runner that trains with the smallest settings."""

    def start(self, stage, preset="tiny", precision=None, overrides=()):
        return super().start(stage, preset, precision, [*SMALLEST[stage], *overrides])


class FakeClient:
    """Answers at once; each policy uses different words, which do not reveal its name."""

    def start(self, lineup):
        pass

    def close(self):
        pass

    def stream(self, lineup, conversations, **sampling):
        texts = {policy: f"Answer with {WORDS[POLICIES.index(policy)]}." for policy in conversations}
        yield AnswersSoFar({policy: text[:6] for policy, text in texts.items()})
        answers = {
            policy: {"text": text, "tokens": 3, "finish": "stop", "first_token_seconds": 0.1, "seconds": 0.2}
            for policy, text in texts.items()
        }
        yield AnswersSoFar(texts, answers, facts_of(lineup))


@contextlib.contextmanager
def services_on(workspace, demo, client, access=None, runner=JobRunner, **job_options):
    """Services of a workspace; they are closed at the end of the block."""
    jobs = runner(workspace, **job_options)
    arena = Arena(workspace, client, demos=demo)
    try:
        yield Services(workspace, jobs, arena, RunReader(workspace), access or Access())
    finally:
        arena.close()
        jobs.close()


PASSWORDS = {"ann": "the admin's own", "rob": "the rater's own", "roy": "another rater's"}


def with_accounts(workspace):
    """Access through accounts: the admin ann and the raters rob and roy."""
    accounts = Accounts(workspace.accounts, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for name, password in PASSWORDS.items():
        accounts.add(name, password, "admin" if name == "ann" else "rater")
    return Access(accounts, Logins(workspace.logins, accounts))


@contextlib.contextmanager
def served(services, connections=None, **more):
    """Yields the address of the page, served until the block ends. more: arguments of `server.build`."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    pages = {language: page.build(services, language) for language in server.LANGUAGES}
    app = server.build(
        pages,
        workspace_root=services.workspace.root,
        host="127.0.0.1",
        port=port,
        access=services.access,
        **more,
    )
    limits = within_handles() if connections is None else connections
    with serving(server.configuration(app, limits), listener, limits):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def serving(config, listener, connections):
    """Run uvicorn in a thread until the end of the block."""
    config.timeout_graceful_shutdown = 1
    running = uvicorn.Server(config)
    accepting = Listener(listener, within_handles() if connections is None else connections)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [accepting]}, daemon=True)
    thread.start()
    eventually(lambda: running.started, "the server's start")
    try:
        yield
    finally:
        running.should_exit = True
        thread.join(timeout=10)
        accepting.close()
