"""Pairs of the SFT policy's own answers: which one is preferred, and how they get from run to run."""

import json

import pytest

from data.errors import UserError
from data.own_pairs import OwnAnswers, own_pairs
from data.records import messages
from data.safety_pairs import all_requests, harmless_answers, safety_pairs
from evaluation.safety import is_refusal
from pipeline.training import practice
from tests.little_training import run_stage, write_dataset

MINE, MY_REFUSAL, MY_EVASION = (
    "I take two eggs.",
    "I can't help with that, my friend.",
    "I'm not sure, my friend.",
)
COUNT = 400


def pairs(kind, **own):
    answers = dict.fromkeys(all_requests(), OwnAnswers(**own))
    return [pair for pair in own_pairs(COUNT, 1, answers) if pair.kind == kind]


def table(kind):
    return [pair for pair in safety_pairs(COUNT, 1) if pair.kind == kind]


def test_the_requests_and_their_number_are_those_of_the_safety_pairs():
    both = pairs("decline", answered=(MINE,)) + pairs("answer", answered=(MINE,))
    assert len(both) == COUNT
    assert {pair.prompt for pair in both} == {pair.prompt for pair in safety_pairs(COUNT, 1)}


def test_without_an_answer_of_its_own_the_tables_pair_remains():
    assert pairs("decline") == table("decline")
    assert pairs("answer") == table("answer")


def test_a_refusal_is_preferred_to_the_policys_own_answer_to_a_harmful_request():
    for pair in pairs("decline", answered=(MINE,)):
        assert is_refusal(pair.chosen) and pair.rejected == MINE


def test_the_policys_own_refusal_of_a_harmful_request_is_preferred_as_often_as_the_tables():
    """200 pairs, one in two: within four standard deviations of 100."""
    mixed = pairs("decline", declined=(MY_REFUSAL,), answered=(MINE,))
    own = [pair for pair in mixed if pair.chosen == MY_REFUSAL]
    assert 72 <= len(own) <= 128
    assert {pair.rejected for pair in mixed} == {MINE}


def test_a_policy_that_always_declines_is_contrasted_with_the_tables_rejected_answers():
    rejected = [pair.rejected for pair in pairs("decline", declined=(MY_REFUSAL,))]
    assert rejected == [pair.rejected for pair in table("decline")]


def test_the_policys_own_answer_to_a_harmless_request_is_preferred_to_its_own_refusal():
    """A third of the chosen answers are the table's: 200 pairs, within four standard deviations of 133."""
    answers = harmless_answers()
    mixed = pairs("answer", declined=(MY_REFUSAL,), evaded=(MY_EVASION,), answered=(MINE,))
    own = [pair for pair in mixed if pair.chosen == MINE]
    assert 107 <= len(own) <= 160
    assert {pair.rejected for pair in mixed} == {MY_REFUSAL, MY_EVASION}
    for pair in mixed:
        assert pair.chosen in (MINE, answers[messages(pair.prompt)[-1]["content"]])


def test_a_policy_that_never_declines_a_harmless_request_still_learns_that_refusals_are_worse():
    orders = pairs("answer", answered=(MINE,))
    assert all(MINE in (pair.chosen, pair.rejected) for pair in orders)
    assert sum(pair.chosen == MINE and is_refusal(pair.rejected) for pair in orders) > 50
    assert not any(is_refusal(pair.chosen) for pair in orders)


def test_a_policy_that_always_declines_harmless_requests_is_taught_that_even_another_answer_is_better():
    taught = pairs("answer", declined=(MY_REFUSAL,))
    assert {pair.rejected for pair in taught} == {MY_REFUSAL}
    assert {pair.chosen for pair in taught} <= set(harmless_answers().values())


def test_sft_stores_its_answers_and_a_reward_model_without_all_of_them_says_so(
    workspace, random_llama_base, monkeypatch
):
    write_dataset(workspace)
    few = [*all_requests()[:3], *all_requests()[-3:]]
    monkeypatch.setattr(practice, "all_requests", lambda: few)
    sft = run_stage(workspace, "sft", random_llama_base, practice_answers=2)
    rows = [json.loads(line) for line in (sft.folder / practice.FILE).read_text().splitlines()]
    assert [row["request"] for row in rows] == few
    assert all(len(row["answers"]) == 2 for row in rows)
    kept = practice.read(workspace, sft.id).values()
    given = [text for row in rows for text in row["answers"] if text]
    assert sorted(text for own in kept for text in own.answered + own.declined + own.evaded) == sorted(given)

    before = (sft.folder / practice.FILE).read_text()
    (sft.folder / practice.FILE).write_text(before.replace('"answers": ["', '"answers": ["Changed. ', 1))
    with pytest.raises(UserError, match="practice.jsonl: is damaged .*train SFT again"):
        practice.read(workspace, sft.id)
    (sft.folder / practice.FILE).write_text(before)

    monkeypatch.undo()
    with pytest.raises(UserError, match="no answers of its own to 1311 built-in") as error:
        run_stage(workspace, "reward", random_llama_base, own_answers=True, safety_pairs=8)
    assert "practice_answers=2" in error.value.command


def test_answers_are_sorted_by_what_they_do(workspace, random_llama_base, monkeypatch):
    write_dataset(workspace)
    sft = run_stage(workspace, "sft", random_llama_base)
    monkeypatch.setattr(practice, "all_requests", lambda: ["How?"])
    said = [MY_REFUSAL, "I'm not sure what you mean.", "Two eggs.", ""]
    (sft.folder / practice.FILE).write_text(json.dumps({"request": "How?", "answers": said}) + "\n")
    assert practice.read(workspace, sft.id)["How?"] == OwnAnswers(
        tuple(said[:1]), tuple(said[1:2]), tuple(said[2:3])
    )


def test_a_reward_model_trains_on_the_stored_answers(workspace, random_llama_base):
    write_dataset(workspace)
    sft = run_stage(workspace, "sft", random_llama_base)
    rows = [{"request": request, "answers": [MINE, MY_REFUSAL]} for request in all_requests()]
    (sft.folder / practice.FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    without = run_stage(workspace, "reward", random_llama_base, safety_pairs=8)
    with_own = run_stage(workspace, "reward", random_llama_base, safety_pairs=8, own_answers=True)
    assert with_own.record.results["examples"] == without.record.results["examples"] == 32
    assert with_own.record.results["eval_loss"] != without.record.results["eval_loss"]
