"""The arena's handlers without a browser: orders, panes that give nothing away, the reveal, errors."""

import json
from types import SimpleNamespace

import pytest
from fake_policies import fake_demo
from served_page import FakeClient

from data.errors import UserError
from data.policies import POLICIES
from evaluation.significance import equivalence
from pipeline.arena.rounds import Arena
from ui import arena_tab, arena_tables
from ui.texts import Texts

T = Texts("en")


@pytest.fixture
def services(workspace, tmp_path):
    arena = Arena(workspace, FakeClient(), demos=fake_demo(tmp_path / "demo"))
    yield SimpleNamespace(arena=arena, workspace=workspace)
    arena.close()


def ask(services, text, state=None):
    return list(arena_tab.answers(services, text, "ann", state, "en", T))


@pytest.mark.parametrize(
    "typed, full",
    [
        ("B>A=D>C", "B>A=D>C"),
        ("b > a", "B>A>C=D"),
        ("B", "B>A=C=D"),
        ("B>A=", "B>A>C=D"),
        ("none", "none"),
        ("A=B=C=D", "A=B=C=D"),
    ],
)
def test_answers_left_out_share_the_last_place(typed, full):
    assert arena_tab.complete_order(typed) == full


@pytest.mark.parametrize("typed", ["", ">", "A>A", "A>E", "AB", "A>>B"])
def test_what_is_no_order_is_refused(typed):
    with pytest.raises(UserError):
        arena_tab.complete_order(typed)


def test_places_of_ties_are_shared():
    assert arena_tables.places("B>A=D>C") == {"B": 1, "A": 2, "D": 2, "C": 4}
    assert arena_tables.places("none") == {}


def test_nothing_before_the_vote_names_a_policy(services):
    sent = ask(services, "Hello")
    assert len(sent) > 2
    assert not any(name in json.dumps(sent, default=str) for name in POLICIES)


def test_the_vote_shows_who_was_who_and_moves_the_leaderboard(services):
    assert "No votes" in arena_tables.leaderboard_html(services, T)
    state = ask(services, "Hello")[-1][0]
    sent = arena_tab.cast(services, state, "B", "", "ann", T)
    assert all(name in sent[-2] for name in POLICIES)
    assert all(name in arena_tables.leaderboard_html(services, T) for name in POLICIES)
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
    with pytest.raises(UserError, match="no vote prefers"):
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


@pytest.mark.parametrize(
    ("wins", "losses", "word"),
    [(60, 40, "yes"), (0, 40, "no, on 40"), (3, 3, "not known yet"), (48, 92, "does not look like it")],
)
def test_what_quantising_cost_is_one_sentence_with_a_verdict(wins, losses, word):
    row = {"a": "ppo-int4", "b": "ppo-bf16", "equivalence": equivalence(wins, losses)}
    said = arena_tables.contrasts_html([row], T)
    assert "ppo-int4 is not worse than ppo-bf16 by more than 15 points" in said and word in said


def test_no_votes_no_word_on_quantising(services):
    assert arena_tables.contrasts_html(services.arena.contrasts(), T) == ""


@pytest.mark.faults
def test_half_a_surrogate_pair_is_a_message_and_never_reaches_the_panes(services, monkeypatch):
    warned = []
    monkeypatch.setattr(arena_tab, "warn", lambda error, t: warned.append(f"{error} {t.advice(error.code)}"))
    updates = list(arena_tab.answers(services, "half \ud83d of a smile", "ann", None, "en", T))
    assert len(warned) == 1 and "no text" in warned[0] and T("advice.prompt") in warned[0]
    assert "\ud83d" not in str(updates) and len(updates) == 1


def test_what_an_error_quotes_can_always_be_sent():
    assert str(UserError("name=a\ud800b: odd")).encode("utf-8") == b"name=a\\ud800b: odd"
