"""Orders of answers: accepted and refused texts, and that parsing and formatting are inverses."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UserError
from data.ranking import LETTERS, Ranking

orders = st.permutations(LETTERS).flatmap(
    lambda letters: st.lists(st.sampled_from(">="), min_size=3, max_size=3).map(
        lambda signs: "".join(x + y for x, y in itertools.zip_longest(letters, signs, fillvalue=""))
    )
)


def test_an_order_is_parsed_into_tiers_best_first():
    assert Ranking.parse("B>D=A>C").tiers == (("B",), ("A", "D"), ("C",))
    assert Ranking.parse(" b > a=d >c ") == Ranking.parse("B>D=A>C")
    assert Ranking.parse("B>A", "AB").tiers == (("B",), ("A",))


def test_none_calls_every_answer_bad():
    bad = Ranking.parse("NONE")
    assert bad == Ranking() and bad.all_bad and bad.best is None
    assert bad.format() == "none" and bad.places() == bad.mean_places() == {}


@pytest.mark.parametrize(
    "order",
    ["", "A>B>C", "A>B>C>D>D", "A>>B>C=D", "A>B>C>E", "AB>C>D", "none>A", ">A>B>C>D", "A;B;C;D", None, 7],
)
def test_a_bad_order_is_refused_with_advice(order):
    with pytest.raises(UserError, match="names each of A B C D once, such as A>B>C>D"):
        Ranking.parse(order)


@pytest.mark.parametrize(
    ("typed", "full"),
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
    assert Ranking.complete(typed).format() == full


@pytest.mark.parametrize("typed", ["", ">", "A>A", "A>E", "AB", "A>>B", None])
def test_a_text_that_is_not_an_order_is_not_completed(typed):
    with pytest.raises(UserError):
        Ranking.complete(typed)


def test_places_of_ties_are_shared():
    order = Ranking.parse("B>A=D>C")
    assert order.places() == {"B": 1, "A": 2, "D": 2, "C": 4}
    assert order.mean_places() == {"B": 1, "A": 2.5, "D": 2.5, "C": 4}


def test_policies_take_the_letters_places():
    assert Ranking.parse("B>A", "AB").renamed({"A": "sft", "B": "ppo"}).tiers == (("ppo",), ("sft",))


@given(orders)
def test_parsing_and_formatting_an_order_are_inverse(order):
    ranking = Ranking.parse(order)
    assert Ranking.parse(ranking.format()) == ranking == Ranking.complete(order)
    assert Ranking.parse(ranking.format()).format() == ranking.format()


@given(orders)
def test_the_places_agree_with_the_signs(order):
    places = Ranking.parse(order).places()
    for left, sign, right in zip(order[::2], order[1::2], order[2::2], strict=False):
        assert places[left] == places[right] if sign == "=" else places[left] < places[right]


@given(orders)
def test_mean_places_add_up_whatever_is_tied(order):
    assert sum(Ranking.parse(order).mean_places().values()) == 10


@given(orders, st.integers(0, 7))
def test_completing_a_prefix_keeps_its_order(order, length):
    prefix = order[:length].rstrip(">=")
    if prefix:
        full = Ranking.complete(prefix)
        assert sorted(full.names) == list(LETTERS)
        assert full.format().startswith(Ranking.parse(prefix, prefix[::2]).format())
