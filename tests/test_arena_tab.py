"""The arena's handlers without a browser: orders, panes that give nothing away, the reveal, errors."""

import json
from types import SimpleNamespace

import pytest
from fake_policies import fake_demo
from served_page import FakeClient

from data.errors import UserError
from evaluation.ballots import Ballot, VoteTable
from evaluation.contrasts import Contrast
from evaluation.trust import trust
from evaluation.verdict import Stop, verdicts
from pipeline.arena.lineup import NAMES
from pipeline.arena.rounds import Arena
from pipeline.arena.statistics import Board
from ui import arena_tab, arena_tables
from ui import verdicts as verdict_texts
from ui.texts import Texts

T = Texts("en")


@pytest.fixture
def services(workspace, tmp_path):
    arena = Arena(workspace, FakeClient(), demos=fake_demo(tmp_path / "demo"))
    yield SimpleNamespace(arena=arena, workspace=workspace)
    arena.close()


def ask(services, text, state=None):
    return list(arena_tab.answers(services, text, "ann", state, "en", T))


def test_nothing_before_the_vote_names_a_policy(services):
    sent = ask(services, "Hello")
    assert len(sent) > 2
    assert not any(name in json.dumps(sent, default=str) for name in NAMES)


def test_the_vote_shows_who_was_who_and_moves_the_leaderboard(services):
    assert "No votes" in arena_tables.leaderboard_html(services, T)
    state = ask(services, "Hello")[-1][0]
    sent = arena_tab.cast(services, state, "B", "", "ann", T)
    assert all(name in sent[-2] for name in NAMES)
    assert all(name in arena_tables.leaderboard_html(services, T) for name in NAMES)
    with pytest.raises(UserError):
        arena_tab.cast(services, sent[0], "A", "", "ann", T)


def test_a_second_click_is_the_same_vote(services):
    state = ask(services, "Hello")[-1][0]
    for _ in range(2):
        arena_tab.cast(services, state, "B>A>C>D", "", "ann", T)
    assert len(services.arena.ballots()) == 1


def test_the_last_vote_can_be_taken_back_once_and_counts_no_more(services):
    ask(services, "Hello")
    state = ask(services, "What is seven plus five?")[-1][0]
    voted = arena_tab.cast(services, state, "B>A>C>D", "", "ann", T)
    assert voted[-1].visible and len(services.arena.ballots()) == 1
    with pytest.raises(UserError, match="another rater"):
        arena_tab.take_back(services, voted[0], "bob", T)
    state, note, button = arena_tab.take_back(services, voted[0], "ann", T)
    assert "counts no more" in note and not button.visible
    assert services.arena.ballots() == [] and "No votes" in arena_tables.leaderboard_html(services, T)
    assert services.arena.csv().count("\n") == 1  # the heading alone
    with pytest.raises(UserError, match="vote first"):
        services.arena.export("votes")
    assert [vote["retracted"] for vote in services.arena.store.votes(retracted=True)] == [True]
    for handler in (arena_tab.take_back, lambda *a: arena_tab.cast(a[0], a[1], "A", "", *a[2:])):
        with pytest.raises(UserError):
            handler(services, state, "ann", T)


def test_gold_stands_beside_the_policies_inside_the_tiny_world_only(services):
    inside, outside = (ask(services, text)[-1][0] for text in ("What is seven plus five?", "Hm hm qua?"))
    shown = arena_tab.cast(services, inside, "B", "", "ann", T)[-2]
    assert T("reveal.gold_note")[:20] in shown and "<td>0" in shown
    assert T("reveal.gold_note")[:20] not in arena_tab.cast(services, outside, "B", "", "ann", T)[-2]


def test_a_conversation_goes_on_in_the_same_panes(services):
    state = ask(services, "Hello")[-1][0]
    longer = ask(services, "And then?", state)[-1][0]
    assert longer["conversation"] == state["conversation"]
    assert [m["role"] for m in longer["histories"]["A"]] == ["user", "assistant"] * 2


def test_a_refused_prompt_leaves_the_panes_as_they_were(services, monkeypatch):
    said = []
    monkeypatch.setattr(arena_tab.gr, "Warning", said.append)
    sent = ask(services, "x" * 20_000)
    assert "too long" in said[0]
    assert sent[-1][1 + 2 * len("ABCD")] == []


def test_text_in_the_panes_is_no_markup():
    shown = arena_tab.inert([{"role": "assistant", "content": "<img src=x onerror=alert(1)> & more"}])
    assert shown[0]["content"] == "&lt;img src=x onerror=alert(1)&gt; &amp; more"


PAIR = {"A": "ppo-int4", "B": "ppo-bf16"}


def votes(*raters):
    """Ballots on int4 (A) and bf16 (B) from the raters' own votes, such as "ABBA"."""
    order = {"A": "A>B", "B": "B>A"}
    return [
        Ballot.from_order(order[vote], PAIR, f"rater {i}", f"{i} {j}", seconds=0.1, lengths={"ppo-int4": 40})
        for i, given in enumerate(raters)
        for j, vote in enumerate(given)
    ]


def board(ballots, without=()):
    asked = [Contrast("ppo-int4", "ppo-bf16", 0.15)]
    found, other = verdicts(VoteTable.of(ballots), asked), verdicts(VoteTable.of(without), asked)
    return Board([], found, other, 2, 1, len(ballots), Stop(False, "go on", len(ballots), None))


@pytest.mark.parametrize(
    ("raters", "words"),
    [
        (
            ["AB" * 60],
            ["the votes of this one rater: ", "equally good to within 15", "60 of 120", "nobody else"],
        ),
        (["A" * 60, "B" * 15], ["these 2 raters: ppo-int4 is better than", "60 of 75"]),
        (["A" * 15, "B" * 60], ["ppo-int4 is worse than ppo-bf16"]),
        (["AB", "AB"], ["undecided", "more rankings by these raters", "more raters with 10 decisive"]),
        (["AB" * 5] * 30, ["For people in general, judged from 30 raters: ", "150 of 300"]),
    ],
)
def test_the_verdict_is_one_sentence_that_says_for_whom_it_speaks(raters, words):
    said = arena_tables.verdicts.board_html(board(votes(*raters)), T)
    assert all(word in said for word in words), said
    assert ("people in general, judged" in said) == (len(raters) == 30)
    assert arena_tables.verdicts.board_html(board(votes(*raters)), Texts("zh")) != said


def test_the_picture_says_in_words_what_it_shows():
    shown = verdict_texts.picture(board(votes("AB" * 60)).verdicts, T)
    assert 'role="img"' in shown and "Preference for ppo-int4 over ppo-bf16: 50 %" in shown


def test_the_verdict_without_flagged_raters_is_given_beside_it():
    assert "the same verdicts" in verdict_texts.without_flagged(board(votes("AB"), votes("BA")), T)
    changed = verdict_texts.without_flagged(board(votes("AB"), votes("A" * 80)), T)
    assert "Without 1 of 2 raters" in changed and "ppo-int4 is better than ppo-bf16" in changed


def test_no_votes_no_verdict(services):
    assert verdict_texts.board_html(services.arena.board(), T) == ""


def test_who_votes_faster_than_one_reads_is_named(services):
    shown = verdict_texts.trust_html(trust(votes("AB" * 10)), T)
    assert "faster than one can read" in shown and "agreement between raters" in shown
    assert verdict_texts.trust_html(services.arena.trust(), T)
