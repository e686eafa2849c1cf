"""A rater's open round and what was typed survive a reload; a round that has ended does not come back."""

from ui.arena_views import PageRound, View
from ui.kept_rounds import KeptRounds

ROUND = PageRound("r1", "c1", "tiny", "v1", {"A": []}, message="Hello")
ANSWERED = View("answered", ROUND, {"A": []})


def test_an_answered_round_is_kept_with_its_order_and_comment():
    kept = KeptRounds()
    assert kept.note("ann", ANSWERED) is ANSWERED
    kept.type("ann", "B>A", "B is better")
    found = kept.of("ann")
    assert (found.view.order, found.comment, found.view.state.message) == ("B>A", "B is better", "Hello")
    assert kept.of("bob") is None


def test_a_round_that_ended_or_gave_way_to_another_is_forgotten():
    for view in (View("voted", ROUND, {}), View("skipped", ROUND, {}), View("asking", ROUND, {})):
        kept = KeptRounds()
        kept.note("ann", ANSWERED)
        kept.note("ann", view)
        assert kept.of("ann") is None


def test_a_question_that_was_refused_leaves_the_open_round():
    kept = KeptRounds()
    kept.note("ann", ANSWERED)
    kept.note("ann", View("asking", None, {}))  # shown before any answer has come
    assert kept.of("ann") is not None


def test_typing_without_a_round_keeps_nothing():
    kept = KeptRounds()
    kept.type("ann", "A>B", "why")
    assert kept.of("ann") is None


def test_the_oldest_rounds_make_room():
    kept = KeptRounds(most=2)
    for rater in ("ann", "bob", "cat"):
        kept.note(rater, ANSWERED)
    assert kept.of("ann") is None and kept.of("cat") is not None
