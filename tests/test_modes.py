"""Modes of judging: two answers, one answer from 1 to 5, skips, repeats in a shared queue, and follow-ups."""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from fake_policies import fake_demo
from served_page import FakeClient

from data.errors import UserError
from data.policies import POLICIES
from data.pseudonyms import Pseudonyms
from data.rating_queue import RATERS_EACH, REPEAT_EVERY
from data.seasons import Terms
from data.votes import VoteStore
from evaluation.ballots import Ballot, VoteTable
from evaluation.ratings import Rating, rated
from evaluation.trust import flagged_raters
from pipeline.arena.rounds import Arena
from pipeline.arena.statistics import full_rankings


@pytest.fixture
def arena(workspace, tmp_path):
    arena = Arena(workspace, FakeClient(), demos=fake_demo(tmp_path / "demo"))
    yield arena
    arena.close()


def play(arena, prompt="What is tea?", rater="ann", mode="pair", **more):
    return list(arena.ask(prompt, rater, mode=mode, **more))[-1]


def judge(arena, view, order="A>B", rater="ann", **more):
    return arena.vote(view.round, order, rater=rater, **more)


def test_pairs_are_balanced_over_pairs_and_panes_for_each_rater(arena):
    seen = Counter()
    for _ in range(24):
        told = judge(arena, play(arena))["policies"]
        seen[tuple(told[letter] for letter in "AB")] += 1
    assert len(seen) == 12 and set(seen.values()) == {2}


def test_a_pair_counts_as_one_comparison_and_six_pairs_as_one_ranking(arena):
    for number in range(12):
        assert arena.board().rankings == number // 6
        judge(arena, play(arena))
    ballots = arena.ballots()
    assert {len(ballot.policies) for ballot in ballots} == {2}
    assert sum(row.wins for row in arena.board().standings) == 12
    judge(arena, play(arena, mode="rank"), "A>B>C>D")
    assert full_rankings(VoteTable.of(arena.ballots())) == 3


def test_a_rating_is_a_table_of_its_own_and_no_comparison(arena):
    for rating in (4, 2):
        view = play(arena, mode="rate")
        assert list(view.answers) == ["A"]
        told = judge(arena, view, "A", rating=rating, tags=["rude", "wrong"])
        assert len(told["policies"]) == 1
    board = arena.board()
    assert board.standings == [] and board.rankings == 0 and arena.ballots() == []
    assert sum(row.mean.n for row in board.rated) == 2
    assert arena.store.preference_pairs() == []
    with pytest.raises(UserError, match="1 to 5"):
        judge(arena, play(arena, mode="rate"), "A", rating=6)
    with pytest.raises(UserError, match="reason"):
        judge(arena, play(arena, mode="rate"), "A", rating=5, tags=["ugly"])
    with pytest.raises(UserError, match="order, not"):
        judge(arena, play(arena), "A>B", rating=5)


def test_a_rating_cannot_be_changed_by_a_second_vote(arena):
    view = play(arena, mode="rate")
    first = judge(arena, view, "A", rating=3)
    assert judge(arena, view, "A", rating=3) == first
    with pytest.raises(UserError, match="has a vote already"):
        judge(arena, view, "A", rating=5)


def test_mean_of_ratings_by_hand():
    given = [("x", 5), ("x", 3), ("y", 1), ("y", 1)]
    (row,) = rated([Rating(str(i), rater, "sft", r, ("wrong",)) for i, (rater, r) in enumerate(given)])
    # mean 2.5; the raters' sums of deviations are +3 and -3: sqrt(2 * 18) / 4 = 1.5; t(1) = 12.706
    assert row.mean.value == 2.5 and row.mean.low == pytest.approx(2.5 - 12.7062 * 1.5, abs=0.001)
    assert (row.raters, row.tags) == (2, (("wrong", 4),))
    again = [Rating("1", "x", "sft", 5), Rating("1", "x", "sft", 1)]
    assert rated(again)[0].mean.value == 5  # a repeat is not counted
    assert rated(again)[0].mean.low is None


