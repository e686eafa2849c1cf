"""Finds the parents of a run whose model files have no hashes and so cannot be checked. No torch."""

from __future__ import annotations

from data import sealed
from data.workspace import Workspace
from pipeline.runs.record_file import Parents

ADVICE = "train it again, or restore a backup"


def unsealed(workspace: Workspace, parents: Parents) -> list[str]:
    """The model folders, relative to the workspace, of a run's parents whose card has no hashes.

    Raises UserError for a damaged card.
    """
    cards = [workspace.run(run_id) / "model" / "model.json" for run_id in parents.ids]
    return [
        workspace.relative(card.parent)
        for card in cards
        if card.is_file() and not sealed.is_sealed(sealed.read_card(card, ADVICE))
    ]
