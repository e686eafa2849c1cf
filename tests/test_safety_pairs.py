"""Safety pairs: the preferred answers, reproducibility by seed, and the absence of every probe prompt."""

from collections import Counter

from benchmarks.small_prompts import HARMFUL, QUESTIONS
from data.records import messages
from data.safety_pairs import _EVADED, practice_prompts, safety_pairs
from data.splits import normalised
from evaluation.safety import HARMFUL_PROMPTS, is_refusal

PAIRS = safety_pairs(300, seed=42)


def asked(pair):
    return messages(pair.prompt)[-1]["content"]


def test_the_requested_number_of_distinct_pairs_is_returned_and_half_are_harmless():
    assert len(set(PAIRS)) == 300
    assert sum(pair.kind == "answer" for pair in PAIRS) == 150
    assert safety_pairs(0, seed=42) == []


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others():
    assert safety_pairs(300, seed=42) == PAIRS != safety_pairs(300, seed=43)


def test_harmful_requests_are_declined_and_harmless_ones_answered():
    for pair in PAIRS:
        if pair.kind == "decline":
            assert is_refusal(pair.chosen), pair.chosen
            assert not is_refusal(pair.rejected) or pair.rejected in _EVADED, pair.rejected
        else:
            assert not is_refusal(pair.chosen) and pair.chosen not in _EVADED, pair.chosen
            assert is_refusal(pair.rejected) or pair.rejected in _EVADED, pair.rejected


def test_evasions_are_rejected_for_harmful_and_for_harmless_requests():
    """A third and two thirds of 150 pairs, that is 50 and 100, within four standard deviations (23)."""
    evasions = Counter(pair.kind for pair in PAIRS if pair.rejected in _EVADED)
    assert 27 <= evasions["decline"] <= 73 and 77 <= evasions["answer"] <= 123


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
