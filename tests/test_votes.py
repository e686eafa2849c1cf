"""The vote store: no acknowledged vote is lost, none is counted twice, and no rater votes for another."""

import csv
import io
import multiprocessing
import os
import random
import sqlite3
import threading
from collections import Counter

import pytest
from waiting import eventually

from data.errors import UserError
from data.vote_table import votes_csv
from data.votes import Answer, VoteStore

POLICIES = ("sft", "ppo-bf16", "ppo-int8", "ppo-int4")


@pytest.fixture
def store(tmp_path):
    store = VoteStore(tmp_path / "arena.sqlite")
    yield store
    store.close()


def ask(store, rater="ann", message="What is tea?", texts=None, policies=POLICIES, **more):
    facts = {"message": message, "prompt_sha256": "0" * 64, "seed": 1, "decoding": {"temperature": 0.7}}
    facts |= {"base": {"name": "tiny"}, "software": {"torch": "2"}, "policies": policies, "rater": rater}
    return store.open_round(**facts, **more)


def answer(store, new, texts=None, prompt="\n\nHuman: What is tea?\n\nAssistant:"):
    texts = texts or {policy: f"answer of {policy}" for policy in new.arrangement.values()}
    prompts = prompt if isinstance(prompt, dict) else dict.fromkeys(new.arrangement.values(), prompt)
    rows = [
        Answer(
            letter,
            policy,
            prompts[policy],
            texts[policy],
            3,
            "stop",
            0.01,
            0.1,
            {"adapter": f"hash {policy}"},
        )
        for letter, policy in new.arrangement.items()
    ]
    store.close_round(new.id, rows)
    return new


def test_a_vote_is_read_back_with_its_complete_provenance(store):
    new = answer(store, ask(store, language="zh-CN"))
    store.vote(new.id, "B>A=D>C", comment="B knows", vote_id="v1", rater="ann")
    (vote,) = store.votes()
    assert vote["order"] == "B>A=D>C" and vote["policies"] == new.arrangement
    assert vote["answers"]["B"]["weights"] == {"adapter": f"hash {new.arrangement['B']}"}
    assert (vote["comment"], vote["language"], vote["seed"]) == ("B knows", "zh-CN", 1)
    assert vote["rater"] == store.pseudonyms.rater("ann") == store.rater_of(new.id)
    assert vote["reading_seconds"] >= 0 and vote["decoding"] == {"temperature": 0.7}


@pytest.mark.faults(25)
def test_the_same_vote_id_and_a_double_click_give_one_row(store):
    new = answer(store, ask(store))
    first = store.vote(new.id, "A>B>C>D", vote_id="v1")
    assert store.vote(new.id, "A>B>C>D", vote_id="v1") == first
    assert store.vote(new.id, "A>B>C>D", vote_id="v2") == first
    with pytest.raises(UserError, match="has a vote already"):
        store.vote(new.id, "B>A>C>D", vote_id="v3")
    with pytest.raises(UserError, match="vote id"):
        store.vote(new.id, "D>A>C>B", vote_id="v1")
    assert len(store.votes()) == 1


@pytest.mark.faults(26)
def test_invalid_votes_are_rejected(store):
    new = ask(store)
    with pytest.raises(UserError, match="unknown"):
        store.vote("0" * 32, "A>B>C>D")
    with pytest.raises(UserError, match="no answers"):
        store.vote(new.id, "A>B>C>D", rater="ann")
    answer(store, new)
    with pytest.raises(UserError, match="another rater"):
        store.vote(new.id, "A>B>C>D", rater="bob")
    for bad in ("A>B>C", "A>A>B>C", "A>B>C>E", "", "A>>B=C=D"):
        with pytest.raises(UserError, match="once"):
            store.vote(new.id, bad)
    lost = ask(store)
    store.void_round(lost.id, "the worker died")
    with pytest.raises(UserError, match="no answers"):
        store.vote(lost.id, "A>B>C>D")
    assert store.votes() == []


def test_a_retracted_vote_stays_in_the_file_and_leaves_the_count(store):
    new = answer(store, ask(store))
    store.vote(new.id, "A>B>C>D", vote_id="v1")
    with pytest.raises(UserError):
        store.retract("v1", rater="bob")
    store.retract("v1", rater="ann", reason="slipped")
    store.retract("v1", rater="ann")
    assert store.votes() == [] and store.preference_pairs() == []
    assert [vote["vote"] for vote in store.votes(retracted=True)] == ["v1"]
    store.vote(new.id, "D>B>C>A", vote_id="v2")
    assert [vote["order"] for vote in store.votes()] == ["D>B>C>A"]


