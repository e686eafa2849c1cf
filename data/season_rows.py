"""Seasons of the arena in its database: reading them, their terms, and early looks at a hidden leaderboard.

Every function runs inside the caller's transaction. `data.votes.VoteStore` is what the rest of the project
uses.
"""

import json
import sqlite3
from datetime import UTC, datetime

from data.errors import Code, UserError
from data.seasons import Look, Season, SeasonFacts, Terms
from data.vote_schema import enter_season


def seasons(db: sqlite3.Connection) -> list[Season]:
    """All seasons, the newest first."""
    rows = db.execute(
        "SELECT s.*, (SELECT count(*) FROM votes v JOIN rounds r ON v.round = r.id WHERE r.season = s.id "
        "AND v.id NOT IN (SELECT vote FROM retractions)) AS votes FROM seasons s ORDER BY s.number DESC"
    )
    return [_season(row) for row in rows.fetchall()]


def terms(db: sqlite3.Connection, season: str) -> Terms:
    """The terms of a season; the usual ones where nobody has asked in it yet."""
    row = db.execute("SELECT margin, target, hidden FROM seasons WHERE id = ?", (season,)).fetchone()
    return _terms(row) if row else Terms()


def set_terms(db: sqlite3.Connection, season: str | SeasonFacts, chosen: Terms) -> None:
    """Fix the terms of a season. Raises UserError for what `VoteStore.set_terms` names."""
    margin, target, hidden = chosen.margin, chosen.target, chosen.hidden
    if not 0 < margin < 0.5:
        raise UserError(
            f"margin={margin}: give a share of decisive votes between 0 and 0.5", code=Code.REQUEST
        )
    if target is not None and target < 1:
        raise UserError(f"target={target}: give a number of rankings, 1 or more", code=Code.REQUEST)
    if hidden and target is None:
        raise UserError("a leaderboard can only be hidden until a target: give one", code=Code.REQUEST)
    name = season if isinstance(season, str) else enter_season(db, season)
    voted = db.execute(
        "SELECT 1 FROM votes v JOIN rounds r ON v.round = r.id WHERE r.season = ?", (name,)
    ).fetchone()
    if voted is not None:
        raise UserError(
            "this season has votes: its margin and target were fixed before the first one",
            code=Code.REQUEST,
        )
    changed = db.execute(
        "UPDATE seasons SET margin = ?, target = ?, hidden = ? WHERE id = ?",
        (margin, target, int(hidden), name),
    ).rowcount
    if changed != 1:
        raise UserError("this season is unknown: ask once, then set its terms", code=Code.ROUND)


def add_look(db: sqlite3.Connection, season: str, rater: str, rankings: int) -> None:
    """Record an early look; a second one at the same number of rankings is the same look."""
    db.execute(
        "INSERT OR IGNORE INTO looks VALUES (?, ?, ?, ?)",
        (season, rater, datetime.now(UTC).isoformat(), rankings),
    )


def looks(db: sqlite3.Connection, season: str) -> list[Look]:
    """The early looks at a season's leaderboard, oldest first."""
    rows = db.execute(
        "SELECT rater, created, rankings FROM looks WHERE season = ? ORDER BY created", (season,)
    )
    return [Look(row["rater"], row["created"], row["rankings"]) for row in rows.fetchall()]


def _season(row: sqlite3.Row) -> Season:
    facts = SeasonFacts(
        preset=row["preset"],
        base_model=row["base_model"],
        base_hash=row["base_hash"],
        policies=json.loads(row["policies"]),
        decoding=json.loads(row["decoding"]),
        demo=bool(row["demo"]),
    )
    return Season(
        row["id"],
        row["number"],
        row["created"],
        facts,
        row["votes"],
        _terms(row),
    )


def _terms(row: sqlite3.Row) -> Terms:
    return Terms(row["margin"], row["target"], bool(row["hidden"]))
