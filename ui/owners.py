"""The owner of each Gradio session and event, so that no visitor can read or end another visitor's.

The browser chooses the name of a session, which belongs to its first user; the server issues the names of
events. The oldest names are dropped when one owner, or all owners together, have too many.
"""

from __future__ import annotations

from collections import OrderedDict

MOST, MOST_OF_ONE = 20_000, 1_000


class Owners:
    """The owners of names; the most recently used name is last."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE):
        self._most, self._most_of_one = most, most_of_one
        self._owner: OrderedDict[str, str] = OrderedDict()
        self._names: dict[str, OrderedDict[str, None]] = {}

    def give(self, name: str, owner: str) -> None:
        """Assign `name` to `owner`; the oldest names are dropped to make room."""
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
        """Whether `name` belongs to `owner`; a name without an owner is assigned to `owner` first."""
        if name not in self._owner:
            self.give(name, owner)
        return self.owns(name, owner)

    def owns(self, name: str, owner: str) -> bool:
        """Whether `name` is known and belongs to `owner`. A lookup makes the name the most recent."""
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
