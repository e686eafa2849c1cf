"""Splits by prompt: no prompt in two splits, seeds, sizes, and the leakage check itself."""

from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Pair, canonical_prompt
from data.splits import normalised, remove_overlap, shared_prompts, split_by_prompt
from pipeline.stages.prepare import make_splits


def pairs(*prompts):
    return [Pair(canonical_prompt(prompt), f"yes {i}", "no") for i, prompt in enumerate(prompts)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=3), st.integers(0, 5))
def test_no_prompt_is_in_two_splits_and_no_pair_is_lost(numbers, seed):
    rows = pairs(*(f"question {n}" for n in numbers))
    splits = split_by_prompt(rows, seed)
    assert shared_prompts(splits) == 0
    assert sorted(map(str, sum(splits.values(), []))) == sorted(map(str, rows))
    assert splits["train"]
    if len(set(numbers)) >= 3:
        assert splits["validation"] and splits["test"]


def test_sizes_come_near_the_fractions():
    splits = split_by_prompt(pairs(*(f"q{n}" for n in range(1000))), 42, (0.85, 0.05, 0.1))
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 850, "validation": 50, "test": 100}


def test_seed_decides_and_the_order_of_the_file_does_not():
    rows = pairs(*(f"q{n}" for n in range(50)))
    first = split_by_prompt(rows, 1)
    assert {p.prompt for p in first["test"]} == {p.prompt for p in split_by_prompt(rows[::-1], 1)["test"]}
    assert {p.prompt for p in first["test"]} != {p.prompt for p in split_by_prompt(rows, 2)["test"]}


def test_same_question_in_other_letters_stays_together():
    assert normalised("What IS  a\nyew\uff1f") == normalised("what is a yew?")
    rows = pairs(*["What is a yew?", "what  IS a yew?"] * 10, *(f"q{n}" for n in range(20)))
    for seed in range(5):
        assert shared_prompts(split_by_prompt(rows, seed)) == 0


def test_leakage_check_finds_a_leak():
    assert shared_prompts({"train": pairs("a", "b"), "test": pairs("A ", "c")}) == 1


def test_few_prompts_leave_every_split_but_train_empty():
    assert [len(rows) for rows in split_by_prompt(pairs("a"), 0).values()] == [1, 0, 0]
    assert [len(rows) for rows in split_by_prompt(pairs("a", "b"), 0).values()] == [1, 0, 1]


def test_overlap_is_taken_from_the_earlier_split():
    splits, removed = remove_overlap(
        {"train": pairs("a", "b"), "validation": pairs("b", "c"), "test": pairs("c")}
    )
    assert removed == 2 and shared_prompts(splits) == 0
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [1, 1, 1]


def test_splits_of_the_source_are_kept_and_missing_ones_taken_from_train():
    given_test = pairs("t1", "t2")
    train = pairs(*(f"q{n}" for n in range(100)), "t1")
    splits, removed = make_splits({"train": train, "test": given_test}, 42, 0.1, 0.1)
    assert splits["test"] == given_test and removed == 1
    assert 8 <= len(splits["validation"]) <= 12
    assert sum(map(len, splits.values())) == 102
