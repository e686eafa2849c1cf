"""The store of the arena: rounds, answers, votes and raters in one SQLite file.

A vote is append-only: it can be retracted (a row in `retractions`), never changed or deleted. When `vote`
returns, the vote is on disk; the same vote sent again is found, not stored twice.

What it does not do: decide who answers (`pipeline.arena.rounds`) or compute rankings (`evaluation.arena`).
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

from data.errors import UserError
from data.sqlite_file import SqliteFile

SCHEMA_VERSION = 1
APPLICATION_ID = 0x45524C48  # "ERLH", so that another program's database is not taken for ours
LETTERS = "ABCD"

SCHEMA = """
CREATE TABLE raters (id TEXT PRIMARY KEY, created TEXT NOT NULL) STRICT;
CREATE TABLE rounds (
    id TEXT PRIMARY KEY,
    rater TEXT NOT NULL REFERENCES raters,
    conversation TEXT NOT NULL,
    turn INTEGER NOT NULL,
    created TEXT NOT NULL,
    answered TEXT,
    state TEXT NOT NULL CHECK (state IN ('asked', 'answered', 'void')),
    language TEXT NOT NULL,
    message TEXT NOT NULL,
    prompt_sha256 TEXT NOT NULL,
    arrangement TEXT NOT NULL,
    seed INTEGER NOT NULL,
    decoding TEXT NOT NULL,
    base TEXT NOT NULL,
    software TEXT NOT NULL,
    reason TEXT
) STRICT;
CREATE INDEX rounds_by_rater ON rounds (rater, turn);
CREATE INDEX rounds_by_conversation ON rounds (conversation, turn);
CREATE TABLE answers (
    round TEXT NOT NULL REFERENCES rounds,
    letter TEXT NOT NULL,
    policy TEXT NOT NULL,
    prompt TEXT NOT NULL,
    text TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    finish TEXT NOT NULL,
    first_token_seconds REAL,
    seconds REAL,
    weights TEXT NOT NULL,
    PRIMARY KEY (round, letter)
) STRICT;
CREATE TABLE votes (
    id TEXT PRIMARY KEY,
    round TEXT NOT NULL REFERENCES rounds,
    rater TEXT NOT NULL REFERENCES raters,
    ranking TEXT NOT NULL,
    comment TEXT NOT NULL,
    created TEXT NOT NULL,
    reading_seconds REAL NOT NULL
) STRICT;
CREATE INDEX votes_by_round ON votes (round);
CREATE TABLE retractions (
    vote TEXT PRIMARY KEY REFERENCES votes,
    created TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True)
