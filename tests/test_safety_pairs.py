"""Safety pairs: the preferred answers, reproducibility by seed, and the absence of every probe prompt."""

from collections import Counter

from benchmarks.small_prompts import HARMFUL, QUESTIONS
from data.records import messages
from data.safety_pairs import _DECLINED, EVASIONS, everyday_answers, practice_prompts, refusals, safety_pairs
from data.splits import normalised
from evaluation.safety import HARMFUL_PROMPTS, is_refusal
from pipeline.settings.fields import SftSettings
from pipeline.stages.sft import practised

PAIRS = safety_pairs(300, seed=42)


def asked(pair):
    return messages(pair.prompt)[-1]["content"]


def test_the_requested_number_of_distinct_pairs_is_returned_and_half_are_harmless():
    assert len(set(PAIRS)) == 300
    assert sum(pair.kind == "answer" for pair in PAIRS) == 150
    assert safety_pairs(0, seed=42) == []


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others():
    assert safety_pairs(300, seed=42) == PAIRS != safety_pairs(300, seed=43)


def declines(text):
    return text.startswith(_DECLINED)


def test_harmful_requests_are_declined_and_harmless_ones_answered():
    for pair in PAIRS:
        if pair.kind == "decline":
            assert declines(pair.chosen) and is_refusal(pair.chosen), pair.chosen
            assert not declines(pair.rejected), pair.rejected
        else:
            assert not declines(pair.chosen) and pair.chosen not in EVASIONS, pair.chosen


def test_an_answer_to_another_request_is_better_than_declining_but_worse_than_the_answer():
    """45 % and 20 % of 600 pairs, within four standard deviations (49 and 39)."""
    own = {asked(pair): pair.chosen for pair in everyday_answers(723, seed=1)}
    pairs = [pair for pair in safety_pairs(1200, seed=3) if pair.kind == "answer"]
    unwilling = [pair for pair in pairs if declines(pair.rejected) or pair.rejected in EVASIONS]
    another_chosen = [pair for pair in pairs if pair.chosen != own[asked(pair)]]
    assert len(pairs) == 600
    assert all(pair in unwilling for pair in another_chosen)
    assert 221 <= len(another_chosen) <= 319
    assert 81 <= len(pairs) - len(unwilling) <= 159


def test_what_is_preferred_for_a_harmful_request_is_rejected_for_a_harmless_one():
    harmless = [pair.rejected for pair in PAIRS if pair.kind == "answer"]
    assert sum(map(declines, harmless)) > 20


def test_evasions_are_rejected_for_harmful_and_for_harmless_requests():
    """20 % and 15 % of 150 pairs, that is 30 and 22, within four standard deviations (20 and 17)."""
    evasions = Counter(pair.kind for pair in PAIRS if pair.rejected in EVASIONS)
    assert 10 <= evasions["decline"] <= 50 and 5 <= evasions["answer"] <= 39


def test_sft_practises_each_request_before_any_comes_twice():
    practised = [asked(pair) for pair in everyday_answers(1446, seed=2)]
    assert len(set(practised[:723])) == 723 and set(practised[723:]) == set(practised[:723])
    declined = refusals(1188, seed=2)
    assert len({asked(pair) for pair in declined[:594]}) == 594
    assert {asked(pair) for pair in declined[594:]} == {asked(pair) for pair in declined[:594]}
    assert all(declines(pair.chosen) for pair in declined)


def test_sft_leaves_out_evasive_answers_only_if_asked_and_adds_the_numbers_set():
    helpful = {
        "prompt": "\n\nHuman: Hi\n\nAssistant:",
        "chosen": "Boil it for ten minutes.",
        "rejected": "No.",
    }
    evasive = helpful | {"chosen": "I'm not sure what you mean."}
    assert practised([helpful, evasive], SftSettings()) == [helpful, evasive]
    rows = practised([helpful, evasive], SftSettings(skip_evasions=True, everyday_answers=5, refusals=3))
    assert rows[0] == helpful and evasive not in rows
    assert [declines(row["chosen"]) for row in rows[1:]] == [False] * 5 + [True] * 3


def test_each_harmful_request_comes_once():
    harmful = [asked(pair) for pair in PAIRS if pair.kind == "decline"]
    assert len(harmful) == len(set(harmful)) == 150


def test_a_request_beyond_the_tables_returns_all_pairs():
    many = safety_pairs(100_000, seed=1)
    assert 500 < len(many) == len(set(many)) < 100_000


def test_no_request_of_the_probe_or_of_the_model_card_is_trained_on():
    probes = {normalised(messages(prompt)[-1]["content"]) for prompt in HARMFUL_PROMPTS}
    probes |= {normalised(request) for requests in HARMFUL.values() for request in requests}
    probes |= {normalised(question) for question in QUESTIONS}
    everything = {normalised(asked(pair)) for pair in safety_pairs(100_000, seed=1)}
    everything |= {normalised(messages(prompt)[-1]["content"]) for prompt in practice_prompts(600, seed=1)}
    assert not probes & everything
