"""The arena's handlers without a browser: orders, panes that reveal no policy, the reveal, errors."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest
from fake_policies import fake_demo
from served_page import FakeClient

from data.errors import Code, UserError
from data.policies import POLICIES
from data.seasons import Terms
from evaluation.ballots import Ballot as CastBallot
from evaluation.ballots import VoteTable
from evaluation.contrasts import Contrast
from evaluation.trust import trust
from evaluation.verdict import Stop, verdicts
from pipeline.arena.rounds import Arena
from pipeline.arena.statistics import Board
from ui import (
    arena_mine,
    arena_panes,
    arena_rounds,
    arena_tables,
    arena_updates,
    arena_who,
)
from ui import verdicts as verdict_texts
from ui.arena_views import Ballot, Question
from ui.kept_rounds import KeptRounds
from ui.texts import Texts

T = Texts("en")


@pytest.fixture
def services(workspace, tmp_path):
    arena = Arena(workspace, FakeClient(), demos=fake_demo(tmp_path / "demo"))
    yield SimpleNamespace(arena=arena, workspace=workspace, kept=KeptRounds())
    arena.close()


def ask(services, text, state=None):
    return list(arena_rounds.ask(services, Question(text, "ann", "", "en", before=state), T))


def vote(services, state, order="B>A>C>D", comment="", rater="ann"):
    return arena_rounds.cast(services, state, Ballot(order, comment), rater, T)


@pytest.fixture
def panes():
    with gr.Blocks():
        return arena_panes.build(T)


@pytest.fixture
def said(monkeypatch):
    """The message that the page shows next to the panes."""
    texts = []
    for kind in ("Warning", "Info"):
        monkeypatch.setattr(f"gradio.{kind}", lambda text, **_: texts.append(text))
    return texts


def streamed(services, panes, text, state=None):
    return list(arena_updates.streamed(services, panes, Question(text, "ann", "", "en", before=state), T))


def test_an_incomplete_order_names_what_it_leaves_out(services):
    state = ask(services, "Hello")[-1].state
    assert arena_rounds.missing_letters(state, "b>") == ["A", "C", "D"]
    assert arena_rounds.missing_letters(state, "B>A=D>C") == []
    assert arena_rounds.missing_letters(state, "none") == []
    with pytest.raises(UserError):
        arena_rounds.missing_letters(state, "")


def test_an_incomplete_order_is_shown_complete_and_cast_by_a_second_press(services, panes, said):
    state = ask(services, "Hello")[-1].state
    shown = dict(
        zip(
            panes.outputs(), arena_updates.voted(services, panes, state, Ballot("B>A"), "ann", T), strict=True
        )
    )
    assert shown[panes.order].value == "B>A>C=D" and "C, D" in said[0]
    assert services.arena.ballots() == []
    arena_updates.voted(services, panes, state, Ballot("B>A>C=D"), "ann", T)
    assert len(services.arena.ballots()) == 1


def test_nothing_before_the_vote_names_a_policy(services, panes):
    sent = streamed(services, panes, "Hello")
    assert len(sent) > 2
    assert not any(name in json.dumps(sent, default=repr) for name in POLICIES)


def test_the_vote_shows_the_policies_and_updates_the_leaderboard(services):
    assert "No votes" in arena_tables.leaderboard_html(services, T)
    view = vote(services, ask(services, "Hello")[-1].state)
    assert all(name in view.reveal for name in POLICIES) and set(view.policies.values()) == set(POLICIES)
    assert all(name in arena_tables.leaderboard_html(services, T) for name in POLICIES)
    with pytest.raises(UserError):
        vote(services, view.state, "A>B>C>D")


def test_a_second_click_is_the_same_vote(services):
    state = ask(services, "Hello")[-1].state
    for _ in range(2):
        vote(services, state)
    assert len(services.arena.ballots()) == 1


def test_the_last_vote_can_be_taken_back_once_and_counts_no_more(services):
    ask(services, "Hello")
    state = ask(services, "What is seven plus five?")[-1].state
    voted = vote(services, state).state
    assert len(services.arena.ballots()) == 1
    with pytest.raises(UserError, match="another rater"):
        arena_rounds.take_back(services, voted, "bob", T)
    left = arena_rounds.take_back(services, voted, "ann", T)
    assert services.arena.ballots() == [] and "No votes" in arena_tables.leaderboard_html(services, T)
    assert services.arena.csv().count("\n") == 1  # only the header row
    with pytest.raises(UserError, match="no vote prefers"):
        services.arena.export("votes")
    assert [row["retracted"] for row in services.arena.store.votes(retracted=True)] == [True]
    with pytest.raises(UserError):
        arena_rounds.take_back(services, left, "ann", T)
    with pytest.raises(UserError):
        vote(services, left)


def test_gold_stands_beside_the_policies_inside_the_tiny_world_only(services):
    inside, outside = (ask(services, text)[-1].state for text in ("What is seven plus five?", "Hm hm qua?"))
    shown = vote(services, inside).reveal
    assert T("reveal.gold_note")[:20] in shown and "<td>0" in shown
    assert T("reveal.gold_note")[:20] not in vote(services, outside).reveal


def test_a_conversation_goes_on_in_the_same_panes(services):
    state = ask(services, "Hello")[-1].state
    longer = ask(services, "And then?", state)[-1].state
    assert longer.conversation == state.conversation
    assert [m["role"] for m in longer.histories["A"]] == ["user", "assistant"] * 2


@pytest.mark.parametrize("text", ["", "   ", "你好，今天吃什么？"])
def test_a_prompt_that_cannot_be_answered_leaves_the_unvoted_round_alone(services, panes, said, text):
    streamed(services, panes, "Hello")
    sent = streamed(services, panes, text)
    assert len(sent) == 1 and len(said) == 1
    assert all(update == gr.skip() for update in sent[0])


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "word"), [("x" * 20_000, "too long"), ("half \ud83d of a smile", "not valid text")]
)
def test_a_prompt_that_cannot_be_stored_is_a_message_and_never_reaches_the_panes(
    services, panes, said, text, word
):
    sent = streamed(services, panes, text)
    assert len(sent) == 1 and all(update == gr.skip() for update in sent[0])
    assert word in said[0] and T("advice.prompt") in said[0]


def test_an_error_that_quotes_any_text_can_be_sent():
    assert str(UserError("name=a\ud800b: odd", code=Code.NAME)).encode("utf-8") == b"name=a\\ud800b: odd"


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Hello", True),
        ("你好", False),
        ("12 + 3?", True),
        ("Was heißt café?", True),
        ("Hi 你好吗今天", False),
    ],
)
def test_a_prompt_in_another_script_is_noticed(text, latin):
    assert arena_rounds.is_latin(text) == latin


def test_a_new_round_has_no_comment_and_no_order_of_the_last_one(services, panes):
    for update in streamed(services, panes, "Hello")[:1]:
        shown = dict(zip(panes.outputs(), update, strict=True))
        assert shown[panes.comment].value == "" and shown[panes.order].value == ""


def test_only_the_rater_who_asked_can_stop_the_answers(services, monkeypatch):
    stopped = []
    monkeypatch.setattr(services.arena.client, "stop", stopped.append, raising=False)
    state = ask(services, "Hello")[-1].state
    arena_rounds.stop(services, state, "bob")
    assert stopped == []
    arena_rounds.stop(services, state, "ann")
    assert stopped == [state.round]


def test_the_next_prompt_is_one_that_this_rater_was_not_asked(services):
    first = services.arena.next_prompt("ann")
    ask(services, first)
    second = services.arena.next_prompt("ann")
    assert second != first and services.arena.next_prompt("bob") == first


def test_the_line_above_the_prompt_names_the_models_that_answer(services):
    line, choice, *examples = arena_who.about(services, "", T)
    assert T("arena.shipped") in line and "3.7 million" in line
    assert not choice.visible and choice.value == "demo-tiny"
    assert all(button.value for button in examples)


@pytest.mark.faults(29)
def test_text_in_the_panes_is_no_markup():
    shown = arena_panes.inert([{"role": "assistant", "content": "<img src=x onerror=alert(1)> & more"}])
    assert shown[0]["content"] == "&lt;img src=x onerror=alert(1)&gt; &amp; more"


PAIR = {"A": "ppo-int4", "B": "ppo-bf16"}


def votes(*raters):
    """Ballots on int4 (A) and bf16 (B) from a string of votes per rater, such as "ABBA"."""
    order = {"A": "A>B", "B": "B>A"}
    return [
        CastBallot.from_order(
            order[vote], PAIR, f"rater {i}", f"{i} {j}", seconds=0.1, lengths={"ppo-int4": 40}
        )
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
def test_the_verdict_is_one_sentence_that_states_its_population(raters, words):
    said = arena_tables.verdicts.board_html(board(votes(*raters)), T)
    assert all(word in said for word in words), said
    assert ("people in general, judged" in said) == (len(raters) == 30)
    assert arena_tables.verdicts.board_html(board(votes(*raters)), Texts("zh")) != said


def test_the_chart_has_a_text_alternative():
    shown = verdict_texts.picture(board(votes("AB" * 60)).verdicts, T)
    assert 'role="img"' in shown and "Preference for ppo-int4 over ppo-bf16: 50 %" in shown


def test_the_verdict_without_flagged_raters_is_given_beside_it():
    assert "the same verdicts" in verdict_texts.without_flagged(board(votes("AB"), votes("BA")), T)
    changed = verdict_texts.without_flagged(board(votes("AB"), votes("A" * 80)), T)
    assert "Without 1 of 2 raters" in changed and "ppo-int4 is better than ppo-bf16" in changed


def test_without_votes_there_is_no_verdict(services):
    assert verdict_texts.board_html(services.arena.board(), T) == ""


def test_a_rater_who_votes_faster_than_reading_allows_is_named(services):
    shown = verdict_texts.trust_html(trust(votes("AB" * 10)), T)
    assert "faster than one can read" in shown and "agreement between raters" in shown
    assert verdict_texts.trust_html(services.arena.trust(), T)


def test_a_hidden_leaderboard_is_shown_to_who_asks_and_says_that_somebody_looked(services):
    services.arena.set_terms(Terms(0.1, 5, True))
    vote(services, ask(services, "Hello")[-1].state)
    assert "hidden until 5 rankings are there: 1" in arena_tables.leaderboard_html(services, T)
    assert "ppo-int8" not in arena_tables.leaderboard_html(services, T)
    services.arena.look(services.arena.season_id(), "ann")
    shown = arena_tables.leaderboard_html(services, T, looked=True)
    assert "ppo-int8" in shown and "before its target: 1; the first with 1" in shown


def test_a_rating_ends_the_round_and_names_its_policy(services):
    (*_, view) = arena_rounds.ask(services, Question("Hello", "ann", "", "en", "rate"), T)
    with pytest.raises(UserError, match="1 to 5"):
        arena_rounds.cast(services, view.state, Ballot(), "ann", T)
    told = arena_rounds.cast(services, view.state, Ballot(rating=2, tags=("rude",)), "ann", T)
    assert list(told.policies) == ["A"] and told.policies["A"] in told.reveal
    shown = arena_tables.leaderboard_html(services, T)
    assert T("board.rated")[:20] in shown and "rude 1" in shown


def test_a_pair_needs_one_click(services):
    (*_, view) = arena_rounds.ask(services, Question("Hello", "ann", "", "en", "pair"), T)
    assert list(view.histories) == ["A", "B"]
    assert arena_rounds.missing_letters(view.state, "B") == []
    assert arena_rounds.cast(services, view.state, Ballot("B"), "ann", T).order == "B>A"


def test_own_votes_are_listed_in_one_line_each(services):
    vote(services, ask(services, "Tell me\nmore about tea, " + "please " * 20)[-1].state)
    progress, choice, *_ = arena_mine.updates(services, "ann", T)
    assert "Your votes in this season: 1" in progress and "no target" in progress
    ((label, _),) = choice.choices
    assert "Tell me more about tea" in label and label.endswith("… · B>A>C>D") and "\n" not in label
    assert "width:20.0%" in arena_mine.progress_html(1, 1, 5, T)
