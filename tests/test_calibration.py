"""The reliability diagram of the reward models: its curves, the runs it shows and its summary sentence."""

import pytest

from evaluation.reward_metrics import calibration as bins_of
from evaluation.reward_metrics import expected_calibration_error
from pipeline.runs.record_file import RunRecord
from ui import calibration
from ui.texts import Texts

T = Texts("en")


def result(margins):
    bins = bins_of(margins)
    return {
        "calibration": bins, "ece": expected_calibration_error(bins), "accuracy": 0.8,
        "accuracy_ci": [0.7, 0.9], "bayes_accuracy": 0.85, "auc": 0.81, "brier": 0.14,
    }  # fmt: skip


# Confident in everything and wrong half the time; unsure of everything and always right; 3 of 4, as stated.
OVER, UNDER, FAIR = result([4.0, -4.0] * 50), result([0.1] * 100), result([1.1, 1.1, 1.1, -1.1] * 25)


def test_every_precision_is_drawn_with_its_bins_counts_and_the_diagonal():
    figure = calibration.diagram({"bf16": FAIR, "int4": OVER}, T)
    lines = {trace.name: trace for trace in figure.data if trace.type == "scatter"}
    assert list(lines) == ["ideal", "bf16", "int4"]
    assert list(lines["ideal"].x) == list(lines["ideal"].y) == [0.5, 1]
    assert list(lines["bf16"].y) == [0.75] and lines["bf16"].x[0] == pytest.approx(0.7503, abs=1e-3)
    bars = {trace.name: trace for trace in figure.data if trace.type == "bar"}
    assert list(bars["int4"].y) == list(lines["int4"].customdata) == [100]
    assert figure.layout.yaxis.range[0] <= 0.5  # the worst bin is inside the axis


def test_a_precision_without_bins_is_left_out_of_the_diagram_but_keeps_its_row_in_the_table():
    figure = calibration.diagram({"bf16": FAIR, "int8": {}}, T)
    assert {trace.name for trace in figure.data} == {"ideal", "bf16"}
    table = calibration.table({"bf16": FAIR, "int8": {}}, T)
    assert "80 % (70–90)" in table and "85 %" in table and "int8" in table


@pytest.mark.parametrize(
    ("results", "word"),
    [
        ({"bf16": FAIR, "int4": OVER}, "int4 model is over-confident"),
        ({"bf16": FAIR, "int8": UNDER}, "int8 model is under-confident"),
        ({"bf16": FAIR}, "well calibrated"),
        ({"bf16": {}}, ""),
    ],
)
def test_the_sentence_describes_the_worst_calibrated_precision(results, word):
    said = calibration.reading(results, T)
    assert word in said and bool(said) == bool(word)


def test_the_newest_finished_run_per_precision_of_this_preset_is_shown():
    def run(name, precision, status="done", preset="tiny"):
        return RunRecord(id=name, stage="reward", precision=precision, status=status, preset=preset)

    records = [
        run("e", "int4"), run("d", "bf16", "running"), run("c", "bf16"), run("b", "bf16"),
        run("a", "int8", preset="edge"),
    ]  # fmt: skip
    assert {p: r.id for p, r in calibration.newest(records, "tiny").items()} == {"bf16": "c", "int4": "e"}
