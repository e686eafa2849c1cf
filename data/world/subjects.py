"""What a prompt of the tiny world is about: its kind, the group of kinds, and its subject.

Two prompts that ask the same in other words have the same subject. It tells a reward model's test pairs about
subjects that occur in training from those about new ones.
"""

from __future__ import annotations

from data.world.kinds import by_name
from data.world.parse import parse

Subject = tuple[str, ...]


def subject(prompt: str) -> Subject | None:
    """The kind and what fills its slots, in lower case; None for a prompt outside the world."""
    request = parse(prompt)
    if request is None:
        return None
    slots = (f"{slot}={text.lower()}" for slot, text in sorted(request.item.items()))
    return (request.kind.name, *slots)


def group(kind: str) -> str:
    """The group of a kind, such as "fact" of "capital"; the kind itself if the world does not know it."""
    known = by_name().get(kind)
    return known.group if known else kind
