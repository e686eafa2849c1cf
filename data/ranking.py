"""An order of answers from best to worst, with ties, or the statement that all of them are bad.

A vote is such an order. Its text is "B>A=D>C" (B best, A and D tied, C last) or "none" (all bad).

It does not map letters to policies (`pipeline.arena`) and does not count votes (`evaluation`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data.errors import Code, UserError

LETTERS = "ABCD"  # the answers of a round, first pane first
NONE = "none"  # the text of the order that calls every answer bad


@dataclass(frozen=True)
class Ranking:
    """Names from best to worst; names that are tied share a tier. No tiers: every answer is bad.

    The names are the answers' letters, or policies after `renamed`. Within a tier they are sorted, so that
    equal orders are equal objects.
    """

    tiers: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tiers", tuple(tuple(sorted(tier)) for tier in self.tiers))

    @classmethod
    def parse(cls, text: str, letters: Iterable[str] = LETTERS) -> "Ranking":
        """Read an order that names every letter once; case and spaces do not matter.

        Raises UserError if the text is not such an order.
        """
        expected = sorted(letters)
        found = cls._read(text, expected)
        if found.tiers and sorted(found.names) != expected:
            raise UserError(f"order {text!r} is not valid: give {_example(expected)}", code=Code.ORDER)
        return found

    @classmethod
    def complete(cls, text: str, letters: Iterable[str] = LETTERS) -> "Ranking":
        """Read an order that may omit letters; these share the last place, so that "B>A" is "B>A>C=D".

        A sign at either end is ignored ("B>" is "B"). Raises UserError if no letter is named.
        """
        expected = sorted(letters)
        if not isinstance(text, str) or not text.strip(" >="):
            raise UserError(f"the order is empty: give {_example(expected)}", code=Code.ORDER)
        found = cls._read(text.strip(" >="), expected)
        left = [letter for letter in expected if letter not in found.names]
        return cls((*found.tiers, tuple(left))) if found.tiers and left else found

    @classmethod
    def _read(cls, text: str, expected: list[str]) -> "Ranking":
        if not isinstance(text, str):
            raise UserError(f"the order must be text: give {_example(expected)}", code=Code.ORDER)
        plain = "".join(text.split()).upper()
        if plain == NONE.upper():
            return cls()
        tiers = tuple(tuple(tier.split("=")) for tier in plain.split(">"))
        names = [name for tier in tiers for name in tier]
        if len(set(names)) != len(names) or not set(names) <= set(expected):
            raise UserError(f"order {text!r} is not valid: give {_example(expected)}", code=Code.ORDER)
        return cls(tiers)

    def format(self) -> str:
        """The text of the order, "B>A=D>C" or "none"; `parse` reads it back."""
        return ">".join("=".join(tier) for tier in self.tiers) or NONE

    @property
    def names(self) -> list[str]:
        """Every name of the order, best first; empty if all are bad."""
        return [name for tier in self.tiers for name in tier]

    @property
    def all_bad(self) -> bool:
        return not self.tiers

    @property
    def best(self) -> str | None:
        """The name that is alone in first place, if there is one."""
        return self.tiers[0][0] if self.tiers and len(self.tiers[0]) == 1 else None

    def places(self) -> dict[str, int]:
        """The place of each name, as in sports: {"B": 1, "A": 2, "D": 2, "C": 4}; {} if all are bad."""
        return {name: place for tier, place in self._numbered() for name in tier}

    def mean_places(self) -> dict[str, float]:
        """Like `places`, but tied names share the mean of their places: A and D have 2.5."""
        return {name: place + (len(tier) - 1) / 2 for tier, place in self._numbered() for name in tier}

    def renamed(self, names: Mapping[str, str]) -> "Ranking":
        """The same order with other names, for example policies instead of letters."""
        return Ranking(tuple(tuple(names[name] for name in tier) for tier in self.tiers))

    def _numbered(self) -> list[tuple[tuple[str, ...], int]]:
        place, found = 1, []
        for tier in self.tiers:
            found.append((tier, place))
            place += len(tier)
        return found


def _example(letters: list[str]) -> str:
    named = f"an order that names each of {' '.join(letters)} once, such as {'>'.join(letters)}"
    return f"{named}, with = for a tie, or 'none'"
