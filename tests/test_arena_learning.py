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


def test_training_on_votes_names_the_parents_of_every_run(arena, workspace, monkeypatch):
    sft = SimpleNamespace(id="the-sft", parents=SimpleNamespace(dataset="tiny"))
    monkeypatch.setattr(learning, "newest_done", lambda workspace, stage, preset: sft)
    jobs = Jobs()
    assert len(train_on_votes(workspace, jobs, "tiny")) == 7
    assert [stage for stage, *_ in jobs.started] == ["prepare"] + ["reward"] * 3 + ["ppo"] * 3
    assert jobs.started[0][2] == ["source=votes", "name=votes"]
    for precision, (_, arm, given) in zip(PRECISIONS, jobs.started[1:4], strict=True):
        assert arm == precision and given == ["dataset=votes", "sft_run=the-sft"]
    for precision, (_, arm, given) in zip(PRECISIONS, jobs.started[4:], strict=True):
        assert arm == precision
        assert given == ["dataset=tiny", "sft_run=the-sft", f"reward_run=reward-{precision}"]


def test_training_on_votes_needs_an_sft_run_and_a_database(arena, workspace, tmp_path):
    with pytest.raises(UserError, match="no done SFT run"):
        train_on_votes(workspace, Jobs(), "tiny")
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
