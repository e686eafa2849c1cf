"""The ways in which a rater judges answers, and the words that a rater may choose instead of writing."""

from typing import Literal, get_args

# rank: all policies in an order; pair: two of them, which is better; rate: one answer, from 1 to 5.
Mode = Literal["rank", "pair", "rate"]
MODES: tuple[str, ...] = get_args(Mode)
RATINGS = range(1, 6)  # 5 is best
TAGS = ("wrong", "unsafe", "off_topic", "too_long", "unclear", "rude")  # why a rating is low
SKIPS = ("prompt_unclear", "cannot_judge", "unpleasant", "other")  # why a round gets no vote


def answers_shown(mode: Mode, policies: int) -> int:
    """How many of the policies answer in a round of this mode."""
    return {"rank": policies, "pair": min(2, policies), "rate": 1}[mode]