def test_a_skipped_round_takes_no_vote_and_counts_for_nothing(arena):
    view = play(arena)
    with pytest.raises(UserError, match="reason"):
        arena.skip(view.round, "bored", "ann")
    with pytest.raises(UserError, match="another rater"):
        arena.skip(view.round, "cannot_judge", "bob")
    for _ in range(2):
        arena.skip(view.round, "cannot_judge", "ann")
    with pytest.raises(UserError, match="skipped"):
        judge(arena, view)
    assert arena.ballots() == []
    voted = play(arena)
    judge(arena, voted)
    with pytest.raises(UserError, match="has a vote"):
        arena.skip(voted.round, "other", "ann")


def test_raters_of_the_queue_judge_the_same_answers(arena):
    view = play(arena, rater="ann", mode="rank")
    judge(arena, view, "A>B>C>D")
    for rater in ("bob", "cat"):
        found = arena.next_round(rater, mode="rank", queue=True)
        copy = arena.show_again(rater, found.again)
        assert found.again == view.round and copy.message == "What is tea?"
        assert sorted(copy.answers.values()) == sorted(view.answers.values())
        told = judge(arena, copy, "A>B>C>D", rater=rater)["policies"]
        assert set(told.values()) == set(POLICIES)
    assert RATERS_EACH == 3 and arena.next_round("dan", mode="rank", queue=True).again is None
    assert arena.next_round("bob", mode="rank", queue=True).again is None
    assert arena.next_round("dan", mode="rank").again is None
    assert len({ballot.item for ballot in arena.ballots()}) == 1
    assert arena.trust().alpha is not None


def test_the_queue_never_shows_what_nobody_judged_or_another_mode(arena):
    play(arena, mode="rank")
    assert arena.next_round("bob", mode="rank", queue=True).again is None
    judge(arena, play(arena, mode="pair"))
    assert arena.next_round("bob", mode="rank", queue=True).again is None
    assert arena.next_round("bob", mode="pair", queue=True).again is not None


def test_one_round_in_ten_is_a_hidden_repeat_in_other_panes(arena):
    seen = []
    for number in range(2 * REPEAT_EVERY):
        found = arena.next_round("ann", mode="rank", queue=True)
        again = found.again
        view = arena.show_again("ann", again) if again else play(arena, f"Is {number} odd?", mode="rank")
        order = "A>B>C>D" if number % 2 else "D>C>B>A"
        seen.append((found.again, judge(arena, view, order)["policies"]))
    repeats = [(number, again) for number, (again, _) in enumerate(seen) if again]
    assert [number for number, _ in repeats] == [9, 19]
    assert seen[9][1] != seen[0][1]  # the panes of the first round are not those of its repeat
    assert arena.trust().consistency.n == 12
    assert len(VoteTable.of(arena.ballots()).first_votes) == 18  # a repeat is not a second vote


def test_a_follow_up_starts_all_panes_from_the_preferred_answer(arena):
    view = play(arena, mode="rank")
    with pytest.raises(UserError, match="vote for an answer first"):
        play(arena, "And coffee?", mode="rank", go_on_from=view.round)
    told = judge(arena, view, "B>A>C>D")
    best = view.answers["B"]
    more = play(arena, "And coffee?", mode="rank", go_on_from=told["round"])
    assert [message["content"] for message in more.thread] == ["What is tea?", best]
    assert more.conversation != view.conversation
    judge(arena, more, "A>B>C>D")
    second = arena.store.votes()[-1]
    prompts = {answer["prompt"] for answer in second["answers"].values()}
    assert len(prompts) == 1 and f"Assistant: {best}\n\nHuman: And coffee?" in prompts.pop()
    assert len(arena.store.preference_pairs()) == 12
    with pytest.raises(UserError, match="vote for an answer"):
        play(arena, "Hm?", mode="rank", rater="bob", go_on_from=told["round"])


