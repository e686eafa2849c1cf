"""Rounding to few bits, reward models that score in another number format, and PPO against a bag of words."""

import pytest
import torch
from little_ppo import settings_of, stand, trainer_of

from models import loading
from models.rounding import round_blocks, round_to_nearest
from models.scoring import RewardModel
from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader, read_run
from pipeline.runs.record import Run

CPU = torch.device("cpu")


def test_weights_are_rounded_by_hand_worked_scales():
    weight = torch.tensor([[0.9, 0.4, -0.5, 0.0, 3.0, -1.4], [0.0, 0.0, 0.0, 0.0, 2.0, 1.1]])
    # Two bits: -1, 0, 1 times the group's largest magnitude; groups of four inputs.
    two = [[0.9, 0.0, -0.9, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0, 2.0, 2.0]]
    assert round_to_nearest(weight, 2, 4).tolist() == [pytest.approx(row) for row in two]
    # Three bits: multiples of a third of it.
    three = [[0.9, 0.3, -0.6, 0.0, 3.0, -1.0], [0.0, 0.0, 0.0, 0.0, 2.0, 4 / 3]]
    assert round_to_nearest(weight, 3, 4).tolist() == [pytest.approx(row) for row in three]


@pytest.mark.parametrize("base", ["random_base", "random_llama_base"])
def test_the_matrices_of_the_blocks_are_rounded_and_nothing_else(base, request):
    folder = request.getfixturevalue(base)
    model, before = (loading.load_causal(folder, "bf16", CPU) for _ in range(2))
    count = round_blocks(model, 2)
    changed = {
        name
        for name, weight in model.state_dict().items()
        if not torch.equal(weight, before.state_dict()[name])
    }
    blocks = {
        name for name, weight in before.named_parameters()
        if weight.dim() == 2 and (".h." in name or ".layers." in name)
    }  # fmt: skip
    assert changed == blocks and count == len(blocks)
    name = sorted(blocks)[0]
    weight = model.state_dict()[name]
    column = weight[:64, 0] if base == "random_base" else weight[0, :64]
    assert len(column.unique()) <= 3  # inputs of one output: one group of 64


def test_a_reward_model_scores_in_another_number_format_than_it_was_trained_in(workspace, random_base):
    parents = stand(workspace, random_base)
    folder = workspace.run(parents["reward"]) / "model"
    rows = [[5, 6, 7, 8, 9], [10, 11, 12]]
    scores = {
        precision: RewardModel.load(folder, random_base, precision, loading.device()).score(rows).tolist()
        for precision in ("bf16", "int8", "int4", "rtn3", "rtn2")
    }
    assert len({tuple(found) for found in scores.values()}) == 5
    errors = [abs(scores[name][0] - scores["bf16"][0]) for name in ("int8", "rtn2")]
    assert errors[0] < errors[1]


def test_ppo_uses_that_format_and_is_not_taken_for_the_arm_of_its_precision(workspace, random_base):
    parents = stand(workspace, random_base)
    plain = trainer_of(workspace, parents, base=random_base)
    rounded = trainer_of(workspace, parents, "scoring=rtn2", base=random_base)
    rows = [[5, 6, 7, 8, 9]]
    found = [trainer.scorer.reward_model.score(rows).item() for trainer in (plain, rounded)]
    folder = workspace.run(parents["reward"]) / "model"
    assert found == [
        RewardModel.load(folder, random_base, precision, loading.device()).score(rows).item()
        for precision in ("bf16", "rtn2")
    ]
    for trainer, taken in ((rounded, False), (plain, True)):
        trainer.run.finish({})
        assert read_run(workspace, trainer.run.id).is_policy is taken
    line = Lineage(RunReader(workspace))
    assert line.newest_done("ppo", "tiny", "bf16").id == plain.run.id


def test_ppo_against_a_bag_of_words_scores_the_words_of_the_answer(workspace, random_base):
    parents = stand(workspace, random_base)  # every chosen answer is "Yes.", every rejected one "No."
    assert settings_of("reward=bag-of-words").unneeded == ("reward",)
    trainer = trainer_of(workspace, parents, "reward=bag-of-words", base=random_base)
    assert trainer.scorer.reward_model is None
    words = trainer.scorer.words
    assert words.score("Yes.") > 0 > words.score("No.")
    trainer.run_to_end()
    rows = [line for line in (trainer.run.folder / "samples.jsonl").read_text().splitlines() if line]
    assert rows and Run.load(workspace, trainer.run.id).record.usual is False
