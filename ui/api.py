"""The public API of the page: the only endpoints that scripts, tests and MCP clients may call.

    from gradio_client import Client
    client = Client("http://127.0.0.1:7860")
    answer = client.predict("What is the capital of France?", "me", api_name="/ask")
    client.predict(answer["round"], "B>A=D>C", "", "", api_name="/vote")

No answer before the vote names a policy. `endpoints` creates the functions, so that tests can call them
directly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from pipeline.runs.record_file import to_json
from ui.access import api_rater, api_voter, for_raters
from ui.events import raised
from ui.parts import Services


def endpoints(services: Services) -> dict[str, Callable[..., Any]]:
    """The public functions by name."""

    @for_raters
    def ask(prompt: str, rater: str, request: gr.Request | None = None) -> dict[str, Any]:
        """All four policies answer a prompt, blind: {"round", "answers": {"A": text, ...}}. The rater is
        the login, if there is one. Otherwise the round's id is the key to vote: keep it secret."""
        *_, view = services.arena.ask(prompt, api_rater(request, rater))
        return {"round": view.round, "answers": dict(view.answers)}

    @for_raters
    def vote(
        round: str, order: str, comment: str = "", vote_id: str = "", request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Vote on a round with an order such as "B>A=D>C", or "none"; returns the policy behind each letter.
        Repeating the same vote_id returns the same answer and stores nothing new."""
        rater = api_voter(request, services.arena.rater_of(round))
        told = services.arena.vote(round, order, comment=comment, vote_id=vote_id or None, rater=rater)
        return dict(told)

    @for_raters
    def leaderboard() -> list[dict[str, Any]]:
        """The policies, strongest first, with intervals."""
        return list(services.arena.leaderboard())

    @for_raters
    def list_of_runs() -> list[dict[str, Any]]:
        """All runs, newest first."""
        keys = (
            "id",
            "stage",
            "preset",
            "precision",
            "seed",
            "status",
            "started",
            "ended",
            "seconds",
            "results",
            "error",
            "progress",
        )
        rows = []
        for record in services.runs.list():
            progress = asdict(record.progress) if record.progress else None
            row = to_json(record) | {"progress": progress}
            rows.append({key: row.get(key) for key in keys})
        return rows

    def start(stage: str, precision: str = "bf16", preset: str = "tiny") -> str:
        """Add a stage to the queue; returns the run's id."""
        return services.jobs.start(stage, preset, precision, [])

    def cancel(run: str) -> str:
        """Cancel a queued or running run; returns its id."""
        services.jobs.cancel(run)
        return run

    return {
        "ask": ask,
        "vote": vote,
        "leaderboard": leaderboard,
        "runs": list_of_runs,
        "start": start,
        "cancel": cancel,
    }


def build(services: Services) -> None:
    """Add the endpoints to the current Blocks context."""
    for name, function in endpoints(services).items():
        line = {"concurrency_id": "inference", "concurrency_limit": 1} if name == "ask" else {}
        gr.api(raised(function), api_name=name, **line)
