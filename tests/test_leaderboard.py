"""Ballots, strengths and their intervals agree with published and hand-worked values."""

import itertools

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from test_ranking import orders

from evaluation.ballots import Ballot, VoteTable
from evaluation.leaderboard import comparison_counts, fit, leaderboard, strengths

PANES = {"A": "sft", "B": "ppo-bf16", "C": "ppo-int8", "D": "ppo-int4"}
P = tuple(PANES.values())


def ballot(order, rater="r", prompt="p", panes=PANES, **facts):
    return Ballot.from_order(order, panes, rater, prompt, **facts)


def board(votes, policies=()):
    return {row.policy: row for row in leaderboard(VoteTable.of(votes, policies))}


def test_signs_of_a_ballot():
    vote = ballot("B>A=D>C")
    assert vote.sign("ppo-bf16", "sft") == 1 and vote.sign("ppo-int8", "ppo-int4") == -1
    assert vote.sign("sft", "ppo-int4") == 0
    assert vote.best() == "ppo-bf16" and ballot("A=B>C>D").best() is None


@given(st.lists(orders, min_size=1, max_size=8), st.sampled_from([(), ("sft", "ppo-int8")]))
@settings(max_examples=25, deadline=None)
def test_the_table_holds_the_signs_of_the_ballots(votes, same):
    identical = (frozenset(same),) if same else ()
    ballots = [ballot(order, prompt=str(i), identical=identical) for i, order in enumerate(votes)]
    table = VoteTable.of(ballots)
    for a, b in itertools.permutations(P, 2):
        signs = table.signs[table.pattern, table.index(a), table.index(b)]
        assert signs.tolist() == [vote.sign(a, b) for vote in ballots]


def test_all_bad_is_neither_a_tie_nor_a_preference():
    assert ballot("none").sign("sft", "ppo-int4") == 0
    row = board([ballot("none")])["sft"]
    assert (row.all_bad, row.ties, row.wins, row.best, row.mean_rank) == (1, 0, 0, 0, None)


def test_strengths_reproduce_agrestis_baseball_example_to_its_printed_digits():
    # Agresti, Categorical Data Analysis (2nd ed. 2002), 10.6: American League East 1987, 13 games per pair;
    # Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore
    wins = np.array(
        [
            [0, 7, 9, 7, 7, 9, 11],
            [6, 0, 7, 5, 11, 9, 9],
            [4, 6, 0, 7, 7, 8, 12],
            [6, 8, 6, 0, 6, 7, 10],
            [6, 2, 6, 7, 0, 7, 12],
            [4, 4, 5, 6, 6, 0, 6],
            [2, 4, 1, 3, 1, 7, 0],
        ],
        dtype=float,
    )
    scores = strengths(wins - 1 + np.eye(7))  # without the imaginary votes
    published = [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0]
    assert np.round(scores - scores[-1], 2).tolist() == published


def test_two_policies_have_the_log_odds_of_their_wins():
    counts = np.array([[0.0, 5.0], [1.0, 0.0]])  # one imaginary vote each way makes it 6 to 2
    assert np.subtract(*strengths(counts)) == pytest.approx(np.log(6 / 2))


counts_of_four = st.lists(st.integers(0, 2000), min_size=12, max_size=12)


def filled(numbers):
    counts = np.zeros((4, 4))
    counts[~np.eye(4, dtype=bool)] = numbers
    return counts


@given(counts_of_four)
@settings(max_examples=40, deadline=None)
def test_strengths_reproduce_each_policys_number_of_wins(numbers):
    # the maximum-likelihood condition of Bradley-Terry, imaginary votes included
    scores, full = strengths(filled(numbers)), filled(numbers) + 1 - np.eye(4)
    games = full + full.T
    expected = (games * expit(scores[:, None] - scores[None, :]) * (1 - np.eye(4))).sum(axis=1)
    assert expected == pytest.approx(full.sum(axis=1), rel=1e-6)
    assert scores.sum() == pytest.approx(0.0, abs=1e-6)


@given(st.lists(counts_of_four, min_size=2, max_size=4))
@settings(max_examples=10, deadline=None)
def test_many_fits_at_once_agree_with_another_library(many):
    counts = np.array([filled(numbers) for numbers in many])
    for scores, one in zip(strengths(counts), counts, strict=True):
        assert scores == pytest.approx(choix.ilsr_pairwise_dense(one + 1 - np.eye(4)), abs=1e-4)


