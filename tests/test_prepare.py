"""The stage prepare: the data set that it writes, the card, and that a failure leaves nothing."""

import json

import pytest

from data import world
from data.errors import UserError
from data.files import read_json, read_jsonl, sha256_file
from data.records import Pair
from data.splits import shared_prompts
from pipeline.runs.leftovers import remove_unfinished
from pipeline.runs.record import Cancelled, Run
from pipeline.settings.fields import PrepareSettings
from pipeline.stages import prepare as stage


def pairs_file(tmp_path, count=40, bad=False):
    rows = [
        {"prompt": f"What is {n}?", "chosen": f"It is {n}, of course.", "rejected": "No."}
        for n in range(count)
    ]
    rows += [rows[0], {"prompt": "x", "chosen": "same", "rejected": "same"}]
    text = "".join(json.dumps(row) + "\n" for row in rows) + ("{bad\n" if bad else "")
    (tmp_path / "pairs.jsonl").write_text(text)
    return str(tmp_path / "pairs.jsonl")


def run_prepare(workspace, **settings):
    settings = PrepareSettings(**settings)
    run = Run.create(workspace, "prepare", settings)
    run.start_attempt()
    return stage.prepare(settings, run, workspace)


def names(workspace):
    return sorted(path.name for path in workspace.datasets.iterdir())


def test_data_set_has_three_files_and_a_correct_card(tmp_path, workspace):
    results = run_prepare(workspace, source=pairs_file(tmp_path), name="mine")
    folder = workspace.dataset("mine")
    card = read_json(folder / "dataset.json")
    assert names(workspace) == ["mine"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "dataset.json",
        "test_prefs.jsonl",
        "train_prefs.jsonl",
        "validation_prefs.jsonl",
    ]
    assert card["counts"]["lines"] == 42 and card["counts"]["accepted"] == 40
    assert card["counts"]["duplicates"] == card["counts"]["identical"] == 1
    prompts = []
    for split, facts in card["splits"].items():
        rows = read_jsonl(folder / f"{split}_prefs.jsonl")
        assert len(rows) == facts["pairs"] > 0
        assert sha256_file(folder / facts["file"]) == facts["sha256"]
        assert all(set(row) == {"prompt", "chosen", "rejected"} for row in rows)
        prompts += [row["prompt"] for row in rows]
    assert len(prompts) == len(set(prompts)) == card["counts"]["kept"] == 40
    assert card["leakage"]["passed"] and card["leakage"]["shared_prompts"] == 0
    assert card["lengths"]["rejected"]["max"] == 3 and card["lengths"]["chosen_longer"] == 1.0
    assert card["turns"] == {"1": 40} and card["seed"] == 42 and card["licence"] == "unknown"
    assert results["dataset"] == "mine" and results["sha256"] == card["sha256"]


def test_the_tiny_worlds_card_states_its_noise_and_a_leakage_check_by_question(workspace):
    sizes = dict(train_rows=60, validation_rows=10, test_rows=30)
    results = run_prepare(workspace, source="tiny", name="world", **sizes)
    card = read_json(workspace.dataset("world") / "dataset.json")
    assert card["source_info"]["labels"] == {
        "noise": world.NOISE,
        "least_lead": world.LEAST_LEAD,
        "unit": "gold reward",
    }
    assert "greeting" in card["leakage"]["check"] and card["leakage"]["passed"]
    assert results["leakage"] == card["leakage"]


def test_a_question_in_two_splits_is_found_although_it_is_typed_differently():
    splits = {
        "train": [Pair("\n\nHuman: Hello! Is a dog an animal?\n\nAssistant:", "Yes.", "No.")],
        "test": [Pair("\n\nHuman: is a dog an animal\n\nAssistant:", "Yes.", "No.")],
    }
    assert shared_prompts(splits) == 0
    assert shared_prompts(splits, world.question_key) == 1


def test_same_seed_makes_the_same_files(tmp_path, workspace):
    source = pairs_file(tmp_path)
    first, second, other = (
        run_prepare(workspace, source=source, name=f"d{i}", seed=seed)["sha256"]
        for i, seed in enumerate((1, 1, 2))
    )
    assert first == second != other


def test_malformed_file_leaves_no_data_set(tmp_path, workspace):
    with pytest.raises(UserError, match="pairs.jsonl, line 43: not valid JSON"):
        run_prepare(workspace, source=pairs_file(tmp_path, bad=True))
    assert names(workspace) == []


@pytest.mark.parametrize("where", ["_card", "_replace", "_write_rows"])
def test_failure_in_the_middle_keeps_the_earlier_data_set(tmp_path, workspace, monkeypatch, where):
    source = pairs_file(tmp_path)
    before = run_prepare(workspace, source=source, name="mine")["sha256"]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage, where, full)
    with pytest.raises(OSError, match="No space"):
        run_prepare(workspace, source=source, name="mine", seed=7)
    assert names(workspace) == ["mine"]
    assert read_json(workspace.dataset("mine") / "dataset.json")["sha256"] == before


