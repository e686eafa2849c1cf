"""Rounds of the arena in its database: how they begin, who stands behind which letter, and how they are shown
again.

Every function runs inside the caller's transaction. `data.votes.VoteStore` is what the rest of the project
uses.
"""

import itertools
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from data.errors import Code, UserError
from data.modes import Mode, answers_shown
from data.ranking import LETTERS, Ranking
from data.seasons import SeasonFacts
from data.vote_schema import enter_season, summary

Message = dict[str, str]  # {"role", "content"}


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


@dataclass(frozen=True)
class RoundFacts:
    """What a round is opened with. policies: those of the season; the mode decides how many of them answer.

    conversation: the one that goes on; None for a new one. history: earlier messages that all panes share,
    where a new conversation goes on from an answer of an old one.
    """

    rater: str
    message: str
    prompt_sha256: str
    policies: Sequence[str]
    seed: int
    decoding: Mapping[str, Any]
    base: Mapping[str, Any]
    software: Mapping[str, Any]
    season: SeasonFacts | None = None
    language: str = "en"
    conversation: str | None = None
    mode: Mode = "rank"
    history: Sequence[Message] = field(default_factory=tuple)


def opened(db: sqlite3.Connection, facts: RoundFacts) -> NewRound:
    """Store a new round. A new conversation gets one of the arrangements that this rater has seen least.

    Raises UserError for a conversation that is unknown, another rater's, already voted on, or held with other
    policies.
    """
    enter_rater(db, facts.rater)
    if facts.conversation is None:
        size = answers_shown(facts.mode, len(facts.policies))
        arrangement = least_seen(db, facts.rater, facts.mode, sorted(facts.policies), size)
        new = NewRound(secrets.token_hex(16), secrets.token_hex(16), 0, arrangement)
    else:
        turn, arrangement = _next_turn(db, facts)
        new = NewRound(secrets.token_hex(16), facts.conversation, turn, arrangement)
    _insert(
        db,
        id=new.id,
        rater=facts.rater,
        conversation=new.conversation,
        turn=new.turn,
        created=now(),
        state="asked",
        language=facts.language,
        message=facts.message,
        prompt_sha256=facts.prompt_sha256,
        arrangement=json.dumps(new.arrangement),
        seed=facts.seed,
        decoding=to_json(facts.decoding),
        base=to_json(facts.base),
        software=to_json(facts.software),
        season=enter_season(db, facts.season) if facts.season else None,
        mode=facts.mode,
        history=to_json(list(facts.history)),
    )
    return new


def closed(db: sqlite3.Connection, round_id: str, answers: Sequence[Answer]) -> None:
    """Store the answers of a round. Raises ValueError where it does not wait for any."""
    db.executemany(
        "INSERT INTO answers VALUES (?,?,?,?,?,?,?,?,?,?)",
        [
            (round_id, a.letter, a.policy, a.prompt, a.text, a.tokens, a.finish)
            + (a.first_token_seconds, a.seconds, to_json(a.weights))
            for a in answers
        ],
    )
    texts, counts = {a.letter: a.text for a in answers}, {a.policy: a.tokens for a in answers}
    changed = db.execute(
        "UPDATE rounds SET state = 'answered', answered = ?, tokens = ?, same = ? "
        "WHERE id = ? AND state = 'asked'",
        (now(), *summary(texts, counts), round_id),
    ).rowcount
    if changed != 1:
        raise ValueError(f"round {round_id} is not waiting for answers")


def shown_again(db: sqlite3.Connection, source: str, rater: str, language: str) -> NewRound:
    """A new round of `rater` with the answers of the round `source`, in other panes where possible.

    The copy names the round whose answers these are first (`repeat_of`), so that votes on the same answers
    can be compared.
    """
    enter_rater(db, rater)
    row = db.execute("SELECT * FROM rounds WHERE id = ? AND state = 'answered'", (source,)).fetchone()
    if row is None:
        raise UserError("this round is unknown", code=Code.ROUND)
    before = json.loads(row["arrangement"])
    arrangement = least_seen(
        db, rater, row["mode"], sorted(before.values()), len(before), other_than=row["arrangement"]
    )
    new = NewRound(secrets.token_hex(16), secrets.token_hex(16), 0, arrangement)
    given = {
        a["policy"]: a for a in db.execute("SELECT * FROM answers WHERE round = ?", (source,)).fetchall()
    }
    kept = ("message", "prompt_sha256", "seed", "decoding", "base", "software", "season", "mode", "history")
    _insert(
        db,
        id=new.id,
        rater=rater,
        conversation=new.conversation,
        turn=0,
        created=now(),
        state="asked",
        language=language,
        arrangement=json.dumps(arrangement),
        repeat_of=row["repeat_of"] or source,
        **{name: row[name] for name in kept},
    )
    facts = ("prompt", "text", "tokens", "finish", "first_token_seconds", "seconds")
    closed(
        db,
        new.id,
        [
            Answer(
                letter,
                policy,
                weights=json.loads(given[policy]["weights"]),
                **{name: given[policy][name] for name in facts},
            )
            for letter, policy in arrangement.items()
        ],
    )
    return new


