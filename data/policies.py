"""The names that the project compares: the precisions of reward models and the policies of an arena."""

from typing import Literal, get_args

Precision = Literal["bf16", "int8", "int4"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
POLICIES: tuple[str, ...] = ("sft", *(f"ppo-{precision}" for precision in PRECISIONS))