def test_a_later_turn_keeps_its_mode_and_its_shared_beginning(arena):
    told = judge(arena, play(arena, mode="pair"), "B>A")
    more = play(arena, "And coffee?", go_on_from=told["round"])
    later = play(arena, "And milk?", conversation_id=more.conversation)
    assert len(later.answers) == 2
    thread = arena.store.histories(more.conversation, "ann")
    assert {len(messages) for messages in thread.values()} == {6}


def test_own_votes_are_the_raters_own_and_leave_when_taken_back(arena):
    judge(arena, play(arena))
    judge(arena, play(arena, "Why?", mode="rate"), "A", rating=2)
    judge(arena, play(arena, rater="bob"), rater="bob")
    mine = arena.own_votes("ann")
    assert [(vote.mode, vote.said, vote.message) for vote in mine] == [
        ("rate", "2", "Why?"),
        ("pair", "A>B", "What is tea?"),
    ]
    arena.retract(mine[0].id, "ann")
    assert len(arena.own_votes("ann")) == 1 and arena.board().rated == []


def test_a_hidden_leaderboard_opens_at_its_target_and_an_early_look_is_recorded(arena):
    arena.set_terms(Terms(0.1, 2, True))
    season = arena.season_id()
    assert arena.board().hidden and arena.looks() == []
    judge(arena, play(arena, mode="rank"), "A>B>C>D")
    for _ in range(2):
        assert arena.look(season, "ann").standings
    ann = arena.store.pseudonyms.rater("ann")
    assert [(look.rater, look.rankings) for look in arena.looks()] == [(ann, 1)]
    assert arena.leaderboard() and len(arena.looks()) == 2  # the public API is a look as well
    judge(arena, play(arena, mode="rank"), "A>B>C>D")
    assert not arena.board().hidden
    arena.look(season, "bob")
    assert len(arena.looks()) == 2
    with pytest.raises(UserError, match="before the first"):
        arena.set_terms(Terms(0.2, 2, False))


def test_a_hidden_leaderboard_needs_a_target(arena):
    with pytest.raises(UserError, match="target"):
        arena.set_terms(Terms(0.1, None, True))


def test_identifiers_of_repeats_are_hidden_in_exports(arena, tmp_path):
    judge(arena, play(arena, mode="rank"), "A>B>C>D")
    copy = arena.show_again("bob", arena.next_round("bob", mode="rank", queue=True).again)
    judge(arena, copy, "A>B>C>D", rater="bob")
    first, second = [Pseudonyms(tmp_path / "key").row(vote) for vote in arena.store.votes()]
    assert second["repeat_of"] == first["round"] and first["repeat_of"] is None
    assert copy.round not in json.dumps(second)


def test_an_honest_rater_of_pairs_is_no_straight_liner():
    pair = {"A": "sft", "B": "ppo-bf16"}
    votes = [Ballot.from_order(o, pair, "r", str(i)) for i, o in enumerate(["A>B"] * 9 + ["B>A"])]
    assert flagged_raters(VoteTable.of(votes)) == frozenset()
    always = [Ballot.from_order("A>B", pair, "r", str(i)) for i in range(30)]
    assert flagged_raters(VoteTable.of(always)) == {"r"}


def test_a_database_of_version_1_knows_its_modes_tokens_and_identical_answers(tmp_path):
    path = tmp_path / "arena.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript((Path(__file__).parent / "arena_v1.sql").read_text(encoding="utf-8"))
    store = VoteStore(path)
    assert {vote["mode"] for vote in store.votes(retracted=True)} == {"rank"}
    by_number = store.cast()
    for cast, vote in zip(by_number, store.votes(retracted=True), strict=True):
        assert dict(cast.tokens) == {a["policy"]: a["tokens"] for a in vote["answers"].values()}
    store.close()