class NewRound:
    """A round that waits for its answers. arrangement: letter to policy; it stays on the server."""

    id: str
    conversation: str
    turn: int
    arrangement: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One pane's answer. prompt: the transcript it was given; weights: what answered (hashes, run ids)."""

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
    """The store at `path` (made where there is none); one object may be used from many threads.

    Raises UserError where the file is damaged, of another program, or of a newer version.
    """

    def __init__(self, path: Path):
        self._file = SqliteFile(path, schema=SCHEMA, application_id=APPLICATION_ID, version=SCHEMA_VERSION)

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
        language: str = "en",
        conversation: str | None = None,
    ) -> NewRound:
        """Start a round. A new conversation gets one of the arrangements this rater has seen least.

        All permutations of the policies come equally often for each rater (they differ by at most one). A
        later turn keeps the arrangement of its conversation. Raises UserError for a conversation that is
        unknown, another rater's, already voted on, or held with other policies.
        """

        def store(db: sqlite3.Connection) -> NewRound:
            db.execute("INSERT OR IGNORE INTO raters VALUES (?, ?)", (rater, _now()))
            if conversation is None:
                first = _least_seen(db, rater, sorted(policies))
                new = NewRound(secrets.token_hex(16), secrets.token_hex(16), 0, first)
            else:
                turn, arrangement = _next_turn(db, rater, conversation, policies)
                new = NewRound(secrets.token_hex(16), conversation, turn, arrangement)
            db.execute(
                "INSERT INTO rounds VALUES (?,?,?,?,?,NULL,'asked',?,?,?,?,?,?,?,?,NULL)",
                (new.id, rater, new.conversation, new.turn, _now(), language, message, prompt_sha256)
                + (json.dumps(new.arrangement), seed, _json(decoding), _json(base), _json(software)),
            )
            return new

        return self._file.write(store)

    def close_round(self, round_id: str, answers: Sequence[Answer]) -> None:
        """Store a round's answers; from now on it can be voted on."""

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
        """Mark a round whose answers never came; it takes no vote and counts in no balance."""

        def store(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE rounds SET state = 'void', reason = ? WHERE id = ? AND state = 'asked'",
                (reason, round_id),
            )

        self._file.write(store)

    def histories(self, conversation: str, rater: str) -> dict[str, list[dict[str, str]]]:
        """Each policy's own messages so far in a conversation: {policy: [{"role", "content"}, …]}."""
        rows = self._read(
            "SELECT r.message, a.policy, a.text FROM rounds r JOIN answers a ON a.round = r.id "
            "WHERE r.conversation = ? AND r.rater = ? AND r.state = 'answered' ORDER BY r.turn",
            (conversation, rater),
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

        ranking: a canonical order such as 'B>A=D>C', or 'none'. The same `vote_id` again, or the same
        ranking by a double click, returns the vote that is there. Raises UserError for an unknown round,
        another rater's, one without answers, an order that does not name each answer once, or a second,
        different vote.
        """
        vote_id = vote_id or secrets.token_hex(16)

        def store(db: sqlite3.Connection) -> dict[str, Any]:
            round_row = db.execute("SELECT * FROM rounds WHERE id = ?", (round_id,)).fetchone()
            if round_row is None or (rater is not None and rater != round_row["rater"]):
                raise UserError(
                    "this round is unknown, or another rater's: ask first, then vote on your own round"
                )
            known = db.execute("SELECT round, ranking FROM votes WHERE id = ?", (vote_id,)).fetchone()
            if known is not None:
                if (known["round"], known["ranking"]) != (round_id, ranking):
                    raise UserError("this vote id was used for another vote: give each vote its own id")
                return _vote_row(db, vote_id)
            if round_row["state"] != "answered":
                raise UserError("this round has no answers to vote on: ask again")
            _check_ranking(ranking, json.loads(round_row["arrangement"]))
            earlier = db.execute(
                "SELECT id, ranking FROM votes WHERE round = ? AND id NOT IN (SELECT vote FROM retractions)",
                (round_id,),
            ).fetchone()
            if earlier is not None:
                if earlier["ranking"] != ranking:
                    raise UserError("this round has a vote already: retract it to vote again")
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
            raise UserError("this round is unknown: ask first, then vote on your own round")
        return sorted(json.loads(rows[0]["arrangement"]))

    def retract(self, vote_id: str, *, rater: str, reason: str = "") -> None:
        """Take a vote back: it stays in the file and leaves every count. Again is the same as once."""

        def store(db: sqlite3.Connection) -> None:
            mine = db.execute("SELECT 1 FROM votes WHERE id = ? AND rater = ?", (vote_id, rater)).fetchone()
            if mine is None:
                raise UserError("this vote is unknown, or another rater's")
            db.execute("INSERT OR IGNORE INTO retractions VALUES (?, ?, ?)", (vote_id, _now(), reason))

        self._file.write(store)

    def votes(self, *, retracted: bool = False) -> list[dict[str, Any]]:
        """The votes that count, oldest first; with `retracted`, all of them. Each with all that is known of
        it.

        Keys: vote, round, conversation, turn, rater, order, comment, created, reading_seconds, language,
        retracted, message, prompt_sha256, seed, decoding, base, software, policies {letter: policy},
        answers {letter: {policy, prompt, text, tokens, finish, first_token_seconds, seconds, weights}}.
        """
        with self._file.read() as db:
            ids = [row["id"] for row in db.execute("SELECT id FROM votes ORDER BY created, id")]
            rows = [_vote_row(db, vote_id) for vote_id in ids]
        return [row for row in rows if retracted or not row["retracted"]]

    def counts(self) -> dict[str, int]:
        """How many votes and retractions there are."""
        names = ("votes", "retractions")
        return {name: self._read(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in names}

    def preference_pairs(self) -> list[dict[str, str]]:
        """The votes as training data: see `preference_pairs` below."""
        return preference_pairs(self.votes())

    def _read(self, query: str, values: tuple = ()) -> list[sqlite3.Row]:
        with self._file.read() as db:
            return db.execute(query, values).fetchall()


def ranking_groups(ranking: str) -> list[list[str]]:
    """'B>A=D>C' becomes [['B'], ['A', 'D'], ['C']], best first; 'none' becomes []."""
    return [] if ranking == "none" else [group.split("=") for group in ranking.split(">")]


def preference_pairs(votes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Rows {"prompt", "chosen", "rejected"}, one for each strict preference between two answers of a vote.

    Answers that say the same make no pair; nor do answers to different transcripts (in later turns each
    policy goes on from its own answers), nor does 'none'.
    """
    pairs = []
    for vote in votes:
        answers = vote["answers"]
        for better, worse in itertools.combinations(ranking_groups(vote["order"]), 2):
            for chosen, rejected in itertools.product(better, worse):
                a, b = answers[chosen], answers[rejected]
                if a["prompt"] == b["prompt"] and a["text"] != b["text"]:
                    pairs.append({"prompt": a["prompt"], "chosen": a["text"], "rejected": b["text"]})
    return pairs


def _check_ranking(ranking: str, arrangement: Mapping[str, str]) -> None:
    named = sorted(letter for group in ranking_groups(ranking) for letter in group)
    if ranking != "none" and named != sorted(arrangement):
        letters = " ".join(sorted(arrangement))
        raise UserError(f"order {ranking!r}: name each of {letters} once, as in B>A=C, or say none")


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)


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
    return json.loads(secrets.choice([key for key, count in arrangements.items() if count == fewest]))


