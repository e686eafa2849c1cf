"""What a prompt of the tiny world is about: its kind, the group of kinds, and its subject.

Two prompts that ask the same in other words have the same subject. It tells a reward model's test pairs about
subjects that occur in training from those about new ones.
"""

from __future__ import annotations

from data.world.kinds import by_name
from data.world.parse import parse
from data.world.request import bare

Subject = tuple[str, ...]


def subject(prompt: str) -> Subject | None:
    """The kind and what the question is about; None for a prompt outside the world, and for a question about
    something unknown, whose name is always new."""
    request = parse(prompt)
    if request is None or request.kind.group == "unknown":
        return None
    return (
        request.kind.name,
        *sorted(bare(request.item[slot]) for slot in ("x", "z") if slot in request.item),
    )


def group(kind: str) -> str:
    """The group of a kind, such as "fact" of "capital"; the kind itself if the world does not know it."""
    known = by_name().get(kind)
    return known.group if known else kind
