"""The votes of a season in the form that the statistics need, read with one query and one row per vote.

`VoteStore.votes` returns the complete record of a vote; this module returns only what is counted. A rating
(a vote on one answer) is not a comparison and is read separately.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple


class CastVote(NamedTuple):
    """A comparison as it was cast.

    number: increases with every vote of the database. item: the round whose answers were judged, which is the
    same for all raters who saw these answers. policies: {letter: policy}. identical: groups of letters whose
    answers are the same text. tokens: {policy: tokens of the answer}. seconds: time from the answers to the
    vote.
    """

    number: int
    item: str
    rater: str
    prompt_sha256: str
    order: str
    policies: Mapping[str, str]
    identical: tuple[tuple[str, ...], ...]
    tokens: Mapping[str, int]
    seconds: float


class CastRating(NamedTuple):
    """A rating from 1 to 5 of one answer. item: as of `CastVote`. tags: from `data.modes.TAGS`."""

    item: str
    rater: str
    policy: str
    rating: int
    tags: tuple[str, ...]


def cast_votes(db: sqlite3.Connection, season: str | None, after: int = 0) -> list[CastVote]:
    """The comparisons of a season (None: all) with a number above `after`, in the order of casting.

    Retracted votes are included; `retracted_votes` returns their numbers.
    """
    rows = _rows(
        db,
        "SELECT v.rowid, coalesce(r.repeat_of, r.id), v.rater, r.prompt_sha256, v.ranking, "
        "r.arrangement, r.same, v.reading_seconds, r.tokens FROM votes v JOIN rounds r ON v.round = r.id "
        "WHERE v.rowid > ?2 AND r.mode != 'rate' AND (?1 IS NULL OR r.season = ?1) ORDER BY v.rowid",
        season,
        after,
    )
    arrangements, groups = _Parsed(), _Parsed()  # there are few distinct ones, so each is parsed once
    tokens = json.loads(f"[{','.join([row[-1] for row in rows])}]")  # one call is much faster than many
    return [
        CastVote(number, item, rater, prompt, order, arrangements[panes], groups[same], counts, seconds)
        for (number, item, rater, prompt, order, panes, same, seconds, _), counts in zip(
            rows, tokens, strict=True
        )
    ]


def cast_ratings(db: sqlite3.Connection, season: str | None) -> list[CastRating]:
    """The ratings of a season (None: all) that count, in the order in which they were cast."""
    arrangements, tags = _Parsed(), _Parsed()
    return [
        CastRating(item, rater, next(iter(arrangements[panes].values())), rating, tags[given])
        for item, rater, panes, rating, given in _rows(
            db,
            "SELECT coalesce(r.repeat_of, r.id), v.rater, r.arrangement, v.rating, v.tags "
            "FROM votes v JOIN rounds r ON v.round = r.id WHERE v.rating IS NOT NULL "
            "AND (?1 IS NULL OR r.season = ?1) AND v.id NOT IN (SELECT vote FROM retractions) "
            "ORDER BY v.rowid",
            season,
        )
    ]


def retracted_votes(db: sqlite3.Connection) -> frozenset[int]:
    """The numbers of the retracted votes."""
    rows = _rows(db, "SELECT v.rowid FROM retractions t JOIN votes v ON v.id = t.vote")
    return frozenset(number for (number,) in rows)


class _Parsed(dict[str, Any]):
    """JSON texts and their values; lists become tuples, so that they can be keys."""

    def __missing__(self, text: str) -> Any:
        value = json.loads(text)
        if isinstance(value, list):
            value = tuple(tuple(part) if isinstance(part, list) else part for part in value)
        self[text] = value
        return value


def _rows(db: sqlite3.Connection, query: str, *values: str | int | None) -> list[tuple[Any, ...]]:
    """The rows as plain tuples, which take half the time of sqlite3.Row."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(query, values).fetchall()
