"""The votes of a season in the form that the statistics need, read with two queries for any number of votes.

`VoteStore.votes` returns the complete record of a vote; this module returns only what is counted.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CastVote:
    """A vote as it was cast.

    number: increases with every vote of the database. policies: {letter: policy}. identical: groups of
    letters whose answers are the same text. tokens: {letter: tokens of the answer}. seconds: time from the
    answers to the vote.
    """

    number: int
    round: str
    rater: str
    prompt_sha256: str
    order: str
    policies: Mapping[str, str]
    identical: tuple[tuple[str, ...], ...]
    tokens: Mapping[str, int]
    seconds: float


def cast_votes(db: sqlite3.Connection, season: str | None, after: int = 0) -> list[CastVote]:
    """The votes of a season (None: all) with a number above `after`, in the order in which they were cast.

    Retracted votes are included; `retracted_votes` returns their numbers.
    """
    answers: dict[str, list[tuple[str, str, int]]] = {}
    for number, letter, text, tokens in _rows(
        db,
        "SELECT a.round, a.letter, a.text, a.tokens FROM votes v JOIN answers a ON a.round = v.round "
        "WHERE v.rowid > ?2 AND (?1 IS NULL OR (SELECT season FROM rounds WHERE id = v.round) = ?1)",
        season,
        after,
    ):
        answers.setdefault(number, []).append((letter, text, tokens))
    arrangements: dict[str, dict[str, str]] = {}  # there are few distinct ones, so each is parsed once
    found = []
    for number, round_id, rater, prompt, order, arrangement, seconds in _rows(
        db,
        "SELECT v.rowid, v.round, v.rater, r.prompt_sha256, v.ranking, r.arrangement, v.reading_seconds "
        "FROM votes v JOIN rounds r ON v.round = r.id "
        "WHERE v.rowid > ?2 AND (?1 IS NULL OR r.season = ?1) ORDER BY v.rowid",
        season,
        after,
    ):
        if arrangement not in arrangements:
            arrangements[arrangement] = json.loads(arrangement)
        given = answers[round_id]
        same = tuple(map(tuple, identical_groups({letter: text for letter, text, _ in given})))
        tokens = {letter: count for letter, _, count in given}
        policies = arrangements[arrangement]
        found.append(CastVote(number, round_id, rater, prompt, order, policies, same, tokens, seconds))
    return found


def retracted_votes(db: sqlite3.Connection) -> frozenset[int]:
    """The numbers of the retracted votes."""
    rows = _rows(db, "SELECT v.rowid FROM retractions t JOIN votes v ON v.id = t.vote")
    return frozenset(number for (number,) in rows)


def identical_groups(texts: Mapping[str, str]) -> list[list[str]]:
    """Groups of two or more letters with the same text, such as [['A', 'C']]."""
    if len(set(texts.values())) == len(texts):
        return []
    groups: dict[str, list[str]] = {}
    for letter in sorted(texts):
        groups.setdefault(texts[letter], []).append(letter)
    return [group for group in groups.values() if len(group) > 1]


def _rows(db: sqlite3.Connection, query: str, *values: str | int | None) -> list[tuple[Any, ...]]:
    """The rows as plain tuples, which take half the time of sqlite3.Row."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(query, values).fetchall()
