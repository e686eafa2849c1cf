"""The tiny world: English dialogues, generated from a seed, whose quality a program can check.

See `generate.py` for the dialogues and `gold.py` for the check.
"""

from data.world.generate import dialogues, example_prompts, generate_splits, safety_prompts
from data.world.gold import Gold, gold

__all__ = ["Gold", "dialogues", "example_prompts", "generate_splits", "gold", "safety_prompts"]
