"""The tables of the arena's database, and the migration of older databases.

Version 1 has no seasons. The migration gives its rounds the season of the weights that answered them, so that
old and new votes on the same weights belong to the same season. Version 2 holds the cookies and logins of
raters. The migration replaces them by pseudonyms under the workspace's key, so that a rater who returns keeps
the same identity. In version 3 every round is a ranking of all policies; its rounds keep that mode.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from data.pseudonyms import Pseudonyms
from data.seasons import MARGIN, SeasonFacts

APPLICATION_ID = 0x45524C48  # "ERLH", which distinguishes the file from another program's database
VERSION = 4

SEASONS = """
CREATE TABLE seasons (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    created TEXT NOT NULL,
    preset TEXT NOT NULL,
    base_model TEXT NOT NULL,
    base_hash TEXT NOT NULL,
    policies TEXT NOT NULL,
    decoding TEXT NOT NULL,
    demo INTEGER NOT NULL,
    margin REAL NOT NULL,
    target INTEGER
) STRICT
"""

# What version 4 adds to the tables of version 3, and its own tables. `tokens` and `same` repeat what is in
# `answers`, so that the statistics read one row per vote.
ADDED_COLUMNS = (
    "ALTER TABLE seasons ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE rounds ADD COLUMN mode TEXT NOT NULL DEFAULT 'rank' "
    "CHECK (mode IN ('rank', 'pair', 'rate'))",
    "ALTER TABLE rounds ADD COLUMN repeat_of TEXT REFERENCES rounds",
    "ALTER TABLE rounds ADD COLUMN history TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE rounds ADD COLUMN tokens TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE rounds ADD COLUMN same TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE votes ADD COLUMN rating INTEGER CHECK (rating BETWEEN 1 AND 5)",
    "ALTER TABLE votes ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
    "CREATE INDEX rounds_by_repeat ON rounds (repeat_of)",
)
ADDED_TABLES = (
    """
CREATE TABLE skips (
    round TEXT PRIMARY KEY REFERENCES rounds,
    created TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT
""",
    """
CREATE TABLE looks (
    season TEXT NOT NULL REFERENCES seasons,
    rater TEXT NOT NULL,
    created TEXT NOT NULL,
    rankings INTEGER NOT NULL,
    PRIMARY KEY (season, rater, rankings)
) STRICT
""",
    """
CREATE TABLE scores (
    round TEXT NOT NULL REFERENCES rounds,
    letter TEXT NOT NULL,
    reward_run TEXT NOT NULL,
    score REAL NOT NULL,
    PRIMARY KEY (round, letter, reward_run)
) STRICT
""",
)

PSEUDONYM_KEY = "CREATE TABLE pseudonym_key (mark TEXT NOT NULL) STRICT"  # which key the pseudonyms are of

SCHEMA = (
    SEASONS
    + ";"
    + PSEUDONYM_KEY
    + """;
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
    reason TEXT,
    season TEXT REFERENCES seasons
) STRICT;
CREATE INDEX rounds_by_rater ON rounds (rater, turn);
CREATE INDEX rounds_by_conversation ON rounds (conversation, turn);
CREATE INDEX rounds_by_season ON rounds (season);
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
    + ";".join([*ADDED_COLUMNS, *ADDED_TABLES])
)


def enter_season(db: sqlite3.Connection, facts: SeasonFacts, created: str | None = None) -> str:
    """The id of the season of these facts, which is created if new. Runs inside the caller's transaction."""
    known = db.execute("SELECT 1 FROM seasons WHERE id = ?", (facts.id,)).fetchone()
    if known is None:
        (number,) = db.execute("SELECT coalesce(max(number), 0) + 1 FROM seasons").fetchone()
        db.execute(
            "INSERT INTO seasons (id, number, created, preset, base_model, base_hash, policies, decoding, "
            "demo, margin) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (facts.id, number, created or datetime.now(UTC).isoformat(), facts.preset, facts.base_model)
            + (facts.base_hash, _json(facts.policies), _json(facts.decoding), int(facts.demo), MARGIN),
        )
    return facts.id


