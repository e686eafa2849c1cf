"""Variety, repetition and gains per step agree with hand-worked values."""

import pytest

from evaluation.answers import best_step, distinct_n, gain_interval, repetition


def test_distinct_counts_different_grams_over_all_words():
    texts = ["The cat sat.", "the cat ran"]  # 6 words; the, cat, sat, ran; the cat, cat sat, cat ran
    assert distinct_n(texts, 1) == pytest.approx(4 / 6)
    assert distinct_n(texts, 2) == pytest.approx(3 / 6)
    assert distinct_n(["", "?!"], 1) is None and distinct_n(["one"], 2) == 0.0


def test_an_n_gram_does_not_span_two_answers():
    assert distinct_n(["a b", "c d"], 2) == pytest.approx(2 / 4)


def test_an_answer_repeats_itself_when_four_words_occur_three_times():
    thrice, twice = "go to the shop, " * 3, "go to the shop, " * 2
    assert repetition([thrice, twice, "No.", ""]) == 0.25
    assert repetition(["a a a a a a"]) == 1.0  # six words: the gram "a a a a" three times
    assert repetition(["a a a a a"]) == 0.0
    assert repetition([]) is None


def test_a_gain_has_an_interval_around_it():
    sft = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    low, high = gain_interval([score + 2.0 for score in sft], sft)
    # Mean 2 over a standard deviation of √3.5 = 1.87 is 1.07.
    assert low < 1.07 < high
    assert gain_interval(sft, sft) == [0.0, 0.0]
    assert gain_interval([1.0, 2.0], [3.0, 3.0]) is None
    with pytest.raises(ValueError, match="same prompts"):
        gain_interval([1.0], [1.0, 2.0])


def test_the_best_step_is_the_earliest_with_the_highest_gain():
    points = [{"step": step, "judge_gain": gain} for step, gain in ((0, 0.0), (4, 0.5), (8, 0.5), (12, 0.2))]
    assert best_step(points) == 4
    assert best_step([{"step": 0, "judge_gain": None}]) is None
