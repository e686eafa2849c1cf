"""Which results a run stands on without being able to check them. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data import sealed
from data.workspace import Workspace

ADVICE = "train it again, or restore a backup"


def unsealed(workspace: Workspace, parents: Mapping[str, Any]) -> list[str]:
    """The model folders of a run's parents whose card has no hashes, relative to the workspace.

    parents: as in run.json; a value is a run id, {precision: run id}, or the name of a data set. Raises
    UserError for a damaged card.
    """
    ids: list[str] = []
    for role in ("sft", "reward", "ppo"):
        value = parents.get(role) or []
        ids += value.values() if isinstance(value, Mapping) else [value] if isinstance(value, str) else value
    cards = [workspace.run(run_id) / "model" / "model.json" for run_id in ids]
    return [
        workspace.relative(card.parent)
        for card in cards
        if card.is_file() and not sealed.is_sealed(sealed.read_card(card, ADVICE))
    ]
