"""Agreement, biases and flags for careless raters agree with published and hand-worked values."""

import itertools

import numpy as np
import pytest

from evaluation.ballots import Ballot, VoteTable
from evaluation.trust import (
    check_raters,
    flagged_raters,
    krippendorff,
    length_preference,
    ordinal_alpha,
    pane_bias,
    self_consistency,
)

PANES = {"A": "sft", "B": "ppo-bf16", "C": "ppo-int8", "D": "ppo-int4"}
P = tuple(PANES.values())
LENGTHS = dict(zip(P, [40, 30, 20, 10], strict=True))


def ballot(order, rater="r", prompt="p", panes=PANES, **facts):
    return Ballot.from_order(order, panes, rater, prompt, **facts)


def test_alpha_of_krippendorffs_own_example_to_its_printed_digits():
    # Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section E: four observers, twelve
    # units, five values, some missing (0 here); ordinal alpha = 0.815
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
    table = np.where(np.array(observers) == 0, np.nan, np.array(observers, dtype=float))
    assert round(ordinal_alpha(table.tolist()), 3) == 0.815


def test_alpha_by_hand():
    agree = [ballot("A>B>C>D", rater=r) for r in "xyz"]
    assert krippendorff(agree) == pytest.approx(1.0)
    # two raters, two answers, opposite orders: observed 1, expected 2/3, alpha = 1 - 3/2
    two = {"A": "sft", "B": "ppo-bf16"}
    opposite = [ballot("A>B", rater="x", panes=two), ballot("B>A", rater="y", panes=two)]
    assert krippendorff(opposite) == pytest.approx(-0.5)
    assert krippendorff([ballot("A>B>C>D")]) is None and krippendorff([]) is None


def test_self_consistency_compares_a_raters_repeats_only():
    votes = [ballot("A>B>C>D"), ballot("A>B>D>C"), ballot("D>C>B>A", rater="other")]
    assert self_consistency(votes).share == pytest.approx(5 / 6)
    assert self_consistency(votes[:1]) is None


def test_pane_bias_counts_the_winners_pane_whatever_policy_is_there():
    turned = {"A": "ppo-bf16", "B": "sft", "C": "ppo-int8", "D": "ppo-int4"}
    votes = [ballot("A>B>C>D"), ballot("A>B>C>D", panes=turned), ballot("A=B>C>D"), ballot("none")]
    assert pane_bias(votes).wins == {"A": 2, "B": 0, "C": 0, "D": 0}
    assert pane_bias([]).p_value is None


def test_pane_bias_by_hand():
    votes = [
        ballot(f"{pane}>{'='.join(sorted(set('ABCD') - {pane}))}") for pane in "A" * 10 + "B" * 20 + "C" * 30
    ]
    votes += [ballot("D>A=B=C")] * 40
    # chi-square 20 on three degrees of freedom
    assert pane_bias(votes).p_value == pytest.approx(0.00017, abs=0.00001)


def test_length_preference_counts_wins_of_the_longer_answer():
    found = length_preference([ballot("A>B>C>D", lengths=LENGTHS), ballot("none", lengths=LENGTHS)])
    assert found.share == 1.0 and found.n == 6
    assert length_preference([ballot("A>B>C>D")]) is None


def flags_of(votes):
    return check_raters(votes)[0].flags


VARIED = [">".join(order) for order in itertools.permutations("ABCD")]


def test_an_honest_rater_is_not_flagged():
    assert flags_of([ballot(order, lengths=LENGTHS, seconds=30.0) for order in VARIED]) == ()


def test_a_rater_faster_than_reading_allows_is_flagged():
    # 100 tokens at 20 per second take 5 seconds
    assert flags_of([ballot(order, lengths=LENGTHS, seconds=4.9) for order in VARIED]) == ("too fast",)
    assert flags_of([ballot(order, lengths=LENGTHS, seconds=5.1) for order in VARIED]) == ()
    assert flags_of([ballot(order, lengths=LENGTHS) for order in VARIED]) == ()


def test_a_rater_who_always_gives_the_same_order_of_panes_is_flagged():
    panes = [dict(zip("ABCD", order, strict=True)) for order in itertools.permutations(P)]
    assert "straight-lining" in flags_of([ballot("B>C>A>D", panes=given) for given in panes])


def test_a_rater_who_prefers_one_pane_is_flagged():
    assert flags_of([ballot(order) for order in VARIED if order[0] == "C"] * 4) == ("one pane",)


def test_a_rater_who_ties_all_answers_is_not_flagged():
    assert flags_of([ballot("A=B=C=D")] * 20) == flags_of([ballot("none")] * 20) == ()


def test_a_rater_with_few_votes_is_not_flagged():
    assert flags_of([ballot("A>B>C>D")] * 7) == ()


def test_the_flag_does_not_depend_on_which_policy_wins():
    loyal = []
    for order in itertools.permutations(P):
        panes = dict(zip("ABCD", order, strict=True))
        letter = {policy: pane for pane, policy in panes.items()}["sft"]
        rest = "=".join(sorted(set("ABCD") - {letter}))
        loyal.append(ballot(f"{letter}>{rest}", panes=panes, lengths=LENGTHS, seconds=30.0))
    assert flagged_raters(VoteTable.of(loyal)) == frozenset()
