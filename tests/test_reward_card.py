"""The report card of a reward model, from scores worked out by hand."""

import numpy as np
import pytest

from evaluation import reward_card
from evaluation.reward_card import Answers, Pairs


def test_the_standard_error_of_accuracy_is_binomial_where_every_pair_has_its_own_prompt():
    found = reward_card.clustered([1, 1, 1, 0], ["a", "b", "c", "d"])
    # sqrt(p (1 - p) / (n - 1)) with p = 3/4 and n = 4
    assert (found.value, found.n) == (0.75, 4) and found.se == pytest.approx(0.25)


def test_pairs_of_one_prompt_count_together():
    # Two prompts, each with two equal results: as much information as two pairs.
    found = reward_card.clustered([1, 1, 0, 0], ["a", "a", "b", "b"])
    assert found.se == pytest.approx(0.5)  # sqrt(2 / 1 * (1 + 1) / 16)
    assert reward_card.clustered([1, 0], ["a", "a"]).se is None


def test_accuracy_by_kind_has_the_largest_kind_first():
    found = reward_card.by_group([1, 0, 1, 1], "abcd", ["fact", "social", "fact", "fact"])
    assert list(found) == ["fact", "social"] and found["social"].value == 0.0
    assert [value.n for value in found.values()] == [3, 1]


GOLD = np.array([[0.8, 0.8, 0.2], [0.5, 0.5, 0.5]])
TEXTS = [["a", "b", "c"], ["d", "e", "d"]]


def test_a_reward_model_that_sees_no_difference_where_gold_sees_none_is_specific():
    assert reward_card.specificity(GOLD, GOLD, TEXTS).value == 1.0
    # "a" and "b" are equally good, yet far apart; "a" and "c" are not, and near each other.
    scores = np.array([[1.0, 0.0, 0.9], [0.5, 0.0, 0.5]])
    found = reward_card.specificity(scores, GOLD, TEXTS)
    # Equal gold: 1.0, 0.5, 0.5 ("d" and "d" are one text); different: 0.1, 0.9. Right in 2 of 6.
    assert found.value == pytest.approx(2 / 6) and found.n == 3


def test_without_pairs_of_both_sorts_there_is_no_specificity():
    assert reward_card.specificity(GOLD[1:], GOLD[1:], TEXTS[1:]) is None


def test_variance_is_split_into_within_and_between_prompts():
    # Within: 2 and 2. Means 1 and 5, whose variance is 8, of which 2 / 2 comes from within.
    total, within = reward_card.variance(np.array([[0.0, 2.0], [4.0, 6.0]]))
    assert total == pytest.approx(2 + 7) and within == pytest.approx(2 / 9)
    assert reward_card.variance(np.ones((2, 2))) == (0.0, None)


def test_slopes_hold_gold_fixed_and_ignore_what_differs_between_prompts():
    rng = np.random.default_rng(3)
    words, courtesies, gold = rng.normal(size=(3, 200, 4))
    prompt = 10 * rng.normal(size=(200, 1))
    scores = 0.5 * words - 0.2 * courtesies + 2.0 * gold + prompt
    gold = gold + 0.1 * words  # a good answer is longer
    scores = scores + 0.2 * words  # so that the slope at equal gold is still 0.5
    found = reward_card.slopes(scores, {"length": words, "politeness": courtesies}, gold)
    sd = scores.std()
    assert found["length"].value == pytest.approx(0.5 / sd) and found["politeness"].value == pytest.approx(
        -0.2 / sd
    )
    assert "length" not in reward_card.slopes(scores, {"length": np.ones((200, 4))}, gold)


def test_best_of_k_is_compared_with_what_is_reachable():
    scores = np.array([[1.0, 0.0], [1.0, 0.0]])
    found = reward_card.best_of(scores, np.array([[0.8, 0.4], [0.2, 0.6]]))
    # Gains of +0.2 and -0.2 where +0.2 was reachable twice.
    assert found.gain.value == pytest.approx(0.0) and found.reachable.value == pytest.approx(0.2)
    assert found.share == pytest.approx(0.0) and found.answers == 2
    assert reward_card.best_of(scores, np.ones((2, 2))).share is None


def test_dependence_on_the_batch_counts_pairs_that_change_sides():
    found = reward_card.batch_dependence([1.0, 0.0, 0.9, 0.5], [1.0, 0.4, 0.9, 0.3], sd=2.0)
    assert (found.largest, found.flipped, found.pairs) == (pytest.approx(0.2), 0.5, 2)


def pairs(**more):
    given = {"kinds": None, "seen": None} | more
    return Pairs([2.0, 1.0, 0.0], [1.0, 0.0, 1.0], ["p", "q", "r"], **given)


def answers(gold):
    return Answers(TEXTS, [[3.0, 2.0, 1.0], [1.0, 1.0, 0.0]], [[9, 8, 4], [2, 2, 2]], np.zeros((2, 3)), gold)


def test_lines_that_the_data_cannot_give_are_missing_with_their_reason():
    batch = reward_card.batch_dependence([1, 0], [1, 0], 1.0)
    card = reward_card.card(pairs(), answers(None), batch)
    assert card.accuracy.value == pytest.approx(2 / 3)
    assert card.by_kind is card.seen is card.specificity is card.best_of is card.politeness is None
    assert card.absent == {
        "by_kind": "kinds", "seen": "subjects", "unseen": "subjects", "specificity": "gold",
        "politeness": "variation", "best_of": "gold",
    }  # fmt: skip


def test_a_complete_card():
    batch = reward_card.batch_dependence([1, 0], [1, 0], 1.0)
    known = pairs(kinds=["fact", "fact", "list"], seen=[True, False, True])
    card = reward_card.card(known, answers(GOLD), batch)
    assert (card.seen.value, card.unseen.value) == (0.5, 1.0)
    assert card.best_of.gain.value == pytest.approx(
        0.1
    )  # 0.8 - 0.6 for the first prompt, nothing for the second
    assert set(card.absent) == {"politeness"} and card.to_json()["by_kind"]["fact"]["value"] == 1.0
