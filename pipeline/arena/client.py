"""The app's side of the inference process: starts it, sends it requests, and restarts it if it dies.

Nothing here loads torch. The process answers one request at a time; others wait their turn. If it dies in the
middle of an answer, InferenceLost is raised and the next process starts at once. While a training job has the
device (`step_aside`) there is no process and every request is refused.
"""

import contextlib
import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

from data.errors import Code, UserError
from data.workspace import Workspace
from pipeline.arena.lineup import Lineup
from pipeline.arena.pulse import Pulse
from pipeline.runs.child import child_environment

LOAD_SECONDS = 600.0  # a large base from a slow disk
SILENT_SECONDS = 120.0  # between two tokens, while the process works
HANGS_SECONDS = 10.0  # without a message and without any CPU time


class InferenceLost(UserError):
    """The inference process ended or was silent for too long in the middle of a request."""


@dataclass(frozen=True)
class AnswersSoFar:
    """The answers so far; the last one has `answers` and `facts`.

    answers: {policy: {"text", "tokens", "finish", "first_token_seconds", "seconds"}}.
    facts: {"base", "policies", "software", "device"}: which weights answered.
    """

    texts: dict[str, str]
    answers: dict[str, dict[str, Any]] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class InferenceClient:
    """At most one inference process, started when it is first needed (or by `start`)."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self._turn = threading.Lock()  # held by the thread that talks to the process
        self._state = threading.Lock()  # guards _worker and _aside; held for a moment only
        self._worker: _Worker | None = None
        self._aside: str | None = None
        self._answering: tuple[str, _Worker, int] | None = None  # request, process, its number there
        self._numbers = itertools.count(1)

    def start(self, lineup: Lineup) -> None:
        """Load the policies in the background; the first request reports a failure to load."""
        threading.Thread(target=self._warm, args=(lineup,), daemon=True).start()

    def stream(
        self,
        lineup: Lineup,
        conversations: Mapping[str, str],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        request: str = "",
    ) -> Iterator[AnswersSoFar]:
        """Yield the growing answers of the policies, one transcript each; the last one has `answers`.

        request: a name for `stop`. All policies sample with the same random numbers. Closing the iterator
        stops the generation. Raises UserError if the policies cannot be loaded, InferenceLost (a UserError)
        if the process died.
        """
        with self._my_turn():
            worker = self._ready(lineup)
            number = next(self._numbers)
            rows = [{"policy": policy, "prompt": prompt} for policy, prompt in conversations.items()]
            sampling = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
            worker.send({"do": "answer", "id": number, "rows": rows, **sampling})
            with self._state:
                self._answering = request, worker, number
            ended = False
            try:
                while not ended:
                    message = self._receive(worker, SILENT_SECONDS)
                    if message.get("id") != number:
                        continue  # a message of a request that was abandoned
                    ended = message["is"] != "text"
                    if message["is"] == "error":
                        raise UserError(message["message"], code=Code(message["code"]))
                    if message["is"] == "text":
                        yield AnswersSoFar(message["texts"])
                    else:
                        answers = message["answers"]
                        texts = {policy: answer["text"] for policy, answer in answers.items()}
                        yield AnswersSoFar(texts, answers, worker.facts)
            except InferenceLost:
                self.start(lineup)
                raise
            finally:
                with self._state:
                    self._answering = None
                if not ended:
                    worker.send({"do": "stop", "id": number})

    def score(
        self, lineup: Lineup, reward: Mapping[str, str], rows: Sequence[Mapping[str, str]]
    ) -> list[float]:
        """A reward model's scores of answers, in their order; see `pipeline.arena.scoring`.

        Raises UserError if it cannot be loaded, InferenceLost (a UserError) if the process died.
        """
        with self._my_turn():
            worker = self._ready(lineup)
            number = next(self._numbers)
            worker.send(
                {"do": "score", "id": number, "reward": dict(reward), "rows": [dict(r) for r in rows]}
            )
            while True:
                message = self._receive(worker, LOAD_SECONDS)
                if message.get("id") != number:
                    continue  # of a request that was given up
                if message["is"] == "error":
                    raise UserError(message["message"], code=Code(message["code"]))
                return [float(score) for score in message["scores"]]

    def stop(self, request: str) -> None:
        """End this request if it is being answered; its answers are returned as they are."""
        with self._state:
            now = self._answering
        if now is not None and now[0] == request:
            now[1].send({"do": "stop", "id": now[2]})

    def step_aside(self, reason: str) -> None:
        """End the process and refuse requests with this reason, until `come_back`."""
        with self._state:
            self._aside = reason
        self.close()

    def come_back(self) -> None:
        """Take requests again."""
        with self._state:
            self._aside = None

    @property
    def on_gpu(self) -> bool:
        """True while a process holds memory of a GPU."""
        with self._state:
            return self._worker is not None and "cuda" in self._worker.facts.get("device", "")

    @property
    def pid(self) -> int | None:
        """The process's id; None if there is no process."""
        with self._state:
            return self._worker.process.pid if self._worker is not None and self._worker.alive else None

    def close(self) -> None:
        """End the process; a running request gets InferenceLost. A later request starts a new process."""
        with self._state:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _warm(self, lineup: Lineup) -> None:
        with contextlib.suppress(UserError), self._turn:
            self._ready(lineup)

    @contextlib.contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=SILENT_SECONDS):
            raise UserError("another question is being answered", code=Code.WAIT)
        try:
            yield
        finally:
            self._turn.release()

    def _ready(self, lineup: Lineup) -> "_Worker":
        """A process that has these policies loaded. The caller holds `_turn`."""
        with self._state:
            if self._aside is not None:
                raise UserError(f"the arena is paused: {self._aside}", code=Code.WAIT)
            if self._worker is None or not self._worker.alive:
                self._worker = _Worker(self.workspace)
            worker = self._worker
        wanted = lineup.as_json()
        if worker.loaded != wanted:
            worker.loaded = None
            worker.send({"do": "load", "lineup": wanted})
            while True:
                message = self._receive(worker, LOAD_SECONDS)
                if message["is"] == "error" and message["id"] == 0:  # answers count from 1
                    raise UserError(message["message"], code=Code(message["code"]))
                if message["is"] == "loaded":
                    worker.loaded, worker.facts = wanted, message["facts"]
                    break
        return worker

    def _receive(self, worker: "_Worker", patience: float) -> dict[str, Any]:
        message = self._wait(worker, patience)
        if message is None:
            with self._state:
                if self._worker is worker:
                    self._worker = None
            worker.end()
            raise InferenceLost(
                "the inference process has stopped and is being restarted",
                code=Code.ANSWERING,
            )
        return message

    @staticmethod
    def _wait(worker: "_Worker", patience: float) -> dict[str, Any] | None:
        """The next message; None if the process has ended, hangs, or is silent for `patience` seconds."""
        pulse, deadline = Pulse(worker.process.pid), time.monotonic() + patience
        while time.monotonic() < deadline and pulse.idle_seconds() < HANGS_SECONDS:
            with contextlib.suppress(queue.Empty):
                return worker.replies.get(timeout=min(1.0, patience))
        return None


class _Worker:
    """One inference process and the thread that reads its replies; None in `replies` marks the end."""

    def __init__(self, workspace: Workspace):
        workspace.arena.mkdir(parents=True, exist_ok=True)
        self.loaded: dict[str, Any] | None = None
        self.facts: dict[str, Any] = {}
        self.replies: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with open(workspace.arena / "inference.log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.arena.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,  # a file, because a full pipe without a reader would block the process
                env=child_environment(),
                start_new_session=True,  # the app alone handles Ctrl-C at its terminal
            )
        self._input = cast(IO[bytes], self.process.stdin)  # both are pipes
        self._output = cast(IO[bytes], self.process.stdout)
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: Mapping[str, Any]) -> None:
        # `_receive` notices a dead process by its missing reply.
        with contextlib.suppress(OSError, ValueError):
            self._input.write(json.dumps(message).encode() + b"\n")
            self._input.flush()

    def end(self) -> None:
        """Close the process's input, which ends it; kill it if that takes too long."""
        with contextlib.suppress(OSError, ValueError):
            self._input.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read(self) -> None:
        for line in self._output:
            self.replies.put(json.loads(line))
        self._output.close()
        self.replies.put(None)
