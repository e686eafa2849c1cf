"""The study of whether votes help: its arithmetic, by hand."""

import numpy as np
import pytest

from benchmarks.votes_help import Answered, accuracy, difference, disagreement, fresh_prompts

ONE = Answered("p", ("a", "b", "b", "c"), (0.9, 0.2, 0.2, 0.88))


def test_a_ranking_by_gold_implies_the_clear_pairs_of_different_texts():
    # a and c differ by 0.02 only, and both b are the same text
    assert {(pair["chosen"], pair["rejected"]) for pair in ONE.pairs()} == {("a", "b"), ("c", "b")}
    assert len(ONE.pairs()) == 4
    assert {(pair["chosen"], pair["margin"]) for pair in ONE.pairs()} == {("a", 2), ("c", 1)}


def test_accuracy_counts_equal_scores_half():
    # a over b right twice, c against b: equal twice
    assert accuracy([[3.0, 1.0, 1.0, 1.0]], [ONE]) == pytest.approx(0.75)


def test_models_that_agree_do_not_disagree():
    assert disagreement(np.array([[1.0, 0.0], [1.0, 0.0]])) == 0
    # chances of 0.88 and 0.12: variance 0.38 squared
    assert disagreement(np.array([[2.0, 0.0], [0.0, 2.0]])) == pytest.approx(0.1450, abs=0.0001)


def test_the_interval_over_seeds_is_students():
    found = difference("x", [0.01, 0.03])
    # standard error 0.01, t(1) = 12.706
    assert (found.mean, found.high) == (pytest.approx(0.02), pytest.approx(0.02 + 0.12706, abs=1e-4))
    assert difference("x", [0.1]).low == -np.inf


def test_fresh_prompts_are_different_and_not_taken():
    first = fresh_prompts(5, set(), seed=3)
    assert len(set(first)) == 5 and not set(fresh_prompts(5, set(first), seed=3)) & set(first)
