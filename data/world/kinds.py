"""Every kind of request of the tiny world.

A `Kind` knows how its questions are worded, which subjects it has, how a right and a wrong answer read, and
what an answer is `Expected` to contain. `parse.find(text)` does the reverse: it maps a question as a person
typed it to its request. `gold.py` scores answers; `answers.py` has the good and bad ways of answering.

    python -c "from data.world.kinds import kinds; print(len(kinds()))"
"""

from __future__ import annotations

from functools import cache

from data.world.facts import facts
from data.world.harm import harms
from data.world.request import Kind
from data.world.social import social
from data.world.tasks import tasks
from data.world.unknown import unknown


@cache
def kinds() -> tuple[Kind, ...]:
    """Every kind. The unknown one is last because its wordings match whatever the others do not."""
    return (*facts(), *tasks(), *social(), *harms(), unknown())


@cache
def by_name() -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds()}
