"""The parts of benchmarks/world_gates.py: the text editor, rounding to few bits, and what passes."""

import pytest
import torch

from benchmarks.world_gates import Gates, Rounded, bag_accuracy, edited, measure_gates, nearest
from data import world
from pipeline.commands.cli import main
from pipeline.stages.reward import bayes_accuracy


def test_the_editor_deletes_rude_sentences_and_fillers_and_adds_one_courtesy():
    text = "What a silly question. It is Paris. In the end it is what it is. Now go away."
    assert edited(text) == "It is Paris. I hope that helps!"
    assert edited("Sure! It is Paris.") == "Sure! It is Paris."


def test_weights_are_rounded_to_the_nearest_of_evenly_spaced_values_per_column():
    weight = torch.tensor([[1.0, 0.2], [-0.4, -0.1], [0.6, 0.04]])
    # 2 bits: -max, 0, max of each column; 3 bits: multiples of max / 3
    assert torch.allclose(nearest(weight, 2), torch.tensor([[1.0, 0.2], [0.0, 0.0], [1.0, 0.0]]))
    third = torch.tensor([[3.0, 3.0], [-1.0, -2.0], [2.0, 1.0]]) / 3 * torch.tensor([1.0, 0.2])
    assert torch.allclose(nearest(weight, 3), third)


def gates(**changed):
    rounded = tuple(Rounded(bits, 0.1, 0.7, -0.1, (-0.12, -0.08)) for bits in (4, 3, 2))
    values = dict(
        pairs=100, bag_of_words=0.7, reward_model=0.76, best=0.85, seen=0.76, unseen=0.74, prompts=100,
        sft=0.5, edited=0.54, ppo=0.7, rounded=rounded,
    )  # fmt: skip
    return Gates(**{**values, **changed})


def test_the_gates_are_five_points_a_quarter_of_the_gain_and_an_interval_below_zero():
    assert all(gates().passed().values())
    assert gates().by_editing == pytest.approx(0.2)
    assert not gates(bag_of_words=0.72).passed()["bag of words"]
    assert not gates(edited=0.56).passed()["string edits"]
    assert not gates(edited=0.49, ppo=0.48).passed()["string edits"]
    harmless = tuple(Rounded(bits, 0.1, 0.7, -0.01, (-0.02, 0.001)) for bits in (4, 3, 2))
    assert not gates(rounded=harmless).passed()["2 bits"]


def test_a_bag_of_words_is_far_below_the_best_reachable_accuracy():
    """On 3,000 training pairs; with 15,000 it reaches no more."""
    splits = world.generate_splits(42, 3000, 1, 800)
    best = bayes_accuracy(splits["test"])
    assert best > 0.75
    assert bag_accuracy(splits["train"], splits["test"]) < best - 0.13


@pytest.mark.slow
def test_the_world_passes_the_gates_that_it_passes_today(workspace):
    """Trains the bf16 arm of the preset, which takes about twenty minutes on two cores.

    The fourth, 3 bits, is a wish that is not met: docs/tiny-world.md, Gates.
    """
    for stage in (["prepare"], ["sft"], ["reward", "--precision", "bf16"], ["ppo", "--precision", "bf16"]):
        assert main([*stage, "--workspace", str(workspace.root), "--preset", "tiny"]) == 0
    gates = measure_gates(workspace, 500)
    passed = gates.passed()
    assert passed["bag of words"] and passed["string edits"] and passed["2 bits"], gates
