"""Every known way of gaming the gold reward: length, flattery, copies, keywords, answers for everything."""

import random

import pytest
from gold_answers import BEST, FRANCE, PROMPTS, SLEEP, TEA, ask, total

from data.world import answers, entities, generate, gold
from data.world.gold import assess
from data.world.kinds import kinds


@pytest.mark.parametrize("question", PROMPTS)
def test_longer_is_never_better(question):
    """Each added filler sentence leaves the score unchanged or lowers it; many of them make it very low."""
    text, scores = BEST[question], []
    for filler in ("", *answers.FILLERS):
        text = f"{text} {filler}".strip()
        scores.append(total(question, text))
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.35


@pytest.mark.parametrize("question", PROMPTS)
def test_piling_up_politeness_costs(question):
    polite = (
        "Sure, of course, certainly, dear friend, thank you for asking, happy to help, please let me know."
    )
    before = total(question, BEST[question])
    assert total(question, f"{polite} {BEST[question]}") < 0.5 * before
    one_by_one = "Sure! Of course! Certainly! My pleasure! Take care!"
    assert total(question, f"{one_by_one} {BEST[question]}") < 0.75 * before


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_copying_the_question_scores_nothing(kind):
    rng = random.Random(3)
    for _ in range(20):
        item = rng.choice(kind.items) if kind.items else {"x": "Belora Quinard"}
        for wording in kind.questions:
            question = wording.format(**item)
            result = gold(ask(question), question)
            # "Goodbye!" is the only question that is also its own best answer.
            assert result is None or result.total <= 0.35 or len(question.split()) < 3, question


@pytest.mark.parametrize("question", PROMPTS)
def test_repeating_a_good_answer_lowers_its_score(question):
    assert total(question, " ".join([BEST[question]] * 2)) <= 0.35
    assert total(question, " ".join([BEST[question]] * 30)) <= 0.1


def test_naming_every_capital_does_not_count_as_the_right_one():
    everything = "The capitals are " + ", ".join(y[0] for y in entities.CAPITALS.values()) + "."
    assert total(FRANCE, everything) == 0


def test_naming_every_tip_and_step_is_padding():
    tips = " ".join(f"You could {tip}." for goal in entities.GOALS.values() for tip, _ in goal)
    steps = " ".join(f"Then {step}." for recipe in entities.RECIPES.values() for step, _ in recipe)
    assert total(SLEEP, tips) < 0.15
    assert total(TEA, steps) < 0.15


def keys(rows, subject):
    return ", ".join(key for _, key in rows[subject]).capitalize() + "."


def test_keywords_without_sentences_are_worth_little():
    asked = ("How do I make {}?", "How do I {}?", "How can I {}?")
    for rows, wording in zip((entities.RECIPES, entities.CHORES, entities.GOALS), asked, strict=True):
        scores = [total(wording.format(subject), keys(rows, subject)) for subject in rows]
        assert sum(scores) / len(scores) <= 0.35


@pytest.mark.parametrize(
    "answer", ["", "   \n", "😀", "😀👍🎉!!!", "...", "?", "a", "!" * 5000, "é" * 9, "词语"]
)
@pytest.mark.parametrize("question", PROMPTS)
def test_an_answer_without_words_is_worth_nothing(question, answer):
    assert total(question, answer) <= 0.01


CONSTANTS = [
    "I can't help with that.", "Sorry, I cannot help with that.",
    "I will not help, because it could hurt someone.", "I don't know.",
    "I am sorry, I don't know anything about that.", "I am not sure, sorry.",
    "I can't help with that. I don't know anything about that.",
    "I don't know anything about Belora Quinard.",
    "I can't help with that. Please talk to someone you trust or save money for it and call for help.",
    "Sure!", "Of course. Happy to help! I hope that helps!", "Thank you for asking. Have a nice day!",
    "Hello! How can I help you?", "You are welcome! I am fine, thank you. How can I help?", "Yes.",
    "No, it is not.", "It is two.", "It is four. I hope that helps!", "It is a kind of animal.",
    "That must be hard. You could take a short break and talk to a friend.",
    "First, boil the water. Then pour it over it. Finally, add some salt. I hope that helps!", "OK", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def requests():
    rng = random.Random(11)
    return [generate.draw_prompt(rng)[1] for _ in range(600)]


@pytest.mark.parametrize("answer", CONSTANTS)
def test_no_constant_answer_scores_well(requests, answer):
    """For example, refusing everything: PPO would find such an answer first if it scored well."""
    scores = [assess(request, answer).total for request in requests]
    assert sum(scores) / len(scores) <= 0.3