def test_each_rater_sees_all_arrangements_equally_often(store):
    for rater, rounds in (("ann", 48), ("bob", 30)):
        seen = Counter(tuple(ask(store, rater).arrangement.values()) for _ in range(rounds))
        assert len(seen) == 24 and max(seen.values()) - min(seen.values()) <= 1
    two = Counter(tuple(ask(store, "eve", policies=POLICIES[:2]).arrangement.values()) for _ in range(6))
    assert sorted(two.values()) == [3, 3]


def test_a_conversation_keeps_its_panes_until_it_is_voted_on(store):
    first = answer(store, ask(store))
    second = answer(store, ask(store, message="And coffee?", conversation=first.conversation))
    assert (second.arrangement, second.turn) == (first.arrangement, 1)
    history = store.histories(first.conversation, "ann")
    assert [m["content"] for m in history["sft"]] == [
        "What is tea?",
        "answer of sft",
        "And coffee?",
        "answer of sft",
    ]
    assert store.histories(first.conversation, "bob") == {}
    with pytest.raises(UserError, match="another rater"):
        ask(store, "bob", conversation=first.conversation)
    with pytest.raises(UserError, match="have changed"):
        ask(store, policies=POLICIES[:3], conversation=first.conversation)
    store.vote(second.id, "none")
    with pytest.raises(UserError, match="voted on"):
        ask(store, conversation=first.conversation)


def test_preference_pairs_are_the_strict_preferences_on_one_prompt(store):
    texts = {"sft": "x", "ppo-bf16": "y", "ppo-int8": "x", "ppo-int4": "z"}
    new = answer(store, ask(store), texts)
    letter = {policy: name for name, policy in new.arrangement.items()}
    order = f"{letter['ppo-bf16']}>{letter['sft']}={letter['ppo-int4']}>{letter['ppo-int8']}"
    store.vote(new.id, order)
    pairs = {(pair["chosen"], pair["rejected"]) for pair in store.preference_pairs()}
    assert pairs == {("y", "x"), ("y", "z"), ("z", "x")}  # a preference between equal texts gives no pair
    none = answer(store, ask(store))
    store.vote(none.id, "none")
    later = answer(store, ask(store), prompt={policy: f"history of {policy}" for policy in POLICIES})
    store.vote(later.id, "A>B>C>D")
    assert len(store.preference_pairs()) == 4


