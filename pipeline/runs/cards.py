"""card.json in the folder of a reward run: its report card, for the page and the command line. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from data.errors import Code, UserError
from data.files import read_json, write_json
from data.workspace import Workspace
from pipeline.runs.record import now

if TYPE_CHECKING:  # it imports scikit-learn, which the page does not need to read a card
    from evaluation.reward_card import Card

FILE = "card.json"


def write(workspace: Workspace, run_id: str, card: Card, *, seed: int, prompts: int) -> None:
    """Write or replace the card of a reward run. seed, prompts: of SFT's answers."""
    made = {"run": run_id, "made": now(), "seed": seed, "prompts": prompts}
    write_json(workspace.run(run_id) / FILE, made | card.to_json())


def read(workspace: Workspace, run_id: str) -> dict[str, Any] | None:
    """The card of a run as plain values, with `made` and `prompts`; None if it has none.

    Raises UserError if the file is damaged.
    """
    path = workspace.run(run_id) / FILE
    if not path.is_file():
        return None
    card = read_json(path)
    if not isinstance(card, dict) or not isinstance(card.get("accuracy"), dict):
        raise UserError(f"{path}: is no report card; make the card of {run_id} again", code=Code.RECORD)
    return card