def add_seasons(db: sqlite3.Connection) -> None:
    """Migrate version 1 to 2: add the table of seasons and the season of each answered round."""
    db.execute(SEASONS)
    db.execute("ALTER TABLE rounds ADD COLUMN season TEXT REFERENCES seasons")
    db.execute("CREATE INDEX rounds_by_season ON rounds (season)")
    rounds = db.execute(
        "SELECT id, created, base, decoding FROM rounds WHERE state = 'answered' ORDER BY created"
    )
    for round_id, created, base, decoding in rounds.fetchall():
        answers = db.execute("SELECT policy, weights FROM answers WHERE round = ?", (round_id,)).fetchall()
        facts = _facts_of(
            json.loads(base), json.loads(decoding), {name: json.loads(w) for name, w in answers}
        )
        season = enter_season(db, facts, created)
        db.execute("UPDATE rounds SET season = ? WHERE id = ?", (season, round_id))


def add_modes(db: sqlite3.Connection) -> None:
    """Migrate version 3 to 4: add modes, repeats, skips, ratings, early looks and reward models' scores."""
    for statement in (*ADDED_COLUMNS, *ADDED_TABLES):
        db.execute(statement)
    answers = db.execute(
        "SELECT round, letter, text, policy, tokens FROM answers ORDER BY round, letter"
    ).fetchall()
    for round_id, given in itertools.groupby(answers, key=lambda row: row[0]):
        rows = list(given)
        tokens, same = summary({row[1]: row[2] for row in rows}, {row[3]: row[4] for row in rows})
        db.execute("UPDATE rounds SET tokens = ?, same = ? WHERE id = ?", (tokens, same, round_id))


def summary(texts: Mapping[str, str], tokens: Mapping[str, int]) -> tuple[str, str]:
    """The columns `tokens` and `same` of a round as JSON: {policy: tokens}, groups of letters."""
    return json.dumps(dict(tokens)), json.dumps(identical_groups(texts))


def identical_groups(texts: Mapping[str, str]) -> list[list[str]]:
    """Groups of two or more letters with the same text, such as [['A', 'C']]."""
    if len(set(texts.values())) == len(texts):
        return []
    groups: dict[str, list[str]] = {}
    for letter in sorted(texts):
        groups.setdefault(texts[letter], []).append(letter)
    return [group for group in groups.values() if len(group) > 1]


def hide_raters(key: Path, db: sqlite3.Connection) -> None:
    """Version 2 to 3: pseudonyms under the key in the file `key` take the place of cookies and logins."""
    pseudonyms = Pseudonyms(key)
    db.execute("PRAGMA secure_delete = ON")  # what was replaced leaves no trace in the file
    db.execute("PRAGMA defer_foreign_keys = ON")  # rounds and votes follow their raters before the end
    db.create_function("pseudonym", 1, pseudonyms.rater, deterministic=True)
    for table, column in (("raters", "id"), ("rounds", "rater"), ("votes", "rater")):
        db.execute(f"UPDATE {table} SET {column} = pseudonym({column})")
    db.execute(PSEUDONYM_KEY)
    db.execute("INSERT INTO pseudonym_key VALUES (?)", (pseudonyms.mark,))


def migrations(key: Path) -> Mapping[int, Callable[[sqlite3.Connection], None]]:
    """What brings a database of a version to the next. key: the file with the key of the pseudonyms."""
    return {1: add_seasons, 2: partial(hide_raters, key), 3: add_modes}


def _facts_of(
    base: Mapping[str, Any], decoding: Mapping[str, Any], weights: Mapping[str, Mapping[str, Any]]
) -> SeasonFacts:
    """The facts of the season of a version-1 round, from what the round recorded about its answers."""
    hashes = {name: str(facts.get("adapter_sha256", "")) for name, facts in weights.items()}
    base_hash = next((str(facts["base_hash"]) for facts in weights.values() if "base_hash" in facts), "")
    return SeasonFacts(
        preset=str(base.get("preset", "")),
        base_model=str(base.get("base_model", "")),
        base_hash=base_hash,
        policies=hashes,
        decoding=decoding,
        demo=bool(base.get("demo", False)),
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True, allow_nan=False)