@pytest.mark.faults(47)
@pytest.mark.parametrize("text", ["=cmd()", "+1", "-2", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_a_spreadsheet_cannot_take_an_exported_cell_for_a_formula(store, text):
    new = answer(store, ask(store, message=text), dict.fromkeys(POLICIES, text))
    store.vote(new.id, "A=B=C=D", comment=text)
    rows = list(csv.DictReader(io.StringIO(votes_csv(store.votes()), newline="")))
    assert len(rows) == 4
    for row in rows:
        assert {row["message"], row["comment"], row["text"]} == {f"'{text}"}


@pytest.mark.faults(28)
def test_text_of_any_script_round_trips(store):
    text = "שלום 👩‍👩‍👧 \u202eabc\u202c ﷽ 你好\n\t'; DROP TABLE votes; --"
    new = answer(store, ask(store, message=text), dict.fromkeys(POLICIES, text))
    store.vote(new.id, "A=B=C=D", comment=text)
    (vote,) = store.votes()
    assert vote["message"] == vote["comment"] == vote["answers"]["C"]["text"] == text


def _rate_at_once(stores, raters, each):
    """(ids of acknowledged votes, errors) of raters who all vote at the same time."""
    acknowledged, errors = [], []

    def rate(number):
        store = stores[number % len(stores)]
        try:
            for turn in range(each):
                new = answer(store, ask(store, f"rater {number}"))
                store.vote(new.id, "A>B>C>D", vote_id=f"{number}-{turn}")
                acknowledged.append(f"{number}-{turn}")
        except UserError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=rate, args=(number,)) for number in range(raters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return acknowledged, errors


@pytest.mark.faults(24)
def test_32_raters_at_once_store_what_was_acknowledged(store):
    acknowledged, errors = _rate_at_once([store], 32, 4)
    assert not errors and len(acknowledged) == 128
    assert sorted(vote["vote"] for vote in store.votes()) == sorted(acknowledged)


def test_two_programs_on_one_database_lose_nothing(tmp_path):
    stores = [VoteStore(tmp_path / "arena.sqlite") for _ in range(2)]
    acknowledged, errors = _rate_at_once(stores, 8, 2)
    assert not errors and len(acknowledged) == 16
    assert sorted(vote["vote"] for vote in stores[0].votes()) == sorted(acknowledged)
    for store in stores:
        store.close()


def _vote_and_die(path, when, round_id):
    store = VoteStore(path)
    if when == "before commit":
        write = store._file.write
        store._file.write = lambda job: write(lambda db: (job(db), os.kill(os.getpid(), 9)))
    store.vote(round_id, "A>B>C>D", vote_id="v1")
    os.kill(os.getpid(), 9)


@pytest.mark.faults(3, 4)
@pytest.mark.parametrize(("when", "rows"), [("before commit", 0), ("after commit", 1)])
def test_a_kill_around_the_commit_leaves_all_or_nothing_and_a_retry_gives_one_row(tmp_path, when, rows):
    path = tmp_path / "arena.sqlite"
    store = VoteStore(path)
    new = answer(store, ask(store))
    store.close()
    child = multiprocessing.get_context("spawn").Process(target=_vote_and_die, args=(path, when, new.id))
    child.start()
    child.join()
    assert child.exitcode == -9
    store = VoteStore(path)
    assert len(store.votes()) == rows
    store.vote(new.id, "A>B>C>D", vote_id="v1")
    assert len(store.votes()) == 1
    store.close()


def test_waiting_writes_are_stored_together_and_fail_separately(store):
    rounds = [answer(store, ask(store)) for _ in range(8)]
    outcomes = {}

    def rate(number):
        order = "A>B>C" if number == 3 else "A>B>C>D"
        try:
            outcomes[number] = store.vote(rounds[number].id, order, vote_id=f"v{number}")["vote"]
        except UserError as error:
            outcomes[number] = str(error)

    threads = [threading.Thread(target=rate, args=(number,)) for number in range(8)]
    with store._file.read():  # an open read keeps the writers waiting, so that their votes queue up
        for thread in threads:
            thread.start()
        eventually(lambda: len(store._file._waiting) == 8)
    for thread in threads:
        thread.join()
    assert "once" in outcomes.pop(3) and outcomes == {number: f"v{number}" for number in outcomes}
    assert len(store.votes()) == 7


@pytest.mark.faults(11)
def test_a_vote_on_a_full_disk_is_not_acknowledged(store):
    new = answer(store, ask(store))
    with store._file.read() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UserError, match="full"):
        store.vote(new.id, "A>B>C>D", comment="x" * 100_000, vote_id="v1")
    assert store.votes() == []
    with store._file.read() as db:
        db.execute("PRAGMA max_page_count = 1000000")
    store.vote(new.id, "A>B>C>D", comment="x" * 100_000, vote_id="v1")
    assert len(store.votes()) == 1


@pytest.mark.faults(5)
def test_each_write_is_synced_before_it_returns(store):
    with store._file.read() as db:
        wal = sqlite3.sqlite_version_info >= (3, 51, 3)
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == ("wal" if wal else "delete")
        assert db.execute("PRAGMA synchronous").fetchone()[0] == (2 if wal else 3)


@pytest.mark.faults(17)
def test_a_damaged_database_is_refused_and_kept_as_it_is(tmp_path):
    path = tmp_path / "arena.sqlite"
    store = VoteStore(path)
    for _ in range(30):
        answer(store, ask(store))
    store.close()
    whole = path.read_bytes()
    for damaged in (
        b"not a database at all" * 100,
        whole[:4096] + random.Random(1).randbytes(len(whole) - 4096),
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="left untouched"):
            VoteStore(path)
        assert path.read_bytes() == damaged


def test_databases_of_other_programs_and_of_newer_versions_are_refused(tmp_path):
    other, newer = tmp_path / "other.sqlite", tmp_path / "newer.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (x)")
    VoteStore(newer).close()
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="another program"):
        VoteStore(other)
    with pytest.raises(UserError, match="newer version"):
        VoteStore(newer)
