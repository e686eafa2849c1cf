"""Contrasts, claims, verdicts and the stopping rule: their population, counted votes, votes still needed."""

import numpy as np
import pytest

from evaluation.ballots import Ballot, VoteTable
from evaluation.contrasts import Contrast, decisive_votes, holm, of_people, of_raters
from evaluation.sequential import log_e_of_counts
from evaluation.verdict import ENOUGH, claimed, stop_rule, verdicts

TWO = {"A": "a", "B": "b"}
NOT_WORSE, DIFFERENCE = Contrast("a", "b", 0.15), Contrast("a", "b")


def votes_of(*raters, same=()):
    """Ballots on two policies from a string of votes per rater: A or B preferred, = a tie, x both bad."""
    order = {"A": "A>B", "B": "B>A", "=": "A=B", "x": "none"}
    return [
        Ballot.from_order(order[vote], TWO, f"rater {i}", f"prompt {i} {j}", identical=same)
        for i, given in enumerate(raters)
        for j, vote in enumerate(given)
    ]


def verdict_of(*raters, contrast=NOT_WORSE, **settings):
    return verdicts(VoteTable.of(votes_of(*raters)), [contrast], **settings)[0]


def test_only_decisive_votes_count_and_the_share_is_kept_from_the_edges():
    votes = decisive_votes(VoteTable.of(votes_of("AB=x", "A=")), "a", "b")
    assert votes.won.tolist() == [True, False, True] and votes.rounds == 6
    assert votes.share == pytest.approx((3 + 1) / (6 + 2))


def test_identical_texts_decide_nothing():
    same = (frozenset({"a", "b"}),)
    assert len(decisive_votes(VoteTable.of(votes_of("AAB", same=same)), "a", "b").won) == 0


def test_a_repeat_does_not_count_as_a_second_vote():
    ballots = [Ballot.from_order(order, TWO, "r", "p") for order in ("A>B", "B>A", "B>A")]
    assert decisive_votes(VoteTable.of(ballots), "a", "b").won.tolist() == [True]


def test_a_raters_share_is_of_the_first_votes_alone():
    votes = decisive_votes(VoteTable.of(votes_of("AABBBBB", "AB", "=BBAA")), "a", "b")
    assert votes.shares(4).tolist() == [0.5, 0.5]
    assert votes.shares(2).tolist() == [1.0, 0.5, 0.0]


def test_the_evidence_of_raters_is_that_of_their_counts():
    found = of_raters(decisive_votes(VoteTable.of(votes_of("AAAB", "AAB")), "a", "b"), 0.15)
    assert (found.raters, found.wins, found.losses) == (2, 5, 2)
    assert found.not_worse == pytest.approx(float(log_e_of_counts(5, 2, 0.35)))
    assert found.not_better == pytest.approx(float(log_e_of_counts(2, 5, 0.35)))
    assert found.worse == -np.inf


def test_one_rater_gives_no_verdict_for_people_in_general():
    votes = decisive_votes(VoteTable.of(votes_of("A" * 500)), "a", "b")
    assert of_people(votes, 0.15) is None
    found = verdict_of("A" * 500)
    assert (found.kind, found.scope, found.raters) == ("better", "raters", 1)


def test_five_undecided_raters_give_no_verdict_for_people_however_often_they_vote():
    # each of five raters with equal votes multiplies the e-value by at most 1.43, and 1.43^5 = 6
    found = verdict_of(*["AB" * 200] * 5)
    assert (found.kind, found.scope) == ("equivalent", "raters") and found.more_raters > 0


def test_enough_raters_give_a_verdict_for_people_by_their_first_votes():
    found = verdict_of(*["AB" * 10] * 30)
    assert (found.kind, found.scope, found.raters) == ("equivalent", "people", 30)
    assert (found.wins, found.decisive, found.more_raters) == (150, 300, 0)


def test_one_rater_with_very_many_votes_does_not_outvote_the_others_for_people():
    found = verdict_of("A" * 1500, *["BBBBBBBBBA"] * 30)
    assert (found.kind, found.scope) == ("worse", "people")


@pytest.mark.parametrize(
    ("raters", "kind", "small"),
    [
        (["A" * 60 + "B" * 20], "better", False),
        (["A" * 20 + "B" * 60], "worse", False),
        (["A" * 60 + "B" * 60], "equivalent", True),
        (["A" * 50 + "B" * 35], "not worse", False),
        (["AB"], "undecided", False),
        (["A" * 450 + "B" * 620], "worse", True),
    ],
)
def test_the_kinds_of_verdict(raters, kind, small):
    found = verdict_of(*raters)
    assert (found.kind, found.small) == (kind, small)


def test_without_a_margin_only_a_difference_is_asked_for():
    found = verdict_of("AB" * 200, contrast=DIFFERENCE)
    assert found.kind == "undecided" and found.margin is None


def test_holm_on_e_values_by_hand():
    corrected = np.exp(holm(np.log([30.0, 100.0, 50.0])))
    # 100 / 3; then 50 / 2 = 25; then 30, limited to 25 by the value before
    assert corrected == pytest.approx([25.0, 100 / 3, 25.0])
    assert holm(np.zeros((2, 0))).shape == (2, 0)


def test_the_correction_is_over_the_contrasts_with_evidence_for_the_question():
    table = VoteTable.of(votes_of("A" * 16 + "B" * 3))
    alone = of_raters(decisive_votes(table, "a", "b"))
    assert ENOUGH < alone.better < ENOUGH + np.log(3)
    assert claimed([alone])[0].kind == "better"
    assert [claim.kind for claim in claimed([alone] * 3)] == ["undecided"] * 3


def test_the_votes_still_needed_fall_with_each_vote_until_a_verdict():
    missing = [verdict_of("AB" * n).more_rankings for n in (5, 20, 40, 60)]
    assert missing == sorted(missing, reverse=True) and missing[-1] == 0
    assert missing[0] > 40
    # half of the rankings decide nothing, so about twice as many are needed
    all_decisive, half = (verdict_of(votes * 20).more_rankings for votes in ("AB", "AB=="))
    assert half == pytest.approx(2 * all_decisive, rel=0.1)


def test_the_predicted_number_of_votes_gives_the_verdict():
    more = verdict_of("AB" * 20).more_rankings
    assert verdict_of("AB" * (20 + (more + 3) // 2)).kind != "undecided"


def test_no_number_is_predicted_where_no_realistic_number_of_votes_would_decide():
    assert verdict_of("AB" * 2000, contrast=DIFFERENCE).more_rankings is None


def test_a_policy_without_votes_has_no_verdict():
    assert verdicts(VoteTable.of(votes_of("AB")), [Contrast("c", "b", 0.15)]) == []
    assert verdicts(VoteTable.of([]), [NOT_WORSE]) == []


def test_voting_stops_at_a_verdict_for_people_or_when_the_plan_is_complete():
    people, raters = verdict_of(*["AB" * 10] * 30), verdict_of("AB" * 200)
    assert stop_rule([people], 300, 900).reason == "decided"
    assert not stop_rule([people, raters], 300, 900).stop
    assert stop_rule([people, raters], 900, 900).reason == "target"
    assert not stop_rule([raters], 10_000, None).stop
    assert not stop_rule([], 0, 100).stop
