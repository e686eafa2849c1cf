"""The reward model that counts words: what it can learn, and what it cannot without the prompt."""

import pytest

from evaluation.bag_of_words import BagOfWords, accuracy, fit, grams


def test_grams_are_the_different_words_and_their_neighbours():
    assert grams("No, no!") == {"no", ",", "!", "no ,", ", no", "no !"}


def test_a_score_is_the_sum_of_the_weights_of_the_grams():
    model = BagOfWords({"sure": 0.5, "silly": -2.0, "sure .": 0.25})
    assert model.score("Sure. A silly, silly thing") == 0.5 - 2.0 + 0.25
    assert model.score("") == 0


def test_manners_are_learnt():
    chosen = ["Sure! It is red.", "Sure! It is blue."] * 10
    rejected = ["Silly! It is red.", "Silly! It is blue."] * 10
    model = fit(chosen, rejected)
    assert model.score("Sure! It is green.") > 0 > model.score("Silly! It is green.")
    assert accuracy(model, chosen, rejected) == 1


def test_what_needs_the_prompt_is_not_learnt():
    """Each answer is right for one question and wrong for the other, so every weight is zero."""
    model = fit(["It is red.", "It is blue."] * 10, ["It is blue.", "It is red."] * 10)
    assert max(map(abs, model.weights.values()), default=0.0) < 1e-6
    assert accuracy(model, ["It is red."], ["It is red."]) == 0.5


def test_weights_of_a_single_gram_solve_the_penalised_likelihood():
    """Maximises n log s(w) - w²/(2 C) for one gram in all n pairs: n (1 - s(w)) = w / C."""
    model = fit(["a", "a"], ["b", "b"], strength=1.0)
    w = model.weights["a"]
    assert model.weights["b"] == pytest.approx(-w)
    # "a" and "b" share the lead 2 w; each has its own penalty.
    assert 2 / (1 + 2.718281828459045 ** (2 * w)) == pytest.approx(w, abs=1e-4)


def test_the_same_pairs_give_the_same_weights():
    pairs = (["A b c.", "C d."] * 5, ["E f.", "B a."] * 5)
    assert fit(*pairs) == fit(*pairs)


def test_unequal_lists_and_a_single_pair_are_refused():
    with pytest.raises(ValueError, match="2 chosen and 1 rejected"):
        fit(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="1 chosen and 1 rejected"):
        fit(["a"], ["c"])
