"""Rows are tokenised once; the cache returns them only for the same rows, tokenizer, length and kind."""

import pytest
from datasets import Dataset

from pipeline.training import token_cache

ROWS = [{"prompt": "a", "chosen": "b"}, {"prompt": "c", "chosen": "d"}]


@pytest.fixture
def ask(workspace, random_base):
    """ask(**changes) -> (ids, whether they were tokenised in this call)."""

    def inner(kind="sft", base=random_base, max_length=8, rows=ROWS):
        made = []

        def make():
            made.append(True)
            return Dataset.from_dict({"input_ids": [[1, 2, 3], [len(rows), max_length]]})

        found = token_cache.cached(workspace, kind, base, max_length, rows, make)
        return found["input_ids"][:], bool(made)

    return inner


def test_the_same_rows_are_tokenised_once(ask):
    assert ask() == ([[1, 2, 3], [2, 8]], True)
    assert ask() == ([[1, 2, 3], [2, 8]], False)


OTHER_TEXT = [ROWS[0], {**ROWS[1], "chosen": "e"}]


@pytest.mark.parametrize(
    "change", [{"kind": "reward"}, {"max_length": 9}, {"rows": ROWS[:1]}, {"rows": OTHER_TEXT}]
)
def test_any_other_request_is_tokenised_again(ask, change):
    ask()
    assert ask(**change)[1]
    assert not ask()[1]


def test_another_tokenizer_is_another_entry(ask, random_base, tmp_path):
    import shutil

    ask()
    other = shutil.copytree(random_base, tmp_path / "other")
    assert not ask(base=other)[1]
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text() + "\n")
    assert ask(base=other)[1]


def test_old_entries_are_removed(ask, workspace, monkeypatch):
    monkeypatch.setattr(token_cache, "KEPT", 2)
    for length in (8, 9, 10):
        ask(max_length=length)
    assert len(list((workspace.cache / "tokens").iterdir())) == 2
    assert ask(max_length=8)[1]


def test_an_entry_written_meanwhile_by_another_process_is_used(ask, workspace, random_base):
    def slow():
        ask()  # a faster process stores the entry first
        return Dataset.from_dict({"input_ids": [[1, 2, 3], [2, 8]]})

    token_cache.cached(workspace, "sft", random_base, 8, ROWS, slow)
    assert len(list((workspace.cache / "tokens").iterdir())) == 1
