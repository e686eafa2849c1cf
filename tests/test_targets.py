"""The project's targets: passed, missed or not measured."""

from evaluation.targets import SEED_REFERENCE, seed_targets


def verdicts(**results):
    return {row["name"]: row["passed"] for row in seed_targets(results)}


def test_targets_pass_and_fail_at_the_projects_limits():
    good = {"score_gain": 0.5, "kl_per_token": 0.15, "seconds": 2100, "peak_cuda_bytes": 4.7e9}
    assert set(verdicts(**good).values()) == {True}
    bad = {"score_gain": 0.1, "kl_per_token": 0.2, "seconds": 3600, "peak_cuda_bytes": 8e9}
    assert set(verdicts(**bad).values()) == {False}


def test_what_was_not_measured_neither_passes_nor_fails():
    rows = {row["name"]: row for row in seed_targets({"score_gain": float("nan"), "peak_rss_bytes": 1e9})}
    assert all(row["passed"] is None and row["measured"] is None for row in rows.values())
    assert "1.0 GB" in rows["peak GPU memory"]["note"]


def test_the_reference_table_holds_the_three_precisions_in_order():
    assert [row["precision"] for row in SEED_REFERENCE] == ["bf16", "int8", "int4"]
    assert [row["kl"] < 0.2 for row in SEED_REFERENCE] == [True, True, False]
