"""The tiny world: English dialogues, generated from a seed, whose quality a program can check.

See `generate.py` for the dialogues and `gold.py` for the check.
"""

from data.world.generate import (
    LEAST_LEAD,
    NOISE,
    dialogues,
    example_prompts,
    generate_splits,
    safety_prompts,
)
from data.world.gold import Gold, gold
from data.world.splits import asks_held_out, question_key

__all__ = [
    "LEAST_LEAD",
    "NOISE",
    "Gold",
    "asks_held_out",
    "dialogues",
    "example_prompts",
    "generate_splits",
    "gold",
    "question_key",
    "safety_prompts",
]
