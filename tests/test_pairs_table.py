"""The table of pairs: search, and numbers that a split does not have."""

from types import SimpleNamespace

import pytest

from ui import pairs
from ui.texts import Texts

T = Texts("en")
ROWS = [
    {"prompt": f"\n\nHuman: Question {i}\n\nAssistant:", "chosen": f"Good {i}", "rejected": f"Bad {i}"}
    for i in range(1, 21)
]


def test_search_finds_words_in_any_part_and_keeps_the_numbers():
    found, count = pairs.matches(ROWS, "GOOD 1")
    assert count == 11 and [number for number, _ in found] == [1, 10, 11, 12, 13, 14, 15, 16]
    assert pairs.matches(ROWS, "bad 20") == ([(20, ROWS[19])], 1)
    assert pairs.matches(ROWS, "")[1] == 20


@pytest.mark.parametrize("number", [99999, 0, -1, 21, None])
def test_a_number_that_the_split_does_not_have_is_refused(number):
    _, prompt, chosen, rejected, note = pairs.one_pair(ROWS, number, T)
    assert (prompt, chosen, rejected) == ("", "", "")
    assert f"no pair number {number or 0}" in note and "20 pairs" in note


def test_a_pair_is_shown_in_full():
    _, prompt, chosen, rejected, _ = pairs.one_pair(ROWS, 20, T)
    assert (prompt, chosen, rejected) == ("Question 20", "Good 20", "Bad 20")


def test_a_long_text_is_cut_in_the_table():
    row = pairs.cells(3, {"prompt": "x" * 500, "chosen": "short", "rejected": "r"})
    assert row[0] == "3" and len(row[1]) == 161 and row[2] == "short"


def test_without_a_data_set_there_are_no_rows(workspace):
    assert pairs.rows_of(SimpleNamespace(workspace=workspace), None, "test") == []