def test_preparing_again_replaces_the_data_set(tmp_path, workspace):
    source = pairs_file(tmp_path)
    before = run_prepare(workspace, source=source, name="mine")["sha256"]
    after = run_prepare(workspace, source=source, name="mine", seed=7)["sha256"]
    assert names(workspace) == ["mine"] and before != after
    assert read_json(workspace.dataset("mine") / "dataset.json")["sha256"] == after


def test_data_set_set_aside_by_a_killed_prepare_comes_back(tmp_path, workspace):
    source = pairs_file(tmp_path)
    before = run_prepare(workspace, source=source, name="mine")["sha256"]
    folder = workspace.dataset("mine")
    folder.rename(folder.with_name(".mine~000000ff.old"))  # the state after a kill between the two renames
    folder.with_name(".mine~000000aa.new").mkdir()
    remove_unfinished(workspace)
    assert names(workspace) == ["mine"]
    assert read_json(folder / "dataset.json")["sha256"] == before


def test_tiny_data_set_is_noted_as_such(tmp_path, workspace):
    (tmp_path / "one.jsonl").write_text('{"prompt": "hi", "chosen": "a", "rejected": "b"}\n')
    settings = PrepareSettings(source=str(tmp_path / "one.jsonl"))
    run = Run.create(workspace, "prepare", settings)
    run.start_attempt()
    results = stage.prepare(settings, run, workspace)
    assert results["splits"]["train"]["pairs"] == 1
    assert "no pairs in validation and test" in run.record.events[0].message


def test_cancel_request_is_obeyed(tmp_path, workspace):
    settings = PrepareSettings(source=pairs_file(tmp_path))
    run = Run.create(workspace, "prepare", settings)
    run.start_attempt()
    run.request_stop()
    with pytest.raises(Cancelled):
        stage.prepare(settings, run, workspace)
    assert names(workspace) == []


@pytest.mark.parametrize("name", ["../x", "CON", "a/b"])
def test_bad_name_of_a_data_set_is_refused(tmp_path, workspace, name):
    with pytest.raises(UserError, match="name"):
        run_prepare(workspace, source=pairs_file(tmp_path), name=name)


def conversation_file(tmp_path, words):
    """Write one pair per number in `words`, with a prompt of that number of words."""
    rows = [
        {"prompt": " ".join([str(place), *["word"] * count]), "chosen": "yes yes", "rejected": "no"}
        for place, count in enumerate(words)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "pairs.jsonl")


def test_long_prompts_and_long_pairs_are_dropped_and_counted(tmp_path, workspace, random_base):
    source = conversation_file(tmp_path, [1] * 20 + [400] * 5)
    limited = dict(source=source, tokens_of=str(random_base))
    by_prompt = run_prepare(workspace, longest_prompt=100, **limited)
    assert by_prompt["counts"]["too_long"] == 5 and by_prompt["counts"]["kept"] == 20
    assert run_prepare(workspace, longest_pair=100, **limited)["counts"]["too_long"] == 5
    assert run_prepare(workspace, source=source, longest_pair=100)["counts"]["too_long"] == 0


def test_a_pair_just_within_the_limit_stays(tmp_path, workspace, random_base):
    from models.loading import load_tokenizer
    from models.prompting import PromptFormat

    source = conversation_file(tmp_path, [1] * 10 + [30] * 10)
    text = PromptFormat(load_tokenizer(random_base))
    prompt = "\n\nHuman: " + " ".join(["10", *["word"] * 30]) + "\n\nAssistant:"
    whole = len(text.encode_prompt(prompt, 10**6)) + len(text.encode_responses(["yes yes"])[0])
    counts = [
        run_prepare(workspace, source=source, tokens_of=str(random_base), longest_pair=limit)["counts"]
        for limit in (whole, whole - 1)
    ]
    assert [count["too_long"] for count in counts] == [0, 10]


def test_data_that_is_mostly_long_is_kept(tmp_path, workspace, random_base):
    settings = PrepareSettings(
        source=conversation_file(tmp_path, [400] * 20 + [1] * 5), tokens_of=str(random_base), longest_pair=100
    )
    run = Run.create(workspace, "prepare", settings)
    run.start_attempt()
    counts = stage.prepare(settings, run, workspace)["counts"]
    assert counts["too_long"] == 0 and counts["kept"] == 25
    assert "5 of 25 pairs are short enough" in run.record.events[-1].message


def test_the_pairs_of_the_judge_are_in_no_other_split(tmp_path, workspace):
    card_splits = run_prepare(workspace, source=pairs_file(tmp_path), judge_fraction=0.5)["splits"]
    folder = workspace.dataset("pairs")
    prompts = {
        split: {row["prompt"] for row in read_jsonl(folder / f"{split}_prefs.jsonl")} for split in card_splits
    }
    assert set(prompts) == {"train", "validation", "test", "judge"}
    assert sum(map(len, prompts.values())) == len(set().union(*prompts.values())) == 40
    assert len(prompts["judge"]) == len(prompts["train"])
