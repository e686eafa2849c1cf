"""The command `card`: scores of a real reward model in the tiny world, and what it refuses."""

import pytest
import torch
from test_evaluate import PROMPTS, done_run

from data import world
from data.datasets import read_split, write_splits
from data.world.subjects import subject
from pipeline.commands.cli import main
from pipeline.runs import cards
from pipeline.stages import reward_card


@pytest.fixture
def in_the_world(workspace, random_base):
    """A reward model of random weights on pairs of the tiny world; returns its run's id."""
    splits = world.generate_splits(3, 40, 4, 30)
    write_splits(workspace.dataset("small"), splits)
    sft = done_run(workspace, "sft", "bf16", {"dataset": "small"}, random_base, 1)
    return done_run(workspace, "reward", "bf16", {"dataset": "small", "sft": sft}, random_base, 2)


def test_the_card_of_a_reward_model_in_the_tiny_world(workspace, in_the_world, capsys):
    given = ["card", in_the_world, "--prompts", "6", "--workspace", str(workspace.root)]
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "accuracy on the test pairs" in shown and "calibration error" in shown
    card = cards.read(workspace, in_the_world)
    assert card["accuracy"]["n"] == sum(kind["n"] for kind in card["by_kind"].values()) == 30
    subjects = [subject(row["prompt"]) for row in read_split(workspace.dataset("small"), "test")]
    told = sum(card[name]["n"] for name in ("seen", "unseen") if card[name])
    assert told == sum(one is not None for one in subjects) > 0
    assert card["batch"]["pairs"] == 30 and card["batch"]["largest"] < 0.01
    assert card["best_of"]["answers"] == reward_card.ANSWERS and card["bayes"] > 0.5


def test_the_same_card_is_made_twice(workspace, in_the_world):
    first, second = (
        reward_card.write_cards(workspace, [in_the_world], prompts=4)[0].to_json() for _ in range(2)
    )
    assert first == second


def test_a_run_without_a_reward_model_has_no_card(workspace, random_base, capsys):
    write_splits(
        workspace.dataset("small"), {"test": [{"prompt": PROMPTS[0], "chosen": "a", "rejected": "b"}]}
    )
    sft = done_run(workspace, "sft", "bf16", {"dataset": "small"}, random_base, 1)
    assert main(["card", sft, "--workspace", str(workspace.root)]) == 2
    assert "only a done reward run has a report card" in capsys.readouterr().err


def test_a_reward_model_scores_alone_as_in_a_batch(workspace, in_the_world, monkeypatch):
    """A model whose scores depend on the batch is found out."""
    plain = reward_card.RewardModel.score

    def score(self, sequences, batch_size=32):
        return plain(self, sequences, batch_size) + (torch.rand(len(sequences)) * 9 if batch_size == 1 else 0)

    monkeypatch.setattr(reward_card.RewardModel, "score", score)
    (card,) = reward_card.write_cards(workspace, [in_the_world], prompts=4)
    assert card.batch.largest > 1 and card.batch.flipped > 0.1
