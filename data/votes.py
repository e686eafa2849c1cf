"""The store of the arena: seasons, rounds, answers, votes and raters in one SQLite file.

Votes are append-only: a vote can be retracted (a row in `retractions`) but never changed or deleted. When
`vote` returns, the vote is on disk; the same vote sent again is recognised and not stored twice. Callers
identify a rater by a cookie or a login; the database and its rows hold a pseudonym (`data.pseudonyms`).

The store does not select the policies (`pipeline.arena.rounds`) or compute statistics (`evaluation`).
"""

import itertools
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.cast_votes import CastVote, cast_votes, retracted_votes
from data.errors import Code, UserError
from data.preferences import preference_pairs
from data.pseudonyms import KEY_FILE, Pseudonyms
from data.ranking import LETTERS, Ranking
from data.seasons import Season, SeasonFacts
from data.sqlite_file import SqliteFile
from data.vote_schema import APPLICATION_ID, SCHEMA, VERSION, enter_season, migrations


@dataclass(frozen=True)
class NewRound:
    """A round that waits for its answers. arrangement: {letter: policy}, which never leaves the server."""

    id: str
    conversation: str
    turn: int
    arrangement: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One pane's answer. prompt: the transcript it continues; weights: hashes and run ids of its model."""

    letter: str
    policy: str
    prompt: str
    text: str
    tokens: int
    finish: str  # "stop" or "length"
    first_token_seconds: float | None
    seconds: float | None
    weights: Mapping[str, Any]


