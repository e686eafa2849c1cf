"""Reward models compared with people: wrong comparisons and exploited errors."""

import numpy as np
import pytest
from scipy.special import expit

from evaluation.ballots import Ballot
from evaluation.people_and_reward import against_people

PANES = {"A": "sft", "B": "ppo-bf16", "C": "ppo-int8", "D": "ppo-int4"}


def ballot(order, rater="r", prompt="p", panes=PANES):
    return Ballot.from_order(order, panes, rater, prompt)


def test_accuracy_over_decisive_comparisons_by_hand():
    scores = {"sft": 1.0, "ppo-bf16": 2.0, "ppo-int8": 2.0, "ppo-int4": 0.0}
    # A>B wrong, A>C wrong, A>D right, B>C equal scores, B>D and C>D right
    found = against_people([ballot("A>B>C>D"), ballot("none")], [scores, scores])
    assert found.accuracy.value == pytest.approx(3.5 / 6) and found.accuracy.n == 6
    assert found.accuracy.low is None  # one rater gives no interval
    assert against_people([ballot("A>B>C>D")], [None]) is None


def test_wrong_excludes_the_answers_of_the_own_policy():
    scores = {"sft": 1.0, "ppo-bf16": 2.0, "ppo-int8": 2.0, "ppo-int4": 0.0}
    found = against_people([ballot("A>B>C>D")], [scores], own="ppo-bf16")
    # of A>C (wrong), A>D and C>D (right)
    assert found.wrong.value == pytest.approx(1 / 3) and found.wrong.n == 3


def judged(exploit, seed=0, count=1500, raters=30):
    """Comparisons of the own policy with two others; the reward model adds `exploit` to its merit."""
    rng = np.random.default_rng(seed)
    panes = {"A": "own", "B": "x", "C": "y"}
    ballots, scores = [], []
    for number in range(count):
        merit = {name: rng.normal() for name in panes.values()}
        noisy = sorted(panes, key=lambda pane: -(merit[panes[pane]] + rng.gumbel()))
        ballots.append(ballot(">".join(noisy), f"r{number % raters}", str(number), panes))
        scores.append({name: value + exploit * (name == "own") for name, value in merit.items()})
    return against_people(ballots, scores, own="own")


def test_an_honest_reward_model_is_calibrated_and_nothing_is_exploited():
    found = judged(exploit=0.0)
    assert found.ece < 0.03 and found.temperature == pytest.approx(1.0, abs=0.1)
    assert found.exploited.low < 0 < found.exploited.high


def test_answers_that_only_the_reward_model_prefers_are_exploitation_and_not_a_general_error():
    honest, fooled = judged(exploit=0.0), judged(exploit=2.0)
    assert fooled.exploited.low > 0.1
    assert fooled.wrong == honest.wrong


def test_a_poor_reward_model_is_wrong_without_being_exploited():
    rng = np.random.default_rng(1)
    panes = {"A": "own", "B": "x", "C": "y"}
    ballots, scores = [], []
    for number in range(1500):
        order = rng.permutation(list(panes))
        ballots.append(ballot(">".join(order), f"r{number % 30}", str(number), panes))
        scores.append({name: rng.normal() for name in panes.values()})
    found = against_people(ballots, scores, own="own")
    assert found.wrong.value == pytest.approx(0.5, abs=0.05)
    assert found.exploited.low < 0.05


def test_the_interval_has_raters_as_units():
    # two raters who always disagree with each other: mean 1/2, t with one degree of freedom
    panes = {"A": "x", "B": "y"}
    ballots = [ballot("A>B", "a", str(i), panes) for i in range(50)]
    ballots += [ballot("B>A", "b", str(i), panes) for i in range(50)]
    found = against_people(ballots, [{"x": 1.0, "y": 0.0}] * 100)
    # deviations of the sums are 25 and -25: sd = sqrt(2 * 1250) / 100 = 0.5
    assert found.accuracy.value == 0.5
    assert found.accuracy.high - 0.5 == pytest.approx(12.706 * 0.5, rel=1e-3)
    assert found.brier == pytest.approx(np.mean([expit(-1) ** 2, expit(1) ** 2]))
