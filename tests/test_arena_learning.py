"""From votes to files, to training runs, and to a comparison with the reward models."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from fake_policies import fake_demo
from served_page import FakeClient

from data.errors import UserError
from data.policies import PRECISIONS
from pipeline.arena import learning, rewards
from pipeline.arena.learning import train_on_votes
from pipeline.arena.rewards import ArenaReward
from pipeline.arena.rounds import Arena
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build


class ScoringClient(FakeClient):
    """Scores an answer by its length, and counts the answers that it was asked to score."""

    def __init__(self):
        self.scored = 0

    def score(self, lineup, reward, rows):
        self.scored += len(rows)
        return [float(len(row["text"])) for row in rows]


@pytest.fixture
def arena(workspace, tmp_path):
    arena = Arena(workspace, ScoringClient(), demos=fake_demo(tmp_path / "demo"))
    yield arena
    arena.close()


def judged(arena, order="A>B>C>D", rater="ann", prompt="What is tea?"):
    view = list(arena.ask(prompt, rater))[-1]
    arena.vote(view.round, order, rater=rater, comment="=1+1")
    return view


def test_pairs_are_exported_in_trls_format_with_margins_and_pseudonyms(arena, tmp_path):
    judged(arena, "A>B=C>D")
    path, card = arena.export_to(tmp_path, "jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 5 and {"prompt", "chosen", "rejected"} <= set(rows[0])
    assert sorted(row["margin"] for row in rows) == [1, 1, 2, 2, 3]
    assert {row["rater"][:6] for row in rows} == {"rater-"} and "ann" not in path.read_text()
    said = card.read_text(encoding="utf-8")
    assert "5 rows from 1 votes" in said and arena.season_id() in said and "pseudonyms" in said


def test_parquet_holds_the_same_pairs(arena, tmp_path):
    judged(arena)
    lines = arena.export_to(tmp_path, "jsonl")[0].read_text(encoding="utf-8").splitlines()
    frame = pd.read_parquet(arena.export_to(tmp_path, "parquet")[0])
    assert frame.to_dict("records") == [json.loads(line) for line in lines]


def test_an_export_without_flagged_raters_leaves_them_out_and_says_so(arena, tmp_path):
    for number in range(8):  # all at once: faster than one can read
        judged(arena, rater="spam", prompt=f"Question {number}?")
    judged(arena)
    path, card = arena.export_to(tmp_path, "csv", without_flagged=True)
    assert path.read_text(encoding="utf-8-sig").count("What is tea?") == 4
    assert "Question" not in path.read_text(encoding="utf-8-sig")
    assert "Raters: 1 of 2. 1 were left out" in card.read_text(encoding="utf-8")
    assert "'=1+1" in path.read_text(encoding="utf-8-sig")


def test_an_unknown_format_and_an_empty_season_are_clear_errors(arena, tmp_path):
    with pytest.raises(UserError, match="jsonl, parquet, csv"):
        arena.export_to(tmp_path, "xlsx")
    with pytest.raises(UserError, match="vote first"):
        arena.export_to(tmp_path, "jsonl")


class Jobs:
    def __init__(self):
        self.started = []

    def start(self, stage, preset, precision, overrides):
        self.started.append((stage, precision, overrides))
        return f"{stage}-{precision}"


def given(started):
    return dict(pair.split("=") for pair in started[2])


def finished(workspace, stage, dataset="tiny", precision="bf16", **parents):
    settings = build(stage, "tiny", precision=precision)
    run = Run.create(workspace, stage, settings, Parents(dataset, **parents))
    run.start_attempt()
    run.finish({"dataset": dataset} if stage == "prepare" else {})
    return run.id


def test_training_on_votes_names_the_parents_of_every_run_and_trains_rewards_further(arena, workspace):
    finished(workspace, "prepare")
    sft = finished(workspace, "sft")
    first = {arm: finished(workspace, "reward", precision=arm, runs={"sft": sft}) for arm in PRECISIONS}
    jobs = Jobs()
    assert len(train_on_votes(workspace, jobs, "tiny")) == 8
    prepare, *rest = jobs.started
    assert prepare[0] == "prepare" and given(prepare)["source"] == given(prepare)["name"] == "votes"
    for arm, started in zip(PRECISIONS, rest[:3], strict=True):
        assert started[:2] == ("reward", arm)
        assert given(started) == {
            "dataset": "votes", "sft_run": sft, "start": "reward", "start_run": first[arm],
            "max_steps": "0", "epochs": str(learning.PASSES),
        }  # fmt: skip
    for arm, started in zip(PRECISIONS, rest[3:6], strict=True):
        assert started[:2] == ("ppo", arm)
        assert given(started) == {"dataset": "tiny", "sft_run": sft, "reward_run": f"reward-{arm}"}
    assert rest[6][0] == "evaluate" and given(rest[6]) == {"dataset": "tiny", "sft_run": sft}


def test_reward_models_start_from_sft_on_request_and_where_one_is_missing(arena, workspace):
    finished(workspace, "prepare")
    sft = finished(workspace, "sft")
    finished(workspace, "reward", runs={"sft": sft})
    for wanted in ({"further": True}, {"further": False, "precisions": ["bf16"]}):
        jobs = Jobs()
        train_on_votes(workspace, jobs, "tiny", **wanted)
        assert {given(one)["start"] for one in jobs.started if one[0] == "reward"} == {"sft"}


def test_votes_on_the_shipped_policies_train_from_the_shipped_sft_model(arena, workspace):
    jobs = Jobs()
    train_on_votes(workspace, jobs, "tiny", demos=arena.demos)
    assert [stage for stage, *_ in jobs.started[:2]] == ["prepare", "prepare"]
    (sft,) = list_runs(workspace)
    assert (sft.stage, sft.status, sft.parents.runs) == ("sft", "done", {"prepare": "prepare-None"})
    assert [event.kind for event in sft.events] == ["shipped"]
    folder = workspace.run(sft.id) / "model"
    assert (folder / "adapter_model.safetensors").read_text() == "weights of sft"
    assert given(jobs.started[-1]) == {"dataset": "tiny", "sft_run": sft.id}


def test_training_on_votes_needs_an_sft_model_and_a_database(arena, workspace, tmp_path):
    with pytest.raises(UserError, match="no done SFT run"):
        train_on_votes(workspace, Jobs(), "tiny", demos={})
    with pytest.raises(UserError, match="vote first"):
        train_on_votes(SimpleNamespace(votes_db=tmp_path / "none.sqlite"), Jobs(), "tiny")


@pytest.fixture
def rewarded(arena, monkeypatch):
    """The arena with one reward model, which likes long answers."""
    found = [ArenaReward("run-1", "int4", "ppo-int4")]
    monkeypatch.setattr(rewards, "reward_models", lambda workspace, lineup: found)
    return arena


def test_scores_are_shown_after_the_vote_to_its_rater_alone_and_computed_once(rewarded):
    view = list(rewarded.ask("What is tea?", "ann"))[-1]
    with pytest.raises(UserError, match="after the vote"):
        rewarded.reward_scores(view.round, "ann")
    told = rewarded.vote(view.round, "A>B>C>D", rater="ann")
    with pytest.raises(UserError, match="own round"):
        rewarded.reward_scores(view.round, "bob")
    for _ in range(2):
        found = rewarded.reward_scores(view.round, "ann")
    lengths = {told["policies"][letter]: len(text) for letter, text in view.answers.items()}
    assert found == {"int4": lengths} and rewarded.client.scored == 4


def test_repeats_share_the_scores_of_their_answers(rewarded):
    view = judged(rewarded)
    copy = rewarded.show_again("bob", view.round)
    rewarded.vote(copy.round, "A>B>C>D", rater="bob")
    assert set(rewarded.reward_scores(copy.round, "bob")["int4"]) == {
        "sft",
        "ppo-bf16",
        "ppo-int8",
        "ppo-int4",
    }
    found = rewarded.against_people()["int4"]
    assert rewarded.client.scored == 4
    assert found.accuracy.n == 12  # both raters' six comparisons


def test_without_reward_models_the_comparison_is_a_clear_error(arena):
    judged(arena)
    with pytest.raises(UserError, match="without their reward models"):
        arena.against_people()
    assert not arena.has_rewards()
