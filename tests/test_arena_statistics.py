"""Orders, leaderboard, contrasts, tests and planning against published and hand-worked values."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from data.errors import UserError
from evaluation.agreement import (
    krippendorff,
    length_preference,
    pane_bias,
    rank_agreement,
    rank_vector,
    reward_model_agreement,
    self_consistency,
)
from evaluation.arena import (
    Ballot,
    cluster_signs,
    comparison_counts,
    contrasts,
    format_order,
    leaderboard,
    parse_order,
    strengths,
)
from evaluation.significance import (
    equivalence,
    friedman,
    holm,
    plan,
    position_bias,
    sign_test,
    votes_for_difference,
    votes_for_equivalence,
)

PANES = {"A": "sft", "B": "ppo-bf16", "C": "ppo-int8", "D": "ppo-int4"}
P = tuple(PANES.values())


def ballot(order, rater="r", prompt="p", panes=PANES, **facts):
    return Ballot.from_order(order, panes, rater, prompt, **facts)


orders = st.permutations("ABCD").flatmap(
    lambda letters: st.lists(st.sampled_from(">="), min_size=3, max_size=3).map(
        lambda signs: "".join(x + y for x, y in itertools.zip_longest(letters, signs, fillvalue=""))
    )
)


def test_an_order_is_read_into_tiers():
    assert parse_order("B>A=D>C") == (("B",), ("A", "D"), ("C",))
    assert parse_order(" b > a=d >c ") == (("B",), ("A", "D"), ("C",))
    assert parse_order("none") == parse_order("NONE") == ()
    assert parse_order("B>A", "AB") == (("B",), ("A",))


@pytest.mark.parametrize(
    "order",
    ["", "A>B>C", "A>B>C>D>D", "A>>B>C=D", "A>B>C>E", "AB>C>D", "none>A", ">A>B>C>D", "A;B;C;D", None, 7],
)
def test_a_bad_order_is_refused_with_advice(order):
    with pytest.raises(UserError, match="order of A B C D such as A>B>C>D"):
        parse_order(order)


@given(orders)
def test_reading_and_writing_an_order_are_inverse(order):
    tiers = parse_order(order)
    assert [set(tier) for tier in parse_order(format_order(tiers))] == [set(tier) for tier in tiers]


def test_signs_of_a_ballot():
    vote = ballot("B>A=D>C")
    assert vote.sign("ppo-bf16", "sft") == 1 and vote.sign("ppo-int8", "ppo-int4") == -1
    assert vote.sign("sft", "ppo-int4") == 0 and vote.tied("sft", "ppo-int4")
    assert vote.best() == "ppo-bf16" and ballot("A=B>C>D").best() is None
    assert rank_vector(vote) == {"ppo-bf16": 1, "sft": 2.5, "ppo-int4": 2.5, "ppo-int8": 4}


def test_all_bad_is_no_tie_and_no_preference():
    vote = ballot("none")
    assert vote.sign("sft", "ppo-int4") == 0 and not vote.tied("sft", "ppo-int4")
    row = leaderboard([vote])[0]
    assert (row["all_bad"], row["ties"], row["wins"], row["best"], row["mean_rank"]) == (1, 0, 0, 0, None)


def test_strengths_solve_agrestis_baseball_example():
    # Agresti, Categorical Data Analysis (2nd ed. 2002), 10.6: American League East 1987, 13 games a pair;
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
    without_imaginary_votes = strengths(wins - 1 + np.eye(7))
    published = [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0]
    assert without_imaginary_votes - without_imaginary_votes[-1] == pytest.approx(published, abs=0.006)


def test_two_policies_have_the_log_odds_of_their_wins():
    counts = np.array([[0.0, 5.0], [1.0, 0.0]])  # one imaginary vote each way makes it 6 to 2
    lead = np.subtract(*strengths(counts))
    assert lead == pytest.approx(np.log(6 / 2), abs=1e-6)


@given(st.lists(st.integers(0, 20), min_size=12, max_size=12))
@settings(max_examples=40, deadline=None)
def test_strengths_reproduce_each_policys_number_of_wins(numbers):
    # the maximum-likelihood condition of Bradley-Terry, imaginary votes included
    counts = np.zeros((4, 4))
    counts[~np.eye(4, dtype=bool)] = numbers
    scores = strengths(counts)
    full = counts + 1 - np.eye(4)
    games = full + full.T
    expected = (games * expit(scores[:, None] - scores[None, :]) * (1 - np.eye(4))).sum(axis=1)
    assert expected == pytest.approx(full.sum(axis=1), rel=1e-4)
    assert scores.sum() == pytest.approx(0.0, abs=1e-6)


def test_a_policy_that_won_every_vote_has_a_finite_score():
    rows = leaderboard([ballot("B>A=C=D", prompt=str(i)) for i in range(5)])
    assert rows[0]["policy"] == "ppo-bf16" and np.isfinite(rows[0]["score_high"])
    assert rows[0]["best"] == 5 and rows[0]["wins"] == 15 and rows[1]["ties"] == 10


def test_one_vote_leaves_a_chance_of_one_in_four_to_its_loser():
    one = ballot("A>B", panes={"A": "x", "B": "y"})
    rows = leaderboard([one], resamples=4000)
    assert rows[0]["policy"] == "x" and rows[0]["p_best"] == pytest.approx(0.75, abs=0.03)
    assert rows[0]["score_low"] < 0 < rows[0]["score_high"]


def test_leaderboard_without_votes_is_empty():
    assert leaderboard([]) == [] and contrasts([]) == []


@given(st.lists(orders, min_size=1, max_size=6), st.permutations(P))
@settings(max_examples=20, deadline=None)
def test_the_panes_do_not_matter(votes, policies):
    """Renaming letters and moving panes together leaves the same preference, hence the same board."""
    straight = [ballot(order, prompt=str(i)) for i, order in enumerate(votes)]
    letter_of = dict(zip(policies, "ABCD", strict=True))
    rename = {letter: letter_of[policy] for letter, policy in PANES.items()}
    panes = {letter: policy for policy, letter in letter_of.items()}
    moved = [
        ballot("".join(rename.get(c, c) for c in order), prompt=str(i), panes=panes)
        for i, order in enumerate(votes)
    ]
    assert leaderboard(straight, P, resamples=20) == leaderboard(moved, P, resamples=20)


def test_votes_of_one_cluster_do_not_narrow_the_interval_as_votes_of_many_do():
    mixed = ["A>B>C>D", "D>C>B>A", "A>B>D>C", "B>A>C>D"] * 10
    many = leaderboard([ballot(order, prompt=str(i)) for i, order in enumerate(mixed)])
    few = leaderboard([ballot(order, prompt=str(i % 4)) for i, order in enumerate(mixed)])

    def width(rows):
        return np.mean([row["score_high"] - row["score_low"] for row in rows])

    assert width(few) > 1.5 * width(many)


def test_identical_texts_are_kept_out_of_ties_and_of_every_test():
    same = (frozenset({"ppo-bf16", "ppo-int8"}),)
    votes = [ballot("B>C>A>D", prompt=str(i), identical=same) for i in range(10)]
    row = next(r for r in contrasts(votes) if (r["a"], r["b"]) == ("ppo-bf16", "ppo-int8"))
    assert row["identical"] == 10 and row["decisive"] == row["wins"] == row["ties"] == 0
    assert row["p_value"] == 1.0 and row["difference"] == pytest.approx(0.0, abs=1e-6)
    board = {r["policy"]: r for r in leaderboard(votes)}
    assert board["ppo-bf16"]["identical"] == 10 and board["ppo-bf16"]["ties"] == 0


def test_comparison_counts_split_ties():
    counts = comparison_counts([ballot("B>A=D>C")], P)
    assert counts[0].tolist() == [0, 0, 1, 0.5] and counts.sum() == 6


def test_a_cluster_counts_once_in_the_sign_test():
    votes = [ballot("A>B>C>D")] * 5 + [ballot("B>A>C>D", prompt="q")] + [ballot("none", prompt="s")]
    assert cluster_signs(votes, "sft", "ppo-bf16") == (1, 1)


def test_contrasts_find_the_better_policy_and_correct_for_six_pairs():
    votes = [ballot("B>C>D>A" if i % 8 else "A>D>C>B", prompt=str(i)) for i in range(64)]
    rows = {(row["a"], row["b"]): row for row in contrasts(votes)}
    assert len(rows) == 6
    lead = rows["ppo-bf16", "sft"]
    assert lead["low"] > 0 and lead["p_better"] == 1.0 and lead["decisive"] == 64
    assert lead["p_holm"] == pytest.approx(6 * lead["p_value"])
    assert contrasts(votes, [("sft", "ppo-bf16")])[0]["p_holm"] == pytest.approx(lead["p_value"])


def test_sign_test_by_hand():
    assert sign_test(8, 2) == pytest.approx(112 / 1024)
    assert sign_test(0, 0) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_friedman_and_kendall_by_hand():
    # rank sums 3, 7, 8; S = 14; W = 12 * 14 / (9 * 24)
    result = friedman([[1, 2, 3], [1, 3, 2], [1, 2, 3]])
    assert result["kendall_w"] == pytest.approx(7 / 9) and result["chi2"] == pytest.approx(14 / 3)
    assert friedman([[1, 2, 3, 4]] * 5)["kendall_w"] == pytest.approx(1.0)
    assert friedman([[1, 2, 3]]) is None and friedman([[2, 2, 2]] * 3) is None


def test_rank_agreement_leaves_out_all_bad():
    votes = [ballot("A>B>C>D", prompt=str(i)) for i in range(4)] + [ballot("none", prompt="x")]
    assert rank_agreement(votes)["n"] == 4 and rank_agreement(votes)["kendall_w"] == pytest.approx(1.0)


def test_position_bias_by_hand():
    assert position_bias([10, 20, 30, 40])["chi2"] == pytest.approx(20.0)
    assert position_bias([25, 25, 25, 25])["p_value"] == pytest.approx(1.0)
    assert position_bias([0, 0]) is None


def test_pane_bias_counts_the_winners_pane_whatever_policy_is_there():
    turned = {"A": "ppo-bf16", "B": "sft", "C": "ppo-int8", "D": "ppo-int4"}
    votes = [ballot("A>B>C>D"), ballot("A>B>C>D", panes=turned), ballot("A=B>C>D"), ballot("none")]
    assert pane_bias(votes)["wins"] == {"A": 2, "B": 0, "C": 0, "D": 0}


@pytest.mark.parametrize(("preference", "single", "of_six"), [(0.7, 54, 79), (0.75, 35, 50), (0.65, 97, 141)])
def test_planner_for_a_difference(preference, single, of_six):
    assert votes_for_difference(preference) == single
    assert votes_for_difference(preference, comparisons=6) == of_six


def test_planner_for_equivalence_and_for_rankings():
    assert (votes_for_equivalence(0.15), votes_for_equivalence(0.10)) == (96, 215)
    result = plan(0.65, decisive_share=0.5)
    assert result["rankings_for_difference"] == 282 and result["rankings_for_equivalence"] == 192


@pytest.mark.parametrize("preference", [0.5, 0.3, 1.2, 0.5001])
def test_planner_refuses_what_no_number_of_votes_would_show(preference):
    with pytest.raises(ValueError):
        votes_for_difference(preference)


def test_equivalence_is_shown_and_not_assumed():
    assert equivalence(60, 60)["verdict"] == "equivalent"
    few = equivalence(5, 5)
    assert few["verdict"] == "undecided" and few["more_needed"] == 86 and not few["not_worse"]
    assert equivalence(90, 30)["verdict"] == "not worse"
    assert equivalence(10, 90)["verdict"] == "worse"
    assert equivalence(0, 0)["verdict"] == "undecided"
    assert equivalence(70, 130)["more_needed"] is None  # a share of 0.35 lies on the margin itself


@given(st.integers(0, 80), st.integers(0, 80))
def test_equivalence_is_symmetric(wins, losses):
    there, back = equivalence(wins, losses), equivalence(losses, wins)
    assert (there["verdict"] == "equivalent") == (back["verdict"] == "equivalent")
    assert there["p_value"] == pytest.approx(back["p_value"])


def test_equivalence_is_claimed_at_most_at_its_error_rate_on_the_margin():
    rng = np.random.default_rng(0)
    wins = rng.binomial(150, 0.65, size=2000)
    claimed = np.mean([equivalence(int(w), 150 - int(w))["verdict"] == "equivalent" for w in wins])
    assert claimed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_krippendorff_by_hand():
    agree = [ballot("A>B>C>D", rater=r) for r in "xyz"]
    assert krippendorff(agree) == pytest.approx(1.0)
    # two raters, two answers, opposite orders: observed 1, expected 2/3, alpha = 1 - 3/2
    two = {"A": "sft", "B": "ppo-bf16"}
    opposite = [ballot("A>B", rater="x", panes=two), ballot("B>A", rater="y", panes=two)]
    assert krippendorff(opposite) == pytest.approx(-0.5)
    assert krippendorff([ballot("A>B>C>D")]) is None and krippendorff([]) is None


def test_self_consistency_compares_a_raters_repeats_only():
    votes = [ballot("A>B>C>D"), ballot("A>B>D>C"), ballot("D>C>B>A", rater="other")]
    assert self_consistency(votes)["share"] == pytest.approx(5 / 6)
    assert self_consistency(votes[:1]) is None


def test_length_preference_counts_wins_of_the_longer_answer():
    lengths = dict(zip(P, [40, 30, 20, 10], strict=True))
    result = length_preference([ballot("A>B>C>D", lengths=lengths), ballot("none", lengths=lengths)])
    assert result["share"] == 1.0 and result["n"] == 6
    assert length_preference([ballot("A>B>C>D")]) is None


def test_reward_model_agreement_over_decisive_pairs():
    scores = dict(zip(P, [1.0, 2.0, 2.0, 0.0], strict=True))
    # A>B wrong, A>C wrong, A>D right, B>C a tie of scores, B>D and C>D right
    result = reward_model_agreement([ballot("A>B>C>D"), ballot("none")], [scores, scores])
    assert result["share"] == pytest.approx(3.5 / 6) and result["n"] == 6
    assert reward_model_agreement([ballot("A>B>C>D")], [None]) is None