def least_seen(
    db: sqlite3.Connection,
    rater: str,
    mode: Mode,
    policies: Sequence[str],
    size: int,
    other_than: str = "",
) -> dict[str, str]:
    """One of the arrangements of `size` of the policies that this rater has seen least in this mode.

    All arrangements come equally often for each rater (they differ by at most one), and therefore all pairs
    of policies and all panes. other_than: an arrangement to leave out, where there is another one.
    """
    arrangements = {
        json.dumps(dict(zip(LETTERS, order, strict=False))): 0
        for order in itertools.permutations(policies, size)
    }
    if len(arrangements) > 1:
        arrangements.pop(other_than, None)
    seen = db.execute(
        "SELECT arrangement, count(*) AS n FROM rounds "
        "WHERE rater = ? AND turn = 0 AND mode = ? AND state != 'void' GROUP BY arrangement",
        (rater, mode),
    )
    for row in seen:
        if row["arrangement"] in arrangements:
            arrangements[row["arrangement"]] = row["n"]
    fewest = min(arrangements.values())
    rarest = [key for key, count in arrangements.items() if count == fewest]
    chosen: dict[str, str] = json.loads(secrets.choice(rarest))
    return chosen


def histories(db: sqlite3.Connection, conversation: str, rater: str) -> dict[str, list[Message]]:
    """The messages of a conversation so far, per policy: {policy: [{"role", "content"}, …]}."""
    rows = db.execute(
        "SELECT r.message, r.history, r.turn, a.policy, a.text "
        "FROM rounds r JOIN answers a ON a.round = r.id "
        "WHERE r.conversation = ? AND r.rater = ? AND r.state = 'answered' ORDER BY r.turn",
        (conversation, rater),
    ).fetchall()
    found: dict[str, list[Message]] = {}
    for row in rows:
        shared = json.loads(row["history"]) if row["turn"] == 0 else []
        found.setdefault(row["policy"], []).extend(
            [
                *shared,
                {"role": "user", "content": row["message"]},
                {"role": "assistant", "content": row["text"]},
            ]
        )
    return found


def preferred_thread(db: sqlite3.Connection, round_id: str, rater: str) -> list[Message]:
    """The conversation that led to the answer which the rater liked best in a round (the first of several).

    Raises UserError where the rater has no vote on this round that prefers an answer.
    """
    row = db.execute(
        "SELECT r.conversation, r.arrangement, v.ranking FROM rounds r JOIN votes v ON v.round = r.id "
        "WHERE r.id = ? AND r.rater = ? AND v.id NOT IN (SELECT vote FROM retractions)",
        (round_id, rater),
    ).fetchone()
    best = Ranking.parse(row["ranking"], json.loads(row["arrangement"])).names[:1] if row else []
    if not best:
        raise UserError("vote for an answer first, then go on from it", code=Code.ROUND)
    return histories(db, row["conversation"], rater)[json.loads(row["arrangement"])[best[0]]]


def enter_rater(db: sqlite3.Connection, rater: str) -> None:
    """Make a rater known."""
    db.execute("INSERT OR IGNORE INTO raters (id, created) VALUES (?, ?)", (rater, now()))


def now() -> str:
    """The time as it is stored."""
    return datetime.now(UTC).isoformat()


def to_json(value: Any) -> str:
    """A value as it is stored."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _insert(db: sqlite3.Connection, **columns: Any) -> None:
    names = ", ".join(columns)
    db.execute(
        f"INSERT INTO rounds ({names}) VALUES ({', '.join('?' * len(columns))})", tuple(columns.values())
    )


def _next_turn(db: sqlite3.Connection, facts: RoundFacts) -> tuple[int, dict[str, str]]:
    last = db.execute(
        "SELECT rater, turn, arrangement, season, mode FROM rounds "
        "WHERE conversation = ? AND state = 'answered' ORDER BY turn DESC LIMIT 1",
        (facts.conversation,),
    ).fetchone()
    if last is None or last["rater"] != facts.rater:
        raise UserError("this conversation is unknown, or another rater's", code=Code.ROUND)
    voted = db.execute(
        "SELECT 1 FROM votes v JOIN rounds r ON v.round = r.id WHERE r.conversation = ?",
        (facts.conversation,),
    ).fetchone()
    if voted is not None:
        raise UserError("this conversation was voted on and its policies shown", code=Code.ROUND)
    arrangement = json.loads(last["arrangement"])
    same = set(arrangement.values()) <= set(facts.policies) and last["mode"] == facts.mode
    whole = len(arrangement) == answers_shown(facts.mode, len(facts.policies))
    if not (same and whole) or last["season"] != (facts.season and facts.season.id):
        raise UserError("the policies have changed since this conversation began", code=Code.ROUND)
    return last["turn"] + 1, arrangement
