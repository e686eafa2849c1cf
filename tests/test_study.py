"""The analysis of a study: gold at the same KL, gates, verdicts, and simulated studies of known truth."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulated_studies import Truth
from data.errors import UserError
from evaluation import overoptimisation
from evaluation.equivalence import mean_interval, p_different
from evaluation.matched_kl import Measurement, Study, difference_at, gain_at, gold_at, matched, trained
from evaluation.study import Question, analyse, compare, conclude
from evaluation.study_verdict import verdict

QUESTION = Question(treatments=("int8", "int4"))
SFT = np.array([0.4, 0.6])
SPREAD = np.array([-1, 1, -1, 1, 0, 0, 1, -1]) * 0.004  # eight replicates


def measured(kl, gold, step=1, coef=0.1, arm="bf16", replicate=0):
    return Measurement(replicate, arm, coef, step, kl, np.array(gold))


PATH = [measured(1.0, [0.6, 0.6]), measured(4.0, [0.8, 0.9], step=2)]


def test_gold_is_interpolated_in_the_root_of_the_kl():
    assert gold_at(PATH, SFT, 2.25) == pytest.approx([0.7, 0.75])  # 1.5 is halfway between 1 and 2
    assert gold_at(PATH, SFT, 0.25) == pytest.approx([0.5, 0.6])  # 0.5 is halfway between SFT and 1
    assert gold_at(PATH, SFT, 4.0) == pytest.approx([0.8, 0.9])


def test_a_run_that_never_reaches_the_kl_has_no_gold_there():
    assert gold_at(PATH, SFT, 4.1) is None
    assert gold_at([], SFT, 1.0) is None


def test_the_first_crossing_counts_and_a_negative_estimate_is_no_distance():
    kls, golds = [-0.01, 4.0, 1.0, 9.0], [[0.4, 0.6], [0.8, 0.8], [0, 0], [1, 1]]
    path = [measured(kl, gold, step) for step, (kl, gold) in enumerate(zip(kls, golds, strict=True), 1)]
    assert gold_at(path, SFT, 1.0) == pytest.approx([0.6, 0.7])


def test_runs_are_compared_under_the_same_penalty_only():
    runs = [
        measured(2.0, [0.6, 0.8], coef=0.05), measured(2.0, [0.9, 0.9], coef=0.2),
        measured(2.0, [0.5, 0.8], coef=0.05, arm="int4"), measured(1.0, [0.0, 0.0], coef=0.2, arm="int4"),
    ]  # fmt: skip
    study = Study({0: SFT}, tuple(runs))
    assert list(matched(study, "bf16", 0, 2.0)) == [0.05, 0.2]
    assert difference_at(study, "int4", "bf16", 0, 2.0) == pytest.approx(-0.05)
    assert difference_at(study, "int4", "bf16", 0, 3.0) is None


def test_trained_policies_are_compared_on_the_line_from_sft():
    late = [measured(1.0, [0.0, 0.2], 1), measured(4.0, [0.8, 1.0], 2)]  # falls before it rises
    study = Study({0: SFT}, tuple(late))
    assert gain_at(study, "bf16", 0, 1.0) == pytest.approx(-0.4)
    assert gain_at(trained(study), "bf16", 0, 1.0) == pytest.approx(0.2)  # half of the way in sqrt(KL)
    assert gain_at(trained(study), "bf16", 0, 4.1) is None


def test_the_question_says_which_points_count():
    found = complete({"2-bit": -0.1, "int4": -0.1})
    snapshots, line = (
        analyse(found, replace(QUESTION, points=points)) for points in ("snapshots", "trained")
    )
    assert line.gains == pytest.approx(analyse(trained(found), QUESTION).gains)
    assert list(line.gains) != list(snapshots.gains)
    told = verdict(replace(line, faults=())).sentence
    assert "from SFT (on the line to the trained policy), compared" in told


def complete(effects=None, replicates=4, **more):
    return Truth(effects or {"2-bit": -0.1}, prompts=6, snapshots=3, **more).study(
        QUESTION, replicates, np.random.default_rng(3)
    )


def test_replicates_that_never_reach_the_kl_are_named_and_too_many_leave_the_arm_undecided():
    study = complete()
    short = tuple(
        measured(0.5, one.gold, one.step, one.kl_coef, one.arm, one.replicate)
        if (one.arm, one.replicate) == ("int4", 2)
        else one
        for one in study.measurements
    )
    result = analyse(Study(study.sft, short), QUESTION)
    int4 = result.comparisons[1]
    assert (int4.unreached, int4.replicates) == ((2,), (0, 1, 3))
    assert result.outcome("int4") == "undecided"
    assert "1 of int4 (too many for a verdict)" in verdict(result).limits[0]


def test_a_replicate_without_an_arm_is_left_out_there_and_stated():
    study = complete()
    kept = tuple(one for one in study.measurements if (one.arm, one.replicate) != ("int8", 1))
    result = analyse(Study(study.sft, kept), QUESTION)
    assert (result.comparisons[0].absent, result.comparisons[0].n, result.comparisons[1].n) == ((1,), 3, 4)
    assert "1 comparisons have not been run" in verdict(result).limits[0]


def test_a_missing_arm_or_a_single_replicate_is_refused():
    study = complete(replicates=2)
    without = tuple(one for one in study.measurements if one.arm != "2-bit")
    with pytest.raises(UserError, match="no measurement of the arm 2-bit"):
        analyse(Study(study.sft, without), QUESTION)
    alone = tuple(one for one in study.measurements if one.replicate == 0)
    with pytest.raises(UserError, match="1 of 1 replicates .* at least two"):
        analyse(Study({0: study.sft[0]}, alone), QUESTION)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (measured(1.0, [0.5]), "the same prompts"),
        (measured(1.0, [0.5, math.nan]), "not a finite number"),
        (measured(1.0, [0.5, 0.5], replicate=7), "no measurement of the SFT"),
        (PATH[0], "measured twice"),
    ],
)
def test_measurements_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Study({0: SFT}, (wrong, PATH[0]))


def concluded(int8=0.0, int4=0.0, again=0.0, control=-0.08, gain=0.2, scale=1.0):
    """The analysis of eight replicates with these mean differences; 10 % of the gain is 0.02."""
    means = {"int8": int8, "int4": int4, "bf16-again": again, "2-bit": control}
    gains = gain + np.array([1, -1, -1, 1, 1, -1, 0, 0]) * 0.01
    series = {arm: compare(arm, mean + scale * SPREAD, 0.1 * gains) for arm, mean in means.items()}
    return conclude(QUESTION, gains, series, prompts=2000)


@pytest.mark.parametrize(
    ("found", "outcome", "words"),
    [
        (
            concluded(),
            "equivalent",
            "the same gold, to within 10% of PPO's gain of 0.200, is reached against",
        ),
        (concluded(int4=-0.05), "worse", "less gold is reached against int4 (-0.050"),
        (concluded(int4=0.05), "better", "more gold is reached against int4 (+0.050"),
        (concluded(int4=-0.02, scale=8), "undecided", "it stays undecided whether gold is the same"),
        (concluded(control=0.0), "invalid", "not valid and answers nothing: the control 2-bit is not found"),
        (concluded(again=0.03), "invalid", "bf16 and bf16-again differ although they are the same"),
        (concluded(gain=0.0), "invalid", "PPO is not shown to gain gold"),
    ],
)
def test_each_outcome_has_its_sentence_and_three_limits(found, outcome, words):
    told = verdict(found)
    assert told.outcomes["int4"] == outcome
    assert words in told.sentence and told.sentence.count(".  ") == 0 and told.sentence.endswith(".")
    assert [limit.split(":")[0] for limit in told.limits] == ["Precision", "Scope", "Certainty"]


def test_a_small_difference_that_is_certain_counts_as_equivalent():
    found = concluded(int4=-0.006)
    assert p_different(found.comparisons[1].differences) < 0.05
    assert found.outcome("int4") == "equivalent"


def test_holm_makes_a_claim_harder_with_another_arm():
    one = concluded(int4=-0.016).comparisons[1]
    assert one.p_equivalent_adjusted == pytest.approx(
        one.equivalence.p
    )  # the larger of two is not multiplied
    both = concluded(int8=-0.016, int4=-0.016).comparisons[1]
    assert both.p_equivalent_adjusted == pytest.approx(2 * both.equivalence.p)


def test_complete_simulated_studies_recover_the_truth_and_the_second_reference_finds_nothing():
    question = Question(treatments=("int4",))
    truth = Truth({"2-bit": -0.1, "int4": -0.05}, prompts=4, snapshots=3, kl_coefs=(0.05,))
    rng = np.random.default_rng(5)
    found = [analyse(truth.study(question, 6, rng), question) for _ in range(60)]
    means = [one.comparisons[0].mean for one in found]
    assert -0.05 in mean_interval(means, 0.99)
    differing = sum(p_different(one.again.differences) <= 0.05 for one in found)
    assert differing <= 8  # 3 expected; more than 8 has a probability of 0.3 %


def test_a_study_without_a_control_says_so_and_describes_further_arms_without_a_test():
    question = Question(treatments=("int4",), control="", described=("post-int4", "2-bit"))
    truth = Truth({"int4": -0.001}, prompts=6, snapshots=3)
    found = analyse(
        truth.study(Question(("int4", "post-int4"), control=""), 8, np.random.default_rng(3)), question
    )
    assert found.control is None and not found.faults
    assert [one.arm for one in found.described] == ["post-int4"]  # 2-bit was not measured
    assert [one.arm for one in found.comparisons] == ["int4"]
    assert "no control arm shows that this study would have found harm" in verdict(found).limits[2]


def test_the_curve_is_found_and_judged_on_the_farther_half():
    d = np.linspace(0.1, 4, 40)
    curve = overoptimisation.fit(d**2, d * (0.3 - 0.1 * np.log(d)))
    assert (curve.alpha, curve.beta) == pytest.approx((0.3, 0.1))
    assert curve.best_distance == pytest.approx(math.e**2)
    assert curve.rmse_test == pytest.approx(0.0, abs=1e-9) and curve.rmse_line > 0.1
    assert (curve.split, curve.n_fit, curve.n_test) == (2.0, 20, 20)
    assert curve.gain([0.0, 1.0]).tolist() == pytest.approx([0.0, 0.3])


def test_a_curve_needs_policies_in_both_halves():
    with pytest.raises(UserError, match="at least 3 policies in the nearer half"):
        overoptimisation.fit([0.0, 1.0, 4.0, 4.1], [0.0, 0.1, 0.2, 0.2])
