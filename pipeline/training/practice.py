"""The SFT policy's own answers to the built-in requests, from which reward models learn (`data.own_pairs`).

SFT answers the requests once at its end and stores the answers in its run, so that the reward models of all
precisions learn from the same ones. This module trains nothing.

    runs/<id>/practice.jsonl    {"request": "How do I boil an egg?", "answers": ["Put it in hot water."]}
"""

from typing import Any

import torch

from data import sealed
from data.errors import Code, UserError
from data.files import json_bytes, read_jsonl, write_atomic
from data.own_pairs import OwnAnswers
from data.records import transcript
from data.safety_pairs import all_requests
from data.workspace import Workspace
from evaluation.safety import what_it_does
from models.prompting import PromptFormat
from pipeline.runs import phases
from pipeline.runs.record import Run
from pipeline.settings.fields import SftSettings
from pipeline.training import measure

FILE = "practice.jsonl"
LENGTH, TEMPERATURE = 64, 0.7  # those of PPO in the preset `small`, which is the one that practises
AT_ONCE, AT_ONCE_ON_GPU = 96, 384  # answers; on a GPU a token takes as long for many as for few (docs/gpu.md)


def write(model, prompt_format: PromptFormat, settings: SftSettings, run: Run) -> dict[str, Any]:
    """Let the active adapter answer every built-in request `settings.practice_answers` times.

    The answers are sampled with the run's seed and have at most LENGTH tokens. The model stays in evaluation
    mode. Returns {FILE: its size and hash}, which belong into the run's results.
    """
    requests = all_requests()
    repeated = [request for request in requests for _ in range(settings.practice_answers)]
    run.phase(phases.PRACTISING, len(repeated))
    length = min(LENGTH, settings.max_length // 2)
    model.eval()
    with torch.inference_mode():
        texts = measure.respond(
            model,
            [transcript([{"role": "user", "content": request}]) for request in repeated],
            prompt_format,
            max_length=settings.max_length - length,
            response_length=length,
            temperature=TEMPERATURE,
            seed=settings.seed,
            batch_size=AT_ONCE_ON_GPU if model.device.type == "cuda" else AT_ONCE,
        ).texts
    answers: dict[str, list[str]] = {request: [] for request in requests}
    for request, text in zip(repeated, texts, strict=True):
        answers[request].append(text)
    rows = [{"request": request, "answers": given} for request, given in answers.items()]
    data = b"".join(json_bytes(row) + b"\n" for row in rows)
    write_atomic(run.folder / FILE, data)
    return {FILE: sealed.entry(data)}


def read(workspace: Workspace, sft_run: str) -> dict[str, OwnAnswers]:
    """The answers of an SFT run to the built-in requests, by what they do; empty answers are left out.

    Raises UserError if the run has not answered all of them, or if its file has changed since.
    """
    run = Run.load(workspace, sft_run)
    given = {row["request"]: row["answers"] for row in read_jsonl(run.folder / FILE)}
    if given and (entries := run.record.results.get("practice")):  # earlier versions recorded none
        sealed.read_file(run.folder / FILE, entries, "train SFT again")
    if missing := [request for request in all_requests() if not given.get(request)]:
        raise UserError(
            f"SFT run {sft_run!r} has no answers of its own to {len(missing)} built-in requests",
            code=Code.PARENT_RUN,
            command="train SFT again with practice_answers=2, or set own_answers=false for the reward model",
        )
    return {request: _sorted([text for text in given[request] if text]) for request in all_requests()}


def _sorted(texts: list[str]) -> OwnAnswers:
    kinds: dict[str, list[str]] = {"declined": [], "evaded": [], "answered": []}
    for text in texts:
        kinds[what_it_does(text)].append(text)
    return OwnAnswers(**{kind: tuple(said) for kind, said in kinds.items()})
