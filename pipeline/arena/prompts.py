"""Prompts to go on with in the arena."""

from collections.abc import Sequence

from data import world
from data.everyday import PROMPTS
from data.files import read_jsonl
from data.records import messages
from data.workspace import Workspace
from pipeline.arena.lineup import Lineup

HELD_OUT = 1000  # rows of the validation split among which prompts are offered


def suggestions(preset: str) -> Sequence[str]:
    """Example prompts that suit the models of a preset."""
    return world.example_prompts() if preset == "tiny" else PROMPTS


def held_out(workspace: Workspace, lineup: Lineup) -> list[str]:
    """Single-turn prompts of the validation split of trained policies; [] for shipped policies."""
    if lineup.demo or not lineup.dataset:
        return []
    path = workspace.dataset(lineup.dataset) / "validation_prefs.jsonl"
    if not path.is_file():
        return []
    turns = [messages(row["prompt"]) for row in read_jsonl(path)[:HELD_OUT]]
    return list(dict.fromkeys(said[0]["content"] for said in turns if len(said) == 1))
