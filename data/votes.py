"""The store of the arena: seasons, rounds, answers, votes and raters in one SQLite file.

Votes are append-only: a vote can be retracted (a row in `retractions`) but never changed or deleted. When
`vote` returns, the vote is on disk; the same vote sent again is recognised and not stored twice. Callers
identify a rater by a cookie or a login; the database and its rows hold a pseudonym (`data.pseudonyms`).

The store does not select the policies (`pipeline.arena.rounds`) or compute statistics (`evaluation`).
"""

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data import rating_queue, round_facts, round_rows, score_rows, season_rows, vote_rows
from data.cast_votes import CastRating, CastVote, cast_ratings, cast_votes, retracted_votes
from data.errors import Code, UserError
from data.modes import Mode
from data.preferences import preference_pairs
from data.pseudonyms import KEY_FILE, Pseudonyms
from data.round_rows import Answer, Message, NewRound, RoundFacts
from data.score_rows import Unscored
from data.seasons import Look, Season, SeasonFacts, Terms
from data.sqlite_file import SqliteFile
from data.vote_rows import NewVote, OwnVote
from data.vote_schema import APPLICATION_ID, SCHEMA, VERSION, migrations

__all__ = ["Answer", "NewRound", "VoteStore"]
OWN_VOTES = 100  # of a rater, on the rater's own page


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

    def open_round(self, **facts: Any) -> NewRound:
        """Start a round in the season of the policies that will answer. facts: the fields of `RoundFacts`.

        A new conversation gets one of the arrangements that this rater has seen least often in this mode, so
        that the counts of all arrangements differ by at most one per rater. A later turn keeps the
        arrangement of its conversation. Raises UserError for a conversation that is unknown, another rater's,
        already voted on, or held with other policies.
        """
        known = RoundFacts(**{**facts, "rater": self.pseudonyms.rater(facts["rater"])})
        return self._file.write(lambda db: round_rows.opened(db, known))

    def close_round(self, round_id: str, answers: Sequence[Answer]) -> None:
        """Store a round's answers, after which it can be voted on."""
        self._file.write(lambda db: round_rows.closed(db, round_id, answers))

    def show_again(self, source: str, rater: str, language: str = "en") -> NewRound:
        """A new round of `rater` with the stored answers of the round `source`; it can be voted on at once.

        Raises UserError for a round that is unknown or has no answers.
        """
        return self._file.write(
            lambda db: round_rows.shown_again(db, source, self.pseudonyms.rater(rater), language)
        )

    def void_round(self, round_id: str, reason: str) -> None:
        """Mark a round without complete answers as void; it accepts no vote and does not count as seen."""

        def store(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE rounds SET state = 'void', reason = ? WHERE id = ? AND state = 'asked'",
                (reason, round_id),
            )

        self._file.write(store)

    def histories(self, conversation: str, rater: str) -> dict[str, list[Message]]:
        """The messages of a conversation so far, per policy: {policy: [{"role", "content"}, …]}."""
        with self._file.read() as db:
            return round_rows.histories(db, conversation, self.pseudonyms.rater(rater))

    def preferred_thread(self, round_id: str, rater: str) -> list[Message]:
        """The conversation up to the answer that a rater liked best. Raises UserError without such a vote."""
        with self._file.read() as db:
            return round_rows.preferred_thread(db, round_id, self.pseudonyms.rater(rater))

    def queued(self, rater: str, season: str, mode: Mode) -> str | None:
        """The stored round that this rater judges next in the shared queue; None: new answers are needed."""
        asked = self.pseudonyms.rater(rater), season, mode
        with self._file.read() as db:
            return rating_queue.repeat_for(db, *asked) or rating_queue.shared_for(db, *asked)

    def vote(
        self,
        round_id: str,
        ranking: str,
        *,
        comment: str = "",
        vote_id: str | None = None,
        rater: str | None = None,
        rating: int | None = None,
        tags: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Store a vote and return its row (see `votes`); when this returns, the vote is on disk.

        ranking: a canonical order such as 'B>A=D>C', or 'none'. rating (1 to 5) and tags: for a round with
        one answer, whose ranking is that answer's letter. The same `vote_id`, or the same vote through a
        double click, returns the stored vote. Raises UserError for a round that is unknown, another rater's,
        without answers or skipped, for an order that does not name each answer once, for an invalid rating,
        and for a second, different vote.
        """
        vote = NewVote(
            vote_id or secrets.token_hex(16), round_id, ranking, comment, rating, tuple(sorted(set(tags)))
        )
        voter = self.pseudonyms.rater(rater) if rater is not None else None
        return self._file.write(lambda db: vote_rows.cast(db, vote, voter))

    def skip(self, round_id: str, reason: str, *, rater: str) -> None:
        """Record why a rater gives no vote on an own round; the round then takes none. reason: of `SKIPS`."""
        self._file.write(lambda db: vote_rows.skip(db, round_id, reason, self.pseudonyms.rater(rater)))

    def letters(self, round_id: str) -> list[str]:
        """The letters of a round's answers. Raises UserError for an unknown round."""
        with self._file.read() as db:
            return round_facts.letters(db, round_id)

    def rater_of(self, round_id: str) -> str:
        """The pseudonym of a round's rater. Raises UserError for an unknown round."""
        with self._file.read() as db:
            return round_facts.rater_of(db, round_id)

    def voted(self, round_id: str) -> bool:
        """Whether a round has a vote that counts."""
        with self._file.read() as db:
            return round_facts.voted(db, round_id)

    def shown(self, round_id: str) -> tuple[str, dict[str, str]]:
        """The message of an answered round and its texts by letter, without any policy."""
        with self._file.read() as db:
            return round_facts.shown(db, round_id)

    def owns(self, rater: str, round_id: str) -> bool:
        """Whether it is this rater's round. Raises UserError for an unknown round."""
        return self.rater_of(round_id) == self.pseudonyms.rater(rater)

    def asked(self, rater: str, season: str) -> set[str]:
        """The first messages of a rater's answered rounds in a season."""
        with self._file.read() as db:
            return round_facts.asked(db, self.pseudonyms.rater(rater), season)

    def retract(self, vote_id: str, *, rater: str, reason: str = "") -> None:
        """Retract a vote: it stays in the file but no longer counts. Repeated calls have no effect."""
        self._file.write(lambda db: vote_rows.retract(db, vote_id, self.pseudonyms.rater(rater), reason))

    def own_votes(self, rater: str, season: str | None = None, limit: int = OWN_VOTES) -> list[OwnVote]:
        """A rater's votes that count, of one season or of all, the newest first."""
        with self._file.read() as db:
            return vote_rows.own_votes(db, self.pseudonyms.rater(rater), season, limit)

    def votes(self, *, season: str | None = None, retracted: bool = False) -> list[dict[str, Any]]:
        """The votes of one season, or of all, oldest first; with `retracted`, including retracted ones.

        Keys: vote, round, season, conversation, turn, mode, repeat_of, rater, order, rating, tags, comment,
        created, reading_seconds, language, retracted, message, prompt_sha256, seed, decoding, base, software,
        policies {letter: policy}, answers {letter: {policy, prompt, text, tokens, finish,
        first_token_seconds, seconds, weights}}.
        """
        with self._file.read() as db:
            found = db.execute(
                "SELECT v.id FROM votes v JOIN rounds r ON v.round = r.id "
                "WHERE ?1 IS NULL OR r.season = ?1 ORDER BY v.created, v.id",
                (season,),
            )
            rows = [vote_rows.vote_row(db, row["id"]) for row in found.fetchall()]
        return [row for row in rows if retracted or not row["retracted"]]

    def cast(self, season: str | None = None, after: int = 0) -> list[CastVote]:
        """The comparisons of a season, or of all, in the form that the statistics need."""
        with self._file.read() as db:
            return cast_votes(db, season, after)

    def ratings(self, season: str | None = None) -> list[CastRating]:
        """The ratings of a season, or of all, that count."""
        with self._file.read() as db:
            return cast_ratings(db, season)

    def retracted(self) -> frozenset[int]:
        """The numbers (`CastVote.number`) of the retracted votes."""
        with self._file.read() as db:
            return retracted_votes(db)

    def counts(self) -> dict[str, int]:
        """The numbers of votes and retractions in all seasons."""
        names = ("votes", "retractions")
        return {name: self._read(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in names}

    def seasons(self) -> list[Season]:
        """All seasons, newest first."""
        with self._file.read() as db:
            return season_rows.seasons(db)

    def set_terms(
        self,
        season: str | SeasonFacts,
        *,
        margin: float,
        target: int | None,
        hidden: bool = False,
    ) -> None:
        """Fix the margin and target of a season, and whether its leaderboard stays hidden until the target.

        A season that nobody has asked in yet is entered where its facts are given. Raises UserError once it
        has a vote, for values out of bounds, and for `hidden` without a target.
        """
        self._file.write(lambda db: season_rows.set_terms(db, season, Terms(margin, target, hidden)))

    def terms(self, season: str) -> Terms:
        """The terms of a season; the usual ones where nobody has asked in it yet."""
        with self._file.read() as db:
            return season_rows.terms(db, season)

    def policies(self, season: str) -> tuple[str, ...]:
        """The policies of a season; () where nobody has asked in it yet."""
        rows = self._read("SELECT policies FROM seasons WHERE id = ?", (season,))
        return tuple(json.loads(rows[0]["policies"])) if rows else ()

    def look(self, season: str, rater: str, rankings: int) -> None:
        """Record that a rater looked at a hidden leaderboard when there were so many rankings."""
        self._file.write(lambda db: season_rows.add_look(db, season, self.pseudonyms.rater(rater), rankings))

    def looks(self, season: str) -> list[Look]:
        """The early looks at a season's leaderboard, oldest first."""
        with self._file.read() as db:
            return season_rows.looks(db, season)

    def store_scores(self, reward_run: str, scores: Iterable[tuple[str, str, float]]) -> None:
        """Keep a reward model's scores of answers: (round, letter, score). A known score stays."""
        self._file.write(lambda db: score_rows.store(db, reward_run, scores))

    def scores(self, reward_run: str, round_id: str | None = None) -> dict[str, dict[str, float]]:
        """A reward model's stored scores: {round: {policy: score}}, of one round or of all."""
        with self._file.read() as db:
            return score_rows.scores(db, reward_run, round_id)

    def unscored(self, reward_run: str, season: str, round_id: str | None = None) -> list[Unscored]:
        """The answers of a season that people voted on and this reward model has not scored.

        Answers that are shown again are not listed: they are scored where they were first. round_id: of this
        round alone, or of the round whose answers it shows.
        """
        with self._file.read() as db:
            item = round_facts.item_of(db, round_id) if round_id else None
            return score_rows.unscored(db, reward_run, season, item)

    def item_of(self, round_id: str) -> str:
        """The round whose answers a round shows: itself, unless they are shown again."""
        with self._file.read() as db:
            return round_facts.item_of(db, round_id)

    def preference_pairs(self, season: str | None = None, *, facts: bool = False) -> list[dict[str, Any]]:
        """The votes of a season, or all, as training data: see `data.preferences`."""
        return preference_pairs(self.votes(season=season), facts=facts)

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