def _next_turn(db, rater: str, conversation: str, policies: Sequence[str]) -> tuple[int, dict[str, str]]:
    last = db.execute(
        "SELECT rater, turn, arrangement FROM rounds WHERE conversation = ? AND state = 'answered' "
        "ORDER BY turn DESC LIMIT 1",
        (conversation,),
    ).fetchone()
    if last is None or last["rater"] != rater:
        raise UserError("this conversation is unknown, or another rater's: start a new one")
    voted = db.execute(
        "SELECT 1 FROM votes v JOIN rounds r ON v.round = r.id WHERE r.conversation = ?", (conversation,)
    ).fetchone()
    if voted is not None:
        raise UserError("this conversation was voted on and its policies shown: start a new one")
    arrangement = json.loads(last["arrangement"])
    if sorted(arrangement.values()) != sorted(policies):
        raise UserError("the policies have changed since this conversation began: start a new one")
    return last["turn"] + 1, arrangement


def _vote_row(db: sqlite3.Connection, vote_id: str) -> dict[str, Any]:
    vote = db.execute("SELECT * FROM votes WHERE id = ?", (vote_id,)).fetchone()
    row = db.execute("SELECT * FROM rounds WHERE id = ?", (vote["round"],)).fetchone()
    gone = db.execute("SELECT 1 FROM retractions WHERE vote = ?", (vote_id,)).fetchone()
    answers = db.execute("SELECT * FROM answers WHERE round = ? ORDER BY letter", (row["id"],)).fetchall()
    texts = ("conversation", "turn", "language", "message", "prompt_sha256", "seed")
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
