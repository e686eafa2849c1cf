"""What the arena's database knows of one round, or of one rater's rounds.

Every function runs inside the caller's transaction. `data.votes.VoteStore` is what the rest of the project
uses.
"""

import json
import sqlite3

from data.errors import Code, UserError
from data.vote_rows import KEPT


def letters(db: sqlite3.Connection, round_id: str) -> list[str]:
    """The letters of a round's answers. Raises UserError for an unknown round."""
    return sorted(json.loads(_of_round(db, "arrangement", round_id)))


def rater_of(db: sqlite3.Connection, round_id: str) -> str:
    """The pseudonym of a round's rater. Raises UserError for an unknown round."""
    return _of_round(db, "rater", round_id)


def item_of(db: sqlite3.Connection, round_id: str) -> str:
    """The round whose answers a round shows: itself, unless they are shown again. UserError if unknown."""
    return _of_round(db, "coalesce(repeat_of, id)", round_id)


def voted(db: sqlite3.Connection, round_id: str) -> bool:
    """Whether a round has a vote that counts."""
    return db.execute(f"SELECT 1 FROM votes WHERE round = ? AND {KEPT}", (round_id,)).fetchone() is not None


def shown(db: sqlite3.Connection, round_id: str) -> tuple[str, dict[str, str]]:
    """The message of an answered round and its texts by letter. Raises UserError for an unknown round."""
    message = _of_round(db, "message", round_id)
    rows = db.execute("SELECT letter, text FROM answers WHERE round = ? ORDER BY letter", (round_id,))
    return message, {row["letter"]: row["text"] for row in rows}


def asked(db: sqlite3.Connection, rater: str, season: str) -> set[str]:
    """The first messages of a rater's answered rounds in a season."""
    rows = db.execute(
        "SELECT DISTINCT message FROM rounds WHERE rater = ? AND season = ? AND state = 'answered'",
        (rater, season),
    )
    return {row["message"] for row in rows}


def _of_round(db: sqlite3.Connection, what: str, round_id: str) -> str:
    row = db.execute(f"SELECT {what} AS found FROM rounds WHERE id = ?", (round_id,)).fetchone()
    if row is None:
        raise UserError("this round is unknown: ask first, then vote on your own round", code=Code.ROUND)
    return str(row["found"])
