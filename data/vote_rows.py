"""Votes of the arena in its database: casting one, reading one with everything that is known of it, a rater's
own ones, and skipped rounds.

Every function runs inside the caller's transaction. `data.votes.VoteStore` is what the rest of the project
uses.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from data.errors import Code, UserError
from data.modes import RATINGS, SKIPS, TAGS, Mode
from data.ranking import Ranking
from data.round_rows import now, to_json

KEPT = "id NOT IN (SELECT vote FROM retractions)"


@dataclass(frozen=True)
class NewVote:
    """What a rater says of a round. ranking: a canonical order; rating and tags: in the mode "rate"."""

    id: str
    round: str
    ranking: str
    comment: str = ""
    rating: int | None = None
    tags: Sequence[str] = ()

    @property
    def said(self) -> tuple[str, int | None]:
        """What makes two votes on one round the same vote."""
        return self.ranking, self.rating


@dataclass(frozen=True)
class OwnVote:
    """A vote as its rater finds it again. said: the order, or the rating as a digit."""

    id: str
    created: str
    mode: Mode
    message: str
    said: str


def cast(db: sqlite3.Connection, vote: NewVote, rater: str | None) -> dict[str, Any]:
    """Store a vote and return its row; the same vote again returns the one that is there.

    Raises UserError for what `VoteStore.vote` names.
    """
    round_row = db.execute("SELECT * FROM rounds WHERE id = ?", (vote.round,)).fetchone()
    if round_row is None or (rater is not None and rater != round_row["rater"]):
        raise UserError("this round is unknown, or another rater's", code=Code.ROUND)
    known = db.execute("SELECT round, ranking, rating FROM votes WHERE id = ?", (vote.id,)).fetchone()
    if known is not None:
        if tuple(known) != (vote.round, *vote.said):
            raise UserError("this vote id was used for another vote", code=Code.VOTED)
        return vote_row(db, vote.id)
    if round_row["state"] != "answered":
        raise UserError("this round has no answers to vote on: ask again", code=Code.ROUND)
    if db.execute("SELECT 1 FROM skips WHERE round = ?", (vote.round,)).fetchone():
        raise UserError("this round was skipped: ask again", code=Code.ROUND)
    _check(vote, round_row)
    earlier = db.execute(
        f"SELECT id, ranking, rating FROM votes WHERE round = ? AND {KEPT}", (vote.round,)
    ).fetchone()
    if earlier is not None:
        if (earlier["ranking"], earlier["rating"]) != vote.said:
            raise UserError("this round has a vote already", code=Code.VOTED)
        return vote_row(db, earlier["id"])
    time = datetime.now(UTC)
    reading = (time - datetime.fromisoformat(round_row["answered"])).total_seconds()
    db.execute(
        "INSERT INTO votes (id, round, rater, ranking, comment, created, reading_seconds, rating, tags) "
        "VALUES (?,?,?,?,?,?,?,?,?)",
        (vote.id, vote.round, round_row["rater"], vote.ranking, vote.comment, time.isoformat())
        + (max(reading, 0.0), vote.rating, to_json(list(vote.tags))),
    )
    return vote_row(db, vote.id)


def skip(db: sqlite3.Connection, round_id: str, reason: str, rater: str) -> None:
    """Record that a rater gives no vote on an answered round of their own. Again is the same as once.

    Raises UserError for an unknown reason or round, and for one with a vote.
    """
    if reason not in SKIPS:
        raise UserError(f"reason={reason}: choose one of {', '.join(SKIPS)}", code=Code.REQUEST)
    row = db.execute("SELECT rater FROM rounds WHERE id = ? AND state = 'answered'", (round_id,)).fetchone()
    if row is None or row["rater"] != rater:
        raise UserError("this round is unknown, or another rater's", code=Code.ROUND)
    if db.execute(f"SELECT 1 FROM votes WHERE round = ? AND {KEPT}", (round_id,)).fetchone():
        raise UserError("this round has a vote already", code=Code.VOTED)
    db.execute("INSERT OR IGNORE INTO skips VALUES (?, ?, ?)", (round_id, now(), reason))


def retract(db: sqlite3.Connection, vote_id: str, rater: str, reason: str) -> None:
    """Retract a rater's vote; again is the same as once. Raises UserError for an unknown vote, or another
    rater's."""
    mine = db.execute("SELECT 1 FROM votes WHERE id = ? AND rater = ?", (vote_id, rater)).fetchone()
    if mine is None:
        raise UserError("this vote is unknown, or another rater's", code=Code.ROUND)
    db.execute("INSERT OR IGNORE INTO retractions VALUES (?, ?, ?)", (vote_id, now(), reason))


def own_votes(db: sqlite3.Connection, rater: str, season: str | None, limit: int) -> list[OwnVote]:
    """A rater's votes that count, the newest first."""
    rows = db.execute(
        "SELECT v.id, v.created, r.mode, r.message, v.ranking, v.rating FROM votes v "
        "JOIN rounds r ON v.round = r.id WHERE v.rater = ?1 AND (?2 IS NULL OR r.season = ?2) "
        f"AND v.{KEPT} ORDER BY v.rowid DESC LIMIT ?3",
        (rater, season, limit),
    ).fetchall()
    return [
        OwnVote(row["id"], row["created"], row["mode"], row["message"], str(row["rating"] or row["ranking"]))
        for row in rows
    ]


def vote_row(db: sqlite3.Connection, vote_id: str) -> dict[str, Any]:
    """Everything that is known of a vote; the keys are those of `VoteStore.votes`."""
    vote = db.execute("SELECT * FROM votes WHERE id = ?", (vote_id,)).fetchone()
    row = db.execute("SELECT * FROM rounds WHERE id = ?", (vote["round"],)).fetchone()
    gone = db.execute("SELECT 1 FROM retractions WHERE vote = ?", (vote_id,)).fetchone()
    answers = db.execute("SELECT * FROM answers WHERE round = ? ORDER BY letter", (row["id"],)).fetchall()
    texts = ("season", "conversation", "turn", "language", "message", "prompt_sha256", "seed")
    return {
        "vote": vote["id"],
        "order": vote["ranking"],
        "retracted": gone is not None,
        **{key: vote[key] for key in ("round", "rater", "comment", "created", "reading_seconds", "rating")},
        "tags": json.loads(vote["tags"]),
        **{key: row[key] for key in (*texts, "mode", "repeat_of")},
        **{key: json.loads(row[key]) for key in ("decoding", "base", "software")},
        "policies": json.loads(row["arrangement"]),
        "answers": {a["letter"]: dict(a) | {"weights": json.loads(a["weights"])} for a in answers},
    }


def _check(vote: NewVote, round_row: sqlite3.Row) -> None:
    """Raise UserError for what is no vote in the mode of this round."""
    Ranking.parse(vote.ranking, json.loads(round_row["arrangement"]))  # refuses what is no order
    if round_row["mode"] != "rate":
        if vote.rating is not None or vote.tags:
            raise UserError("this round asks for an order, not for a rating", code=Code.ORDER)
        return
    if vote.rating not in RATINGS:
        raise UserError(f"rating={vote.rating}: give a whole number from 1 to 5", code=Code.ORDER)
    unknown = set(vote.tags) - set(TAGS)
    if unknown:
        raise UserError(f"reason {sorted(unknown)[0]!r}: choose from {', '.join(TAGS)}", code=Code.ORDER)
