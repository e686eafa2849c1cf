"""The database holds no cookie and no login, older ones are migrated, and who returns is the same rater."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from test_votes import answer, ask

from data.errors import UserError
from data.pseudonyms import KEY_FILE, Pseudonyms
from data.votes import VoteStore

COOKIE = "cookie:0123456789abcdef0123456789abcdef"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arena.sqlite"


@pytest.fixture
def old_database(path):
    """Of schema version 1, its votes of a rater with a cookie, and traces of further cookies."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript((Path(__file__).parent / "arena_v1.sql").read_text(encoding="utf-8"))
        db.execute("PRAGMA foreign_keys = OFF")
        for table, column in (("raters", "id"), ("rounds", "rater"), ("votes", "rater")):
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = 'ann'", (COOKIE,))
        db.executemany("INSERT INTO raters VALUES (?, '')", [(f"{COOKIE}{n}",) for n in range(500)])
        db.commit()
        db.execute("DELETE FROM raters WHERE id LIKE '%7'")
        db.commit()
    assert COOKIE.encode() in path.read_bytes()
    return path


@pytest.mark.faults(61)
def test_the_file_holds_nothing_that_a_rater_is_known_by(path):
    store = VoteStore(path)
    for rater in (COOKIE, "user:rob", "api:my script"):
        new = answer(store, ask(store, rater=rater))
        store.vote(new.id, "A>B>C>D", rater=rater)
    kinds = [vote["rater"].partition(":")[0] for vote in store.votes()]
    store.close()
    content = path.read_bytes()
    assert kinds == ["cookie", "user", "api"]
    assert not any(part in content for part in (COOKIE[7:].encode(), b"rob", b"my script"))


@pytest.mark.faults(61)
def test_a_migration_keeps_every_vote_and_leaves_no_cookie(old_database):
    store = VoteStore(old_database)
    votes = store.votes(retracted=True)
    assert [vote["order"] for vote in votes] == ["B>A=D>C", "A>B>C>D", "none"]
    assert {vote["rater"] for vote in votes} == {store.pseudonyms.rater(COOKIE)}
    store.close()
    assert COOKIE[7:].encode() not in old_database.read_bytes()
    with closing(sqlite3.connect(old_database)) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM raters").fetchone() == (451,)


@pytest.mark.faults(61)
def test_who_returns_after_a_migration_is_the_same_rater(old_database):
    store = VoteStore(old_database)
    kept = [vote for vote in store.votes() if vote["order"] == "B>A=D>C"]
    with pytest.raises(UserError, match="another rater's"):
        store.retract(kept[0]["vote"], rater="cookie:somebody else")
    assert store.owns(COOKIE, kept[0]["round"])
    store.retract(kept[0]["vote"], rater=COOKIE)
    assert kept[0]["vote"] not in [vote["vote"] for vote in store.votes()]
    store.close()


def test_an_export_names_a_rater_as_before_the_migration(old_database):
    before = Pseudonyms(old_database.with_name(KEY_FILE)).name("rater", COOKIE)
    store = VoteStore(old_database)
    assert {store.pseudonyms.row(vote)["rater"] for vote in store.votes()} == {before}
    store.close()


@pytest.mark.faults(61)
@pytest.mark.parametrize("key", [None, b"k" * 32, b"short"])
def test_a_lost_or_foreign_key_is_refused_and_changes_nothing(path, key):
    store = VoteStore(path)
    ask(store, rater=COOKIE)
    store.close()
    before = path.read_bytes()
    path.with_name(KEY_FILE).unlink()
    if key:
        path.with_name(KEY_FILE).write_bytes(key)
    with pytest.raises(UserError, match=KEY_FILE):
        VoteStore(path)
    assert path.read_bytes() == before


def test_programs_that_start_at_once_agree_on_one_key(path):
    start, found = threading.Barrier(6), []

    def begin():
        start.wait()
        store = VoteStore(path)
        found.append(store.pseudonyms.mark)
        store.close()

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
