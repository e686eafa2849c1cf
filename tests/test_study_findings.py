"""The figures of a report: those of the analysis, from means over the prompts alone, and the precision."""

import dataclasses

import numpy as np
import pytest

from benchmarks.simulated_studies import Truth
from evaluation.equivalence import tost_power
from evaluation.study import Question, analyse
from evaluation.study_findings import Measured, Point, find
from pipeline.commands.study_page import over_kl

QUESTION = Question(treatments=("int4",), described=("int8",))


def simulated(replicates=6, planned=6, effects=None, seed=2):
    """A made-up study, and the means of its measurements."""
    arms = Question(treatments=("int4", "int8"))
    truth = Truth(effects or {"2-bit": -0.1}, prompts=12, snapshots=8)
    study = truth.study(arms, replicates, np.random.default_rng(seed))
    points = [Point(replicate, "", None, 0, 0.0, *_moments(gold)) for replicate, gold in study.sft.items()]
    points += [
        Point(one.replicate, one.arm, one.kl_coef, one.step, one.kl, *_moments(one.gold))
        for one in study.measurements
    ]
    return study, Measured(QUESTION, planned, 0.8, 12, 0.0, tuple(points))


def _moments(gold):
    return float(gold.mean()), float(gold.std())


def test_means_give_the_figures_of_the_analysis_of_all_prompts():
    study, measured = simulated()
    whole, found = analyse(study, QUESTION), find(measured)
    arms = {arm.arm: arm for arm in found.arms}
    assert list(arms) == ["int4", "bf16-again", "2-bit", "int8"]
    for one in (*whole.comparisons, whole.again, whole.control, *whole.described):
        mine = arms[one.arm]
        assert mine.differences == pytest.approx(one.differences)
        assert (mine.low, mine.high) == pytest.approx((one.interval().low, one.interval().high))
        assert (mine.p_equivalent, mine.p_different) == pytest.approx(
            (one.p_equivalent_adjusted, one.p_different_adjusted)
        )
    assert found.gains == pytest.approx(whole.gains)
    assert "12 prompts" in found.limits[1] and found.partial == ""


def test_the_precision_looks_at_no_sign_and_plans_further_replicates():
    _, measured = simulated()
    found = find(measured)
    one = found.precision
    differences = np.concatenate([arm.differences for arm in found.arms[:2]])  # int4 and the second bf16
    margins = 0.1 * np.array(found.gains)
    assert one.sd**2 == pytest.approx((differences**2).mean() + margins.var(ddof=1))
    assert one.margin == pytest.approx(margins.mean())
    assert one.power == pytest.approx(tost_power(6, one.sd, one.margin))
    assert tost_power(one.needed, one.sd, one.margin) >= 0.8 > tost_power(one.needed - 1, one.sd, one.margin)


def test_a_partial_result_says_so_first():
    _, measured = simulated(planned=16)
    assert find(measured).sentence.startswith(
        "Partial result of 6 of 16 planned replicates, not the planned test."
    )


def test_without_two_replicates_there_are_curves_but_no_verdict():
    _, measured = simulated()
    alone = tuple(point for point in measured.points if point.replicate == 0)
    found = find(dataclasses.replace(measured, points=alone))
    assert found.sentence.startswith("There is no verdict yet: 1 of 1 replicates")
    assert found.arms == () and found.precision is None
    assert {curve.arm for curve in found.curves} == {"bf16", "bf16-again", "2-bit", "int4", "int8"}
    nothing = find(dataclasses.replace(measured, points=()))
    assert "no measurement of the arm bf16; measured: none" in nothing.sentence


def test_a_curve_that_cannot_be_fitted_gives_its_reason():
    _, measured = simulated()
    far = tuple(dataclasses.replace(point, kl=4.0 if point.arm else 0.0) for point in measured.points)
    assert all(
        curve.curve is None and "at least 3 policies" in curve.reason
        for curve in find(dataclasses.replace(measured, points=far)).curves
    )


def test_a_curve_is_drawn_only_where_it_predicts_better_than_a_straight_line():
    _, measured = simulated()
    found = find(measured)
    curve = next(one for one in found.curves if one.curve)
    drawn = []
    for error in (0.9, 1.1):
        judged = dataclasses.replace(curve.curve, rmse_test=error * curve.curve.rmse_line)
        only = dataclasses.replace(found, curves=(dataclasses.replace(curve, curve=judged),))
        drawn.append([trace.mode for trace in over_kl(measured, only).data])
    assert drawn == [["markers", "lines"], ["markers"]]