def test_a_policy_that_won_every_vote_has_a_finite_score():
    rows = board([ballot("B>A=C=D", prompt=str(i)) for i in range(5)])
    winner = rows["ppo-bf16"]
    assert winner.score == max(row.score for row in rows.values()) and np.isfinite(winner.score_high)
    assert winner.best == 5 and winner.wins == 15 and rows["sft"].ties == 10


def test_one_vote_leaves_its_loser_a_chance_of_about_one_in_four():
    rows = board([ballot("A>B", panes={"A": "x", "B": "y"})])
    assert rows["x"].p_best == pytest.approx(0.73, abs=0.03)
    assert rows["x"].score_low < 0 < rows["x"].score_high


def test_leaderboard_without_votes_is_empty():
    assert leaderboard(VoteTable.of([])) == []


@given(st.lists(orders, min_size=1, max_size=6), st.permutations(P))
@settings(max_examples=20, deadline=None)
def test_panes_do_not_affect_the_leaderboard(votes, policies):
    """Renaming letters and moving panes together leaves the same preference, hence the same board."""
    straight = [ballot(order, prompt=str(i)) for i, order in enumerate(votes)]
    letter_of = dict(zip(policies, "ABCD", strict=True))
    rename = {letter: letter_of[policy] for letter, policy in PANES.items()}
    panes = {letter: policy for policy, letter in letter_of.items()}
    moved = [
        ballot("".join(rename.get(c, c) for c in order), prompt=str(i), panes=panes)
        for i, order in enumerate(votes)
    ]
    for one, other in zip(leaderboard(VoteTable.of(straight)), leaderboard(VoteTable.of(moved)), strict=True):
        assert one.policy == other.policy and one.score == pytest.approx(other.score)
        assert one.score_low == pytest.approx(other.score_low)


MIXED = ["A>B>C>D", "D>C>B>A", "A>B>D>C", "B>A>C>D"] * 10


def width(votes):
    return np.mean([row.score_high - row.score_low for row in board(votes).values()])


def test_votes_of_few_raters_do_not_narrow_the_interval_as_votes_of_many_do():
    many = [ballot(order, rater=str(i), prompt=str(i)) for i, order in enumerate(MIXED)]
    few = [ballot(order, rater=str(i % 4), prompt=str(i)) for i, order in enumerate(MIXED)]
    assert width(few) > 1.5 * width(many)


def test_votes_on_few_prompts_do_not_narrow_the_interval_as_votes_on_many_do():
    many = [ballot(order, rater=str(i), prompt=str(i)) for i, order in enumerate(MIXED)]
    few = [ballot(order, rater=str(i), prompt=str(i % 4)) for i, order in enumerate(MIXED)]
    assert width(few) > 1.5 * width(many)


def test_the_covariance_of_independent_votes_is_the_sandwich_by_hand():
    # two policies, 30 wins to 10 by 40 raters on 40 prompts: p = 31/42, and H = 42 p q for the lead
    panes = {"A": "x", "B": "y"}
    votes = [ballot("A>B" if i < 30 else "B>A", rater=str(i), prompt=str(i), panes=panes) for i in range(40)]
    p = 31 / 42
    curvature = 42 * p * (1 - p)
    scatter = (30 * (1 - p) ** 2 + 10 * p**2) * (2 * 40 / 39 - 1)  # raters + prompts - both
    weights = np.array([1.0, -1.0])
    variance = weights @ fit(VoteTable.of(votes)).covariance @ weights
    assert variance == pytest.approx((scatter + 0.5) / curvature**2)


def test_identical_texts_are_kept_out_of_ties_and_of_every_preference():
    same = (frozenset({"ppo-bf16", "ppo-int8"}),)
    rows = board([ballot("B>C>A>D", prompt=str(i), identical=same) for i in range(10)])
    assert rows["ppo-bf16"].identical == 10 and rows["ppo-bf16"].ties == 0
    assert rows["ppo-bf16"].score == pytest.approx(rows["ppo-int8"].score)


def test_comparison_counts_split_ties():
    table = VoteTable.of([ballot("B>A=D>C")])
    counts = comparison_counts(table)
    sft = table.index("sft")
    assert counts[sft, table.index("ppo-int4")] == 0.5 and counts[sft, table.index("ppo-int8")] == 1
    assert counts.sum() == 6
