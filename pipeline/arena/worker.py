"""The arena's inference process: it holds one base in memory and answers with all policies in one batch.

It reads requests and writes replies as lines of JSON over its standard streams. It ends when its input ends,
that is, when the app has ended. All other output goes to the error stream. Requests and replies:

    {"do": "load", "lineup": {…}}            → {"is": "loaded", "facts": {…}}
                                               or {"is": "error", "message", "code"}
    {"do": "answer", "id": 7, "rows": [{"policy", "prompt"}], "max_new_tokens", "temperature", "seed"}
                                             → {"is": "text", "id": 7, "texts": {policy: …}} repeatedly, then
                                               {"is": "answers", "id": 7, "answers": {policy: {…}}}
    {"do": "score", "id": 8, "reward": {…}, "rows": [{"prompt", "text"}]}
                                             → {"is": "scores", "id": 8, "scores": [0.31, …]}
    {"do": "stop", "id": 7}                  → the answers so far

It knows nothing about rounds, raters or votes. `pipeline.arena.client` starts it; it is not meant to be run
by hand.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers

from data.errors import Code, UserError
from models import loading
from models.generation import row_uniforms
from models.prompting import PromptFormat
from models.serving import StackedPolicies
from pipeline.arena.scoring import Scorer
from pipeline.runs.hardware import software

SECONDS_BETWEEN_TEXTS = 0.04  # a reader does not notice more frequent updates, and they cost the page time
# Below this size one thread is as fast as all threads, and several times faster while a training runs.
ONE_THREAD_PARAMETERS = 30_000_000
# Before an answer of a larger base the worker measures for LOOK_SECONDS how many cores other processes use.
LOOK_SECONDS = 0.05
BUSY_CORES = 0.5
OnText = Callable[[dict[str, str]], None]  # {policy: text so far}


class Answerer:
    """The loaded policies. Policies of each precision share a base of that precision."""

    def __init__(self) -> None:
        self.base: Path | None = None
        self.groups: dict[str, StackedPolicies] = {}  # by precision
        self.place: dict[str, str] = {}  # policy → precision
        self.threads = torch.get_num_threads()
        self.many_threads = False
        self._prompt_format: PromptFormat | None = None

    @property
    def prompt_format(self) -> PromptFormat:
        """The prompt format of the loaded base."""
        if self._prompt_format is None:
            raise RuntimeError("no policy is loaded")
        return self._prompt_format

    def load(self, lineup: Mapping[str, Any]) -> dict[str, Any]:
        """Load the policies that are not loaded yet and warm them up; returns the facts about their weights,
        which are stored with each vote."""
        base = loading.resolve_base(lineup["base_model"])
        if base != self.base:
            self.groups.clear()
            self._prompt_format = PromptFormat(loading.load_tokenizer(base))
            self.base = base
        folders: dict[str, dict[str, Path]] = {}
        for policy in lineup["policies"]:
            folders.setdefault(policy["precision"], {})[policy["name"]] = Path(policy["folder"])
        for precision in set(self.groups) - set(folders):
            del self.groups[precision]
        for precision, mine in folders.items():
            if precision in self.groups:
                self.groups[precision].load(mine)
            else:
                model = loading.load_causal(base, precision, loading.device())
                self.groups[precision] = StackedPolicies(model, base, mine)
        size = sum(parameter.numel() for parameter in next(iter(self.groups.values())).model.parameters())
        self.many_threads = size >= ONE_THREAD_PARAMETERS
        self.place = {name: precision for precision, group in self.groups.items() for name in group.names}
        rows = [{"policy": name, "prompt": "\n\nHuman: Hi\n\nAssistant:"} for name in self.place]
        self.answer(rows, max_new_tokens=2, temperature=1.0, seed=0)
        return {
            "base": {"base_model": lineup["base_model"], "base_hash": loading.base_hash(base)}
            | {"tokenizer_hash": loading.tokenizer_hash(base)},
            "policies": {
                name: {"adapter_sha256": self.groups[precision].hashes[name], "served_in": precision}
                for name, precision in self.place.items()
            },
            "software": software(),
            "device": str(loading.device()),
        }

    def answer(
        self,
        rows: Sequence[Mapping[str, str]],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        on_text: OnText = lambda texts: None,
        stopped: threading.Event | None = None,
    ) -> dict[str, dict[str, Any]]:
        """{policy: {"text", "tokens", "finish", "first_token_seconds", "seconds"}}, one row per policy.

        Each row gets the same random numbers, so that answers differ only because the policies differ. Raises
        UserError for a policy that is not loaded.
        """
        torch.set_num_threads(self._threads())
        stopped = stopped or threading.Event()
        unknown = [row["policy"] for row in rows if row["policy"] not in self.place]
        if unknown:
            raise UserError(f"policy {unknown[0]} is not loaded", code=Code.POLICIES)
        prompt_format = self.prompt_format
        round_ = _Round(prompt_format, [row["policy"] for row in rows], on_text, stopped)
        uniforms = row_uniforms(1, max_new_tokens, torch.Generator().manual_seed(seed))

        def run(precision: str) -> None:
            group = self.groups[precision]
            mine = [row for row in rows if self.place[row["policy"]] == precision]
            room = max(_context(group.model) - max_new_tokens, 1)
            names = [row["policy"] for row in mine]
            result = group.generate(
                names,
                [prompt_format.encode_prompt(row["prompt"], room) for row in mine],
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                pad_id=prompt_format.pad_id,
                eos_id=prompt_format.eos_id,
                uniforms=uniforms.expand(len(mine), -1),
                stop=prompt_format,
                on_step=lambda places, ids: round_.step([names[place] for place in places], ids),
            )
            round_.finish(dict(zip(names, result.ended, strict=True)))

        unknown = [row["policy"] for row in rows if row["policy"] not in self.place]
        if unknown:
            raise UserError(f"policy {unknown[0]} is not loaded", code=Code.POLICIES)
        _side_by_side(run, sorted({self.place[row["policy"]] for row in rows}))
        return round_.answers()

    def _threads(self) -> int:
        """The number of threads for the next answer: all of them on an idle machine, one on a busy machine.

        The threads of one matrix product wait for each other. If another process occupies one of their cores,
        each token waits for the scheduler, and two threads are many times slower than one.
        """
        if not self.many_threads or self.threads == 1:
            return 1
        busy = psutil.cpu_percent(interval=LOOK_SECONDS) / 100 * (psutil.cpu_count() or 1)
        return 1 if busy > BUSY_CORES else self.threads


class _Round:
    """The answers so far. It reports the first token at once and later ones at intervals."""

    def __init__(
        self, prompt_format: PromptFormat, names: Sequence[str], on_text: OnText, stopped: threading.Event
    ) -> None:
        self.prompt_format, self.on_text, self.stopped = prompt_format, on_text, stopped
        self.lock = threading.Lock()
        self.start = time.perf_counter()
        self.told = 0.0
        self.tokens: dict[str, list[int]] = {name: [] for name in names}
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.ended: dict[str, bool] = {}

    def step(self, names: Sequence[str], ids: Sequence[int]) -> bool:
        now = time.perf_counter() - self.start
        with self.lock:
            for name, token in zip(names, ids, strict=True):
                self.tokens[name].append(token)
                self.first.setdefault(name, now)
                self.last[name] = now
            if not self.told or now - self.told >= SECONDS_BETWEEN_TEXTS:
                self.told = now
                self.on_text({name: self.shown(name) for name in self.tokens})
        return self.stopped.is_set()

    def finish(self, ended: Mapping[str, bool]) -> None:
        with self.lock:
            self.ended |= ended

    def shown(self, name: str) -> str:
        """The answer as text, without a stop string and without half a character at its end."""
        ids, _ = self.prompt_format.cut_response(self.tokens[name])
        return self.prompt_format.decode(ids).rstrip("\ufffd")

    def answers(self) -> dict[str, dict[str, Any]]:
        cut_short = "stopped" if self.stopped.is_set() else "length"
        return {
            name: {
                "text": self.shown(name),
                "tokens": len(self.tokens[name]),
                "finish": "stop" if self.ended[name] else cut_short,
                "first_token_seconds": self.first.get(name),
                "seconds": self.last.get(name),
            }
            for name in self.tokens
        }


def _side_by_side(run: Callable[[str], None], precisions: Sequence[str]) -> None:
    """Call `run` for all precisions at the same time, and raise the first error."""
    if len(precisions) == 1:
        run(precisions[0])
        return
    errors: list[Exception] = []

    def guarded(precision: str) -> None:
        try:
            run(precision)
        except Exception as error:  # raised again in the caller's thread, whatever it is
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(precision,)) for precision in precisions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _context(model: Any) -> int:
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2048


def main() -> None:
    """Serve requests until the input ends. A UserError becomes a reply; a bug ends the process."""
    # The output of a library must not be mixed with the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    stops: dict[int, threading.Event] = {}
    threading.Thread(target=_read, args=(requests, stops), daemon=True).start()

    def reply(message: Mapping[str, Any]) -> None:
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    answerer, scorer = Answerer(), Scorer()
    while True:
        request = requests.get()
        number = request.get("id", 0)  # 0: a request to load
        try:
            if request["do"] == "load":
                reply({"is": "loaded", "facts": answerer.load(request["lineup"])})
                continue
            if request["do"] == "score":
                torch.set_num_threads(1)
                reply(
                    {"is": "scores", "id": number, "scores": scorer.score(request["reward"], request["rows"])}
                )
                continue
            sampling = {key: request[key] for key in ("max_new_tokens", "temperature", "seed")}

            def tell(texts: dict[str, str], number: int = number) -> None:
                reply({"is": "text", "id": number, "texts": texts})

            answers = answerer.answer(request["rows"], **sampling, on_text=tell, stopped=stops[number])
            reply({"is": "answers", "id": number, "answers": answers})
        except UserError as error:
            reply({"is": "error", "id": number, "message": str(error), "code": error.code})
        stops.pop(number, None)


def _read(requests: queue.Queue[dict[str, Any]], stops: dict[int, threading.Event]) -> None:
    """Put requests into the queue; a stop takes effect at once. The end of the input ends the process."""
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "stop":
            if request["id"] in stops:
                stops[request["id"]].set()
            continue
        if request["do"] == "answer":
            stops[request["id"]] = threading.Event()
        requests.put(request)
    os._exit(0)


if __name__ == "__main__":
    main()