class VoteStore:
    """The store at `path`, which is created if it does not exist; many threads may use one object.

    Raises UserError if the file is damaged or belongs to another program or a newer version, or if the key of
    its pseudonyms is missing or another one.
    """

    def __init__(self, path: Path):
        key = Path(path).with_name(KEY_FILE)
        self._file = SqliteFile(
            path, schema=SCHEMA, application_id=APPLICATION_ID, version=VERSION, migrations=migrations(key)
        )
        try:
            self.pseudonyms = self._keyed(key)
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()

    def open_round(
        self,
        *,
        rater: str,
        message: str,
        prompt_sha256: str,
        policies: Sequence[str],
        seed: int,
        decoding: Mapping[str, Any],
        base: Mapping[str, Any],
        software: Mapping[str, Any],
        season: SeasonFacts | None = None,
        language: str = "en",
        conversation: str | None = None,
    ) -> NewRound:
        """Start a round in the season of the policies that will answer.

        A new conversation gets one of the arrangements that this rater has seen least often, so that the
        counts of all permutations differ by at most one per rater. A later turn keeps the arrangement of its
        conversation. Raises UserError for a conversation that is unknown, another rater's, already voted on,
        or held with other policies.
        """

        rater = self.pseudonyms.rater(rater)

        def store(db: sqlite3.Connection) -> NewRound:
            db.execute("INSERT OR IGNORE INTO raters VALUES (?, ?)", (rater, _now()))
            if conversation is None:
                first = _least_seen(db, rater, sorted(policies))
                new = NewRound(secrets.token_hex(16), secrets.token_hex(16), 0, first)
            else:
                turn, arrangement = _next_turn(db, rater, conversation, policies, season)
                new = NewRound(secrets.token_hex(16), conversation, turn, arrangement)
            db.execute(
                "INSERT INTO rounds VALUES (?,?,?,?,?,NULL,'asked',?,?,?,?,?,?,?,?,NULL,?)",
                (new.id, rater, new.conversation, new.turn, _now(), language, message, prompt_sha256)
                + (json.dumps(new.arrangement), seed, _json(decoding), _json(base), _json(software))
                + (enter_season(db, season) if season else None,),
            )
            return new

        return self._file.write(store)

    def close_round(self, round_id: str, answers: Sequence[Answer]) -> None:
        """Store a round's answers, after which it can be voted on."""

        def store(db: sqlite3.Connection) -> None:
            db.executemany(
                "INSERT INTO answers VALUES (?,?,?,?,?,?,?,?,?,?)",
                [
                    (round_id, a.letter, a.policy, a.prompt, a.text, a.tokens, a.finish)
                    + (a.first_token_seconds, a.seconds, _json(a.weights))
                    for a in answers
                ],
            )
            changed = db.execute(
                "UPDATE rounds SET state = 'answered', answered = ? WHERE id = ? AND state = 'asked'",
                (_now(), round_id),
            ).rowcount
            if changed != 1:
                raise ValueError(f"round {round_id} is not waiting for answers")

        self._file.write(store)

    def void_round(self, round_id: str, reason: str) -> None:
        """Mark a round without complete answers as void; it accepts no vote and does not count as seen."""

        def store(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE rounds SET state = 'void', reason = ? WHERE id = ? AND state = 'asked'",
                (reason, round_id),
            )

        self._file.write(store)

    def histories(self, conversation: str, rater: str) -> dict[str, list[dict[str, str]]]:
        """The messages of a conversation so far, per policy: {policy: [{"role", "content"}, …]}."""
        rows = self._read(
            "SELECT r.message, a.policy, a.text FROM rounds r JOIN answers a ON a.round = r.id "
            "WHERE r.conversation = ? AND r.rater = ? AND r.state = 'answered' ORDER BY r.turn",
            (conversation, self.pseudonyms.rater(rater)),
        )
        result: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            result.setdefault(row["policy"], []).extend(
                [{"role": "user", "content": row["message"]}, {"role": "assistant", "content": row["text"]}]
            )
        return result

    def vote(
        self,
        round_id: str,
        ranking: str,
        *,
        comment: str = "",
        vote_id: str | None = None,
        rater: str | None = None,
    ) -> dict[str, Any]:
        """Store a vote and return its row (see `votes`); when this returns, the vote is on disk.

        ranking: a canonical order such as 'B>A=D>C', or 'none'. The same `vote_id`, or the same ranking
        through a double click, returns the stored vote. Raises UserError for a round that is unknown, another
        rater's or without answers, for an order that does not name each answer once, and for a second,
        different vote.
        """
        vote_id = vote_id or secrets.token_hex(16)
        voter = self.pseudonyms.rater(rater) if rater is not None else None

        def store(db: sqlite3.Connection) -> dict[str, Any]:
            round_row = db.execute("SELECT * FROM rounds WHERE id = ?", (round_id,)).fetchone()
            if round_row is None or (voter is not None and voter != round_row["rater"]):
                raise UserError(
                    "this round is unknown, or another rater's",
                    code=Code.ROUND,
                )
            known = db.execute("SELECT round, ranking FROM votes WHERE id = ?", (vote_id,)).fetchone()
            if known is not None:
                if (known["round"], known["ranking"]) != (round_id, ranking):
                    raise UserError("this vote id was used for another vote", code=Code.VOTED)
                return _vote_row(db, vote_id)
            if round_row["state"] != "answered":
                raise UserError("this round has no answers to vote on: ask again", code=Code.ROUND)
            Ranking.parse(ranking, json.loads(round_row["arrangement"]))  # refuses an invalid order
            earlier = db.execute(
                "SELECT id, ranking FROM votes WHERE round = ? AND id NOT IN (SELECT vote FROM retractions)",
                (round_id,),
            ).fetchone()
            if earlier is not None:
                if earlier["ranking"] != ranking:
                    raise UserError("this round has a vote already", code=Code.VOTED)
                return _vote_row(db, earlier["id"])
            now = datetime.now(UTC)
            reading = (now - datetime.fromisoformat(round_row["answered"])).total_seconds()
            db.execute(
                "INSERT INTO votes VALUES (?,?,?,?,?,?,?)",
                (vote_id, round_id, round_row["rater"], ranking, comment, now.isoformat(), max(reading, 0.0)),
            )
            return _vote_row(db, vote_id)

        return self._file.write(store)

    def letters(self, round_id: str) -> list[str]:
        """The letters of a round's answers. Raises UserError for an unknown round."""
        rows = self._read("SELECT arrangement FROM rounds WHERE id = ?", (round_id,))
        if not rows:
            raise UserError("this round is unknown", code=Code.ROUND)
        return sorted(json.loads(rows[0]["arrangement"]))

    def rater_of(self, round_id: str) -> str:
        """The pseudonym of a round's rater. Raises UserError for an unknown round."""
        rows = self._read("SELECT rater FROM rounds WHERE id = ?", (round_id,))
        if not rows:
            raise UserError("this round is unknown: ask first, then vote on your own round", code=Code.ROUND)
        return str(rows[0]["rater"])

    def owns(self, rater: str, round_id: str) -> bool:
        """Whether it is this rater's round. Raises UserError for an unknown round."""
        return self.rater_of(round_id) == self.pseudonyms.rater(rater)

    def asked(self, rater: str, season: str) -> set[str]:
        """The first messages of a rater's answered rounds in a season."""
        rows = self._read(
            "SELECT DISTINCT message FROM rounds WHERE rater = ? AND season = ? AND state = 'answered'",
            (self.pseudonyms.rater(rater), season),
        )
        return {row["message"] for row in rows}

    def retract(self, vote_id: str, *, rater: str, reason: str = "") -> None:
        """Retract a vote: it stays in the file but no longer counts. Repeated calls have no effect."""

        rater = self.pseudonyms.rater(rater)

        def store(db: sqlite3.Connection) -> None:
            mine = db.execute("SELECT 1 FROM votes WHERE id = ? AND rater = ?", (vote_id, rater)).fetchone()
            if mine is None:
                raise UserError("this vote is unknown, or another rater's", code=Code.ROUND)
            db.execute("INSERT OR IGNORE INTO retractions VALUES (?, ?, ?)", (vote_id, _now(), reason))

        self._file.write(store)

    def votes(self, *, season: str | None = None, retracted: bool = False) -> list[dict[str, Any]]:
        """The votes of one season, or of all, oldest first; with `retracted`, including retracted ones.

        Keys: vote, round, season, conversation, turn, rater, order, comment, created, reading_seconds,
        language, retracted, message, prompt_sha256, seed, decoding, base, software, policies {letter:
        policy}, answers {letter: {policy, prompt, text, tokens, finish, first_token_seconds, seconds,
        weights}}.
        """
        with self._file.read() as db:
            found = db.execute(
                "SELECT v.id FROM votes v JOIN rounds r ON v.round = r.id "
                "WHERE ?1 IS NULL OR r.season = ?1 ORDER BY v.created, v.id",
                (season,),
            )
            rows = [_vote_row(db, row["id"]) for row in found.fetchall()]
        return [row for row in rows if retracted or not row["retracted"]]

    def cast(self, season: str | None = None, after: int = 0) -> list[CastVote]:
        """The votes of a season, or of all, in the form that the statistics need; see `data.cast_votes`."""
        with self._file.read() as db:
            return cast_votes(db, season, after)

    def retracted(self) -> frozenset[int]:
        """The numbers (`CastVote.number`) of the retracted votes."""
        with self._file.read() as db:
            return retracted_votes(db)

    def counts(self) -> dict[str, int]:
        """The numbers of votes and retractions in all seasons."""
        names = ("votes", "retractions")
        return {name: self._read(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in names}

    def seasons(self) -> list[Season]:
        """All seasons with an answered round, newest first."""
        rows = self._read(
            "SELECT s.*, (SELECT count(*) FROM votes v JOIN rounds r ON v.round = r.id WHERE r.season = s.id "
            "AND v.id NOT IN (SELECT vote FROM retractions)) AS votes FROM seasons s ORDER BY s.number DESC"
        )
        return [_season(row) for row in rows]

    def set_terms(self, season: str, *, margin: float, target: int | None) -> None:
        """Fix the margin and target of a season. Raises UserError if it has a vote or a value is invalid."""
        if not 0 < margin < 0.5:
            raise UserError(
                f"margin={margin}: give a share of decisive votes between 0 and 0.5", code=Code.REQUEST
            )
        if target is not None and target < 1:
            raise UserError(f"target={target}: give a number of rankings, 1 or more", code=Code.REQUEST)

        def store(db: sqlite3.Connection) -> None:
            voted = db.execute(
                "SELECT 1 FROM votes v JOIN rounds r ON v.round = r.id WHERE r.season = ?", (season,)
            ).fetchone()
            if voted is not None:
                raise UserError(
                    "this season has votes: its margin and target were fixed before the first one",
                    code=Code.REQUEST,
                )
            changed = db.execute(
                "UPDATE seasons SET margin = ?, target = ? WHERE id = ?", (margin, target, season)
            ).rowcount
            if changed != 1:
                raise UserError("this season is unknown: ask once, then set its terms", code=Code.ROUND)

        self._file.write(store)

    def preference_pairs(self, season: str | None = None) -> list[dict[str, str]]:
        """The votes of a season, or of all, as training data; see `data.preferences`."""
        return preference_pairs(self.votes(season=season))

    def _keyed(self, key: Path) -> Pseudonyms:
        """The pseudonyms of this database; a new database gets its key."""

        def enter(db: sqlite3.Connection) -> str:
            known = db.execute("SELECT mark FROM pseudonym_key").fetchone()
            if known is None:  # the key is made in here, where no other process makes one
                db.execute("INSERT INTO pseudonym_key VALUES (?)", (Pseudonyms(key).mark,))
            return str(known["mark"]) if known else Pseudonyms(key).mark

        rows = self._read("SELECT mark FROM pseudonym_key")
        mark = str(rows[0]["mark"]) if rows else self._file.write(enter)
        if not key.exists() or (pseudonyms := Pseudonyms(key)).mark != mark:
            raise UserError(
                f"{key}: is missing or not the key of {self._file.path}: nobody would be known again",
                code=Code.DATABASE,
                command="restore it from a backup",
            )
        return pseudonyms

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._file.read() as db:
            return db.execute(query, values).fetchall()


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _season(row: sqlite3.Row) -> Season:
    facts = SeasonFacts(
        preset=row["preset"],
        base_model=row["base_model"],
        base_hash=row["base_hash"],
        policies=json.loads(row["policies"]),
        decoding=json.loads(row["decoding"]),
        demo=bool(row["demo"]),
    )
    return Season(row["id"], row["number"], row["created"], facts, row["votes"], row["margin"], row["target"])


def _least_seen(db: sqlite3.Connection, rater: str, policies: list[str]) -> dict[str, str]:
    arrangements = {
        json.dumps(dict(zip(LETTERS, order, strict=False))): 0 for order in itertools.permutations(policies)
    }
    seen = db.execute(
        "SELECT arrangement, count(*) AS n FROM rounds "
        "WHERE rater = ? AND turn = 0 AND state != 'void' GROUP BY arrangement",
        (rater,),
    )
    for row in seen:
        if row["arrangement"] in arrangements:
            arrangements[row["arrangement"]] = row["n"]
    fewest = min(arrangements.values())
    rarest = [key for key, count in arrangements.items() if count == fewest]
    chosen: dict[str, str] = json.loads(secrets.choice(rarest))
    return chosen


def _next_turn(
    db: sqlite3.Connection,
    rater: str,
    conversation: str,
    policies: Sequence[str],
    season: SeasonFacts | None,
) -> tuple[int, dict[str, str]]:
    last = db.execute(
        "SELECT rater, turn, arrangement, season FROM rounds WHERE conversation = ? AND state = 'answered' "
        "ORDER BY turn DESC LIMIT 1",
        (conversation,),
    ).fetchone()
    if last is None or last["rater"] != rater:
        raise UserError("this conversation is unknown, or another rater's", code=Code.ROUND)
    voted = db.execute(
        "SELECT 1 FROM votes v JOIN rounds r ON v.round = r.id WHERE r.conversation = ?", (conversation,)
    ).fetchone()
    if voted is not None:
        raise UserError("this conversation was voted on and its policies shown", code=Code.ROUND)
    arrangement = json.loads(last["arrangement"])
    if sorted(arrangement.values()) != sorted(policies) or last["season"] != (season and season.id):
        raise UserError("the policies have changed since this conversation began", code=Code.ROUND)
    return last["turn"] + 1, arrangement


def _vote_row(db: sqlite3.Connection, vote_id: str) -> dict[str, Any]:
    vote = db.execute("SELECT * FROM votes WHERE id = ?", (vote_id,)).fetchone()
    row = db.execute("SELECT * FROM rounds WHERE id = ?", (vote["round"],)).fetchone()
    gone = db.execute("SELECT 1 FROM retractions WHERE vote = ?", (vote_id,)).fetchone()
    answers = db.execute("SELECT * FROM answers WHERE round = ? ORDER BY letter", (row["id"],)).fetchall()
    texts = ("season", "conversation", "turn", "language", "message", "prompt_sha256", "seed")
    return {
        "vote": vote["id"],
        "order": vote["ranking"],
        "retracted": gone is not None,
        **{key: vote[key] for key in ("round", "rater", "comment", "created", "reading_seconds")},
        **{key: row[key] for key in texts},
        **{key: json.loads(row[key]) for key in ("decoding", "base", "software")},
        "policies": json.loads(row["arrangement"]),
        "answers": {a["letter"]: dict(a) | {"weights": json.loads(a["weights"])} for a in answers},
    }
