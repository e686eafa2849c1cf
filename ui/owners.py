"""Which visitor a session or an event of Gradio belongs to, so that nobody reads or ends another's.

A session's name is chosen by the browser and belongs to who uses it first; an event's name is given out by
the server. Both are forgotten when the owner, or everybody together, has too many.
"""

from __future__ import annotations

from collections import OrderedDict

MOST, MOST_OF_ONE = 20_000, 1_000


class Owners:
    """Owners of names, newest last."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE):
        self._most, self._most_of_one = most, most_of_one
        self._owner: OrderedDict[str, str] = OrderedDict()
        self._names: dict[str, OrderedDict[str, None]] = {}

    def give(self, name: str, owner: str) -> None:
        """Let `name` belong to `owner`; the oldest names make room."""
        self._forget(name)
        own = self._names.setdefault(owner, OrderedDict())
        while len(own) >= self._most_of_one:
            self._forget(next(iter(own)))
            own = self._names.setdefault(owner, OrderedDict())
        while len(self._owner) >= self._most:
            self._forget(next(iter(self._owner)))
        self._names.setdefault(owner, own)[name] = None
        self._owner[name] = owner

    def claim(self, name: str, owner: str) -> bool:
        """Whether `name` belongs to `owner`, which it does from now on if it belonged to nobody."""
        if name not in self._owner:
            self.give(name, owner)
        return self.owns(name, owner)

    def owns(self, name: str, owner: str) -> bool:
        """Whether `name` is known and belongs to `owner`. A name that is used stays longer."""
        if self._owner.get(name) != owner:
            return False
        self._owner.move_to_end(name)
        self._names[owner].move_to_end(name)
        return True

    def _forget(self, name: str) -> None:
        owner = self._owner.pop(name, None)
        if owner is not None:
            self._names[owner].pop(name)
            if not self._names[owner]:
                del self._names[owner]
