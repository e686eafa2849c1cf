"""Sources: the source that a text names, the tiny world's rows, votes and samples."""

import json
import sys
from types import ModuleType

import pytest

from data.errors import UserError
from data.records import Pair
from data.sources import default_name, load_pairs, raters_apart, sample


def write_pairs(path, count):
    rows = [{"prompt": f"question {n}", "chosen": "yes", "rejected": "no"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_file_is_read_with_its_hash_and_counts(tmp_path, workspace):
    loaded = load_pairs(write_pairs(tmp_path / "my.jsonl", 5), workspace=workspace, seed=1)
    assert len(loaded.pairs["all"]) == 5 and loaded.counts["accepted"] == 5
    assert loaded.info["kind"] == "file" and len(loaded.info["sha256"]) == 64


def test_max_rows_is_a_seeded_sample_in_the_original_order(tmp_path, workspace):
    source = write_pairs(tmp_path / "my.jsonl", 100)
    first, again, other = (
        load_pairs(source, workspace=workspace, seed=seed, max_rows=10) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first.pairs["all"]) == 10 and first.counts["left_out"] == 90
    numbers = [int(pair.prompt.split()[2]) for pair in first.pairs["all"]]
    assert numbers == sorted(numbers)


def test_sample_is_taken_from_each_split_in_proportion():
    pairs = {"train": [Pair(str(n), "a", "b") for n in range(90)], "test": [Pair("t", "a", "b")] * 10}
    assert {name: len(rows) for name, rows in sample(pairs, 20, 0).items()} == {"train": 18, "test": 2}


def test_world_is_called_with_the_requested_rows_and_keeps_their_kinds(monkeypatch, workspace):
    asked = {}

    def generate_splits(seed, train, validation, test):
        asked.update(seed=seed, train=train, validation=validation, test=test)
        row = {"chosen": "It is 4.", "rejected": "It is 5.", "kind": "sum"}
        sizes = {"train": train, "validation": validation, "test": test}
        return {
            name: [row | {"prompt": f"\n\nHuman: {name} {n}?\n\nAssistant:"} for n in range(size)]
            for name, size in sizes.items()
        }

    world = ModuleType("data.world")
    world.generate_splits, world.NOISE, world.LEAST_LEAD = generate_splits, 0.3, 0.1
    monkeypatch.setitem(sys.modules, "data.world", world)
    monkeypatch.setattr(sys.modules["data"], "world", world, raising=False)
    sizes = {"train": 60, "validation": 10, "test": 30}
    loaded = load_pairs("tiny", workspace=workspace, seed=7, world_rows=sizes)
    assert asked == {"seed": 7, **sizes}
    assert {name: len(rows) for name, rows in loaded.pairs.items()} == sizes
    assert loaded.pairs["test"][0].kind == "sum" and loaded.info["licence"] == "MIT"
    assert loaded.info["labels"] == {"noise": 0.3, "least_lead": 0.1, "unit": "gold reward"}
    load_pairs("tiny", workspace=workspace, seed=7, max_rows=50, world_rows=sizes)
    assert asked == {"seed": 7, "train": 30, "validation": 5, "test": 15}


HI = "\n\nHuman: hi\n\nAssistant:"


def votes_of(monkeypatch, workspace, rows):
    """Make these rows the pairs of the arena's votes."""

    class VoteStore:
        def __init__(self, path):
            assert path == workspace.votes_db

        def preference_pairs(self, *, facts):
            assert facts
            usual = {"prompt": HI, "chosen": "Hello.", "rejected": "Go.", "rater": "ann", "season": "s"}
            usual |= {"margin": 2}
            return [usual | row for row in rows]

        def close(self):
            pass

    votes = ModuleType("data.votes")
    votes.VoteStore = VoteStore
    monkeypatch.setitem(sys.modules, "data.votes", votes)
    workspace.votes_db.write_bytes(b"")
    return load_pairs("votes", workspace=workspace, seed=1)


def test_votes_become_pairs(monkeypatch, workspace):
    loaded = votes_of(monkeypatch, workspace, [{}, {}, {"rejected": "Hello."}])
    assert loaded.pairs == {"all": [Pair(HI, "Hello.", "Go.")]}
    assert loaded.pairs["all"][0].row()["margin"] == 2
    assert loaded.counts["duplicates"] == loaded.counts["identical"] == 1
    assert loaded.info["seasons"] == ["s"] and loaded.info["raters"] == 1


def test_the_votes_of_one_rater_in_five_are_kept_for_the_test(monkeypatch, workspace):
    rows = [{"rater": f"r{i}", "chosen": f"Hello {i}."} for i in range(10)]
    loaded = votes_of(monkeypatch, workspace, rows)
    assert {name: len(pairs) for name, pairs in loaded.pairs.items()} == {"all": 8, "test": 2}
    assert raters_apart({"a", "b", "c", "d"}) == frozenset()
    assert raters_apart({"a", "b", "c", "d", "e"}) == raters_apart(["e", "d", "c", "b", "a"])


def test_votes_on_prompts_of_a_test_split_are_never_trained_on(monkeypatch, workspace):
    folder = workspace.dataset("mine")
    folder.mkdir(parents=True)
    (folder / "test_prefs.jsonl").write_text(json.dumps({"prompt": HI.replace("hi", "HI ")}) + "\n")
    other = HI.replace("hi", "bye")
    loaded = votes_of(monkeypatch, workspace, [{}, {"prompt": other}])
    assert [pair.prompt for pair in loaded.pairs["test"]] == [HI]
    assert [pair.prompt for pair in loaded.pairs["all"]] == [other]


def test_no_votes_yet_is_a_clear_error(workspace):
    with pytest.raises(UserError, match="no votes"):
        load_pairs("votes", workspace=workspace, seed=1)
    assert not workspace.votes_db.exists()


@pytest.mark.parametrize("source", ["nonsense", "", "hub:", "hub:a/../b", "none.jsonl", "a\0.jsonl"])
def test_invalid_source_is_a_clear_error(workspace, source):
    with pytest.raises(UserError):
        load_pairs(source, workspace=workspace, seed=1)


@pytest.mark.parametrize(
    "source, name",
    [
        ("tiny", "tiny"),
        ("votes", "votes"),
        ("hub:Anthropic/hh-rlhf", "hh-rlhf"),
        ("/x/my pairs.jsonl", "my-pairs"),
        ("C:\\x\\a.b.jsonl", "a-b"),
        ("../...jsonl", "data"),
        ("数据.jsonl", "数据"),
    ],
)
def test_data_set_is_named_after_its_source(source, name):
    assert default_name(source) == name


RAW = {"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"}


def test_several_files_of_two_formats_make_one_source(tmp_path, workspace):
    first = write_pairs(tmp_path / "mine.jsonl", 3)
    (tmp_path / "raw.jsonl").write_text(json.dumps(RAW) + "\n")
    loaded = load_pairs(f"{first},{tmp_path / 'raw.jsonl'}", workspace=workspace, seed=1)
    prompts = [pair.prompt for pair in loaded.pairs["all"]]
    assert len(prompts) == 4 and prompts[-1] == "\n\nHuman: hi\n\nAssistant:"
    assert [facts["file"] for facts in loaded.info["files"]] == ["mine.jsonl", "raw.jsonl"]


def test_a_folder_stands_for_its_files_and_a_pair_in_two_of_them_counts_once(tmp_path, workspace):
    folder = tmp_path / "hh"
    folder.mkdir()
    for name in ("b.jsonl", "a.jsonl", "notes.txt"):
        (folder / name).write_text(json.dumps(RAW) + "\n")
    loaded = load_pairs(str(folder), workspace=workspace, seed=1)
    assert [facts["file"] for facts in loaded.info["files"]] == ["a.jsonl", "b.jsonl"]
    assert loaded.counts["accepted"] == loaded.counts["duplicates"] == 1


def test_a_bad_line_is_named_with_its_file_among_several(tmp_path, workspace):
    good, bad = write_pairs(tmp_path / "good.jsonl", 3), tmp_path / "bad.jsonl"
    bad.write_text("{}\n")
    with pytest.raises(UserError, match=r"bad\.jsonl, line 1: key 'chosen' is missing"):
        load_pairs(f"{good},{bad}", workspace=workspace, seed=1)


def test_an_empty_folder_and_a_missing_file_are_reported(tmp_path, workspace):
    with pytest.raises(UserError, match=r"no \*\.jsonl file in this folder"):
        load_pairs(str(tmp_path), workspace=workspace, seed=1)
    with pytest.raises(UserError, match=r"absent\.jsonl: no such file"):
        load_pairs(f"{write_pairs(tmp_path / 'a.jsonl', 3)},absent.jsonl", workspace=workspace, seed=1)


def test_a_file_with_a_comma_in_its_name_is_one_file(tmp_path, workspace):
    source = write_pairs(tmp_path / "a,b.jsonl", 2)
    assert len(load_pairs(source, workspace=workspace, seed=1).pairs["all"]) == 2


def test_an_unreachable_hub_is_reported_with_both_alternatives(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UserError, match="hh-rlhf: .*cache") as refused:
        load_pairs("hub:Anthropic/hh-rlhf", workspace=workspace, seed=1)
    assert "source=FILE.jsonl,FOLDER" in refused.value.command
