"""Reward models' scores of the arena's answers in its database.

Every function runs inside the caller's transaction. `data.votes.VoteStore` is what the rest of the project
uses.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Unscored:
    """An answer that a reward model has not scored yet. prompt: the transcript that it continues."""

    round: str
    letter: str
    prompt: str
    text: str


def store(db: sqlite3.Connection, reward_run: str, scores: Iterable[tuple[str, str, float]]) -> None:
    """Keep scores of answers: (round, letter, score). A known score stays."""
    rows = [(round_id, letter, reward_run, score) for round_id, letter, score in scores]
    db.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)", rows)


def scores(db: sqlite3.Connection, reward_run: str, round_id: str | None) -> dict[str, dict[str, float]]:
    """The stored scores: {round: {policy: score}}, of one round or of all."""
    rows = db.execute(
        "SELECT s.round, a.policy, s.score FROM scores s "
        "JOIN answers a ON a.round = s.round AND a.letter = s.letter "
        "WHERE s.reward_run = ?1 AND (?2 IS NULL OR s.round = ?2)",
        (reward_run, round_id),
    )
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row["round"], {})[row["policy"]] = row["score"]
    return found


def unscored(db: sqlite3.Connection, reward_run: str, season: str, item: str | None) -> list[Unscored]:
    """The answers of a season that were voted on and not scored; item: of this round alone."""
    rows = db.execute(
        "SELECT a.round, a.letter, a.prompt, a.text FROM answers a JOIN rounds r ON a.round = r.id "
        "WHERE r.season = ?2 AND r.repeat_of IS NULL AND (?3 IS NULL OR r.id = ?3) "
        "AND EXISTS (SELECT 1 FROM votes v JOIN rounds c ON v.round = c.id "
        "WHERE c.id = r.id OR c.repeat_of = r.id) "
        "AND NOT EXISTS (SELECT 1 FROM scores s "
        "WHERE s.round = a.round AND s.letter = a.letter AND s.reward_run = ?1) "
        "ORDER BY r.rowid, a.letter",
        (reward_run, season, item),
    )
    return [Unscored(*row) for row in rows.fetchall()]
