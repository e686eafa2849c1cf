"""Seasons: votes on different weights never share a leaderboard, and a migrated database keeps every vote."""

import sqlite3
from pathlib import Path

import pytest
from test_votes import answer, ask

from data.errors import UserError
from data.seasons import SeasonFacts
from data.vote_schema import VERSION
from data.votes import VoteStore
from pipeline.arena.statistics import Statistics

POLICIES = ("sft", "ppo-bf16", "ppo-int8", "ppo-int4")
DECODING = {"temperature": 0.7, "max_new_tokens": 48, "top_k": 0, "top_p": 1.0}


def facts(weights="old", **more):
    hashes = {name: f"{weights} {name}" for name in POLICIES}
    return SeasonFacts("tiny", "tiny", "b" * 64, hashes, more.get("decoding", DECODING), weights == "old")


@pytest.fixture
def store(tmp_path):
    store = VoteStore(tmp_path / "arena.sqlite")
    yield store
    store.close()


@pytest.fixture
def old_database(tmp_path):
    path = tmp_path / "arena.sqlite"
    db = sqlite3.connect(path)
    db.executescript((Path(__file__).parent / "arena_v1.sql").read_text(encoding="utf-8"))
    db.close()
    return path


def vote_in(store, season, order="B>A=D>C", message="What is tea?"):
    new = answer(store, ask(store, message=message, season=season))
    return store.vote(new.id, order, rater="ann")


def test_votes_on_other_weights_belong_to_another_season(store):
    for season in (facts("old"), facts("old"), facts("new")):
        vote_in(store, season)
    newest, first = store.seasons()
    assert (first.number, first.votes, first.facts) == (1, 2, facts("old"))
    assert (newest.number, newest.votes, newest.facts) == (2, 1, facts("new"))
    assert len(store.votes(season=first.id)) == 2
    assert [vote["season"] for vote in store.votes(season=newest.id)] == [newest.id]
    assert len(store.votes()) == 3


def rankings_at(statistics, times, *moments):
    times[:] = moments
    return statistics.board(facts().id).rankings


@pytest.mark.parametrize("large, soon", [(1, 1), (100, 2)])
def test_the_board_of_very_many_votes_rests_ten_times_as_long_as_it_took(store, large, soon):
    times = []
    statistics = Statistics(store, clock=lambda: times.pop(0), large=large)
    vote_in(store, facts())
    assert rankings_at(statistics, times, 0.0, 1.0) == 1
    vote_in(store, facts())
    assert rankings_at(statistics, times, 10.0, 11.0) == soon
    assert rankings_at(statistics, times, 22.0, 23.0) == 2


def test_other_decoding_starts_another_season_and_another_name_does_not(store):
    assert facts(decoding=DECODING | {"temperature": 1.0}).id != facts().id
    assert SeasonFacts("small", "elsewhere", "b" * 64, facts().policies, DECODING).id == facts().id


def test_a_vote_taken_back_leaves_its_season(store):
    vote = vote_in(store, facts())
    store.retract(vote["vote"], rater="ann")
    assert store.seasons()[0].votes == 0
    assert store.votes(season=facts().id) == []


def test_the_terms_are_fixed_before_the_first_vote(store):
    answer(store, ask(store, season=facts()))
    store.set_terms(facts().id, margin=0.1, target=92)
    vote_in(store, facts())
    (season,) = store.seasons()
    assert (season.margin, season.target) == (0.1, 92)
    with pytest.raises(UserError, match="before the first"):
        store.set_terms(facts().id, margin=0.2, target=92)


@pytest.mark.parametrize("margin, target", [(0.0, 5), (0.5, 5), (0.1, 0)])
def test_terms_out_of_bounds_are_refused(store, margin, target):
    ask(store, season=facts())
    with pytest.raises(UserError):
        store.set_terms(facts().id, margin=margin, target=target)


def test_an_older_database_keeps_every_vote_and_gets_its_seasons(old_database):
    store = VoteStore(old_database)
    newest, first = store.seasons()
    assert (first.facts, first.votes) == (facts("old"), 1)
    assert (newest.facts, newest.votes) == (facts("new"), 1)
    assert [vote["order"] for vote in store.votes(retracted=True)] == ["B>A=D>C", "A>B>C>D", "none"]
    assert first.created < newest.created
    vote_in(store, facts("old"))  # votes on the same weights continue their season
    assert {season.number: season.votes for season in store.seasons()} == {1: 2, 2: 1}
    store.close()


def test_a_migrated_database_has_the_schema_of_a_new_one(old_database, tmp_path):
    def shape(path):
        db = sqlite3.connect(path)
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master ORDER BY name")]
        columns = {name: [row[1:4] for row in db.execute(f"PRAGMA table_info({name})")] for name in tables}
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.close()
        return columns, version

    VoteStore(old_database).close()
    VoteStore(tmp_path / "fresh.sqlite").close()
    assert shape(old_database) == shape(tmp_path / "fresh.sqlite")
    assert shape(old_database)[1] == VERSION


@pytest.mark.faults(60)
def test_a_migration_that_fails_leaves_the_old_database(old_database, monkeypatch):
    before = old_database.read_bytes()

    def broken(db, facts, created=None):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("data.vote_schema.enter_season", broken)
    with pytest.raises(UserError):
        VoteStore(old_database)
    monkeypatch.undo()
    assert old_database.read_bytes() == before
    store = VoteStore(old_database)
    assert len(store.votes(retracted=True)) == 3
    store.close()
