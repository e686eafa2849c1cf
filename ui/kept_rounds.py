"""The open round of each rater, with what the rater has typed, so that a reload of the page shows it again.

Only the server's memory holds them: they name no policy, and they are gone when the app ends or when too many
raters have one. A round that has a vote or was skipped is no longer kept.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from dataclasses import dataclass

from ui.arena_views import View

MOST = 500  # raters whose round is kept


@dataclass(frozen=True)
class Kept:
    """An answered round and the comment on it; the order is in the view."""

    view: View
    comment: str = ""


class KeptRounds:
    """The open rounds by rater, the most recently used last. Thread-safe."""

    def __init__(self, most: int = MOST):
        self._most = most
        self._rounds: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, rater: str, view: View) -> View:
        """Keep an answered round and forget one that has ended; returns the view."""
        with self._lock:
            if view.phase == "answered":
                self._rounds[rater] = Kept(view)
                self._rounds.move_to_end(rater)
                while len(self._rounds) > self._most:
                    self._rounds.popitem(last=False)
            elif view.phase != "asking" or view.state is not None:
                self._rounds.pop(rater, None)
        return view

    def type(self, rater: str, order: str, comment: str) -> None:
        """Keep what the rater has typed for the open round; nothing without one."""
        with self._lock:
            kept = self._rounds.get(rater)
            if kept:
                view = dataclasses.replace(kept.view, order=order)
                self._rounds[rater] = Kept(view, comment)

    def of(self, rater: str) -> Kept | None:
        """The open round of a rater."""
        with self._lock:
            return self._rounds.get(rater)
