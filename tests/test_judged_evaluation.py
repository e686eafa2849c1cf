"""An evaluation with a judge: its columns, the curve over PPO's snapshots, and the snapshots themselves."""

import numpy as np
import pytest
import torch
from little_ppo import cancel_after, settings_of, stand
from safetensors.torch import load_file
from test_evaluate import adapter, done_run, evaluation_run, pipeline_of_runs

from data.files import read_jsonl
from models import adapters
from pipeline.commands import execute as stages
from pipeline.runs import snapshots
from pipeline.runs.reader import read_run
from pipeline.stages.evaluate import evaluate

__all__ = ["pipeline_of_runs"]  # a fixture


@pytest.fixture
def judged(workspace, pipeline_of_runs, random_base):
    """The runs of test_evaluate with a judge, and two snapshots of the bf16 policy."""
    judge = done_run(workspace, "reward", "bf16", {"dataset": "small"}, random_base, 9)
    folder = workspace.run(pipeline_of_runs["ppo"]["bf16"])
    for step, seed in ((2, 21), (10, 22)):
        adapter(random_base, snapshots.folder_of(folder, step), seed)
    return pipeline_of_runs | {"judge": judge}


def test_the_judge_has_its_columns_and_its_curve(workspace, judged):
    settings, run = evaluation_run(workspace, judged)
    results = evaluate(settings, run, workspace)
    rows = {row["policy"]: row for row in results["table"]}
    assert rows["sft"]["score_gain_judge"] == 0.0 and rows["sft"]["win_rate_judge"] is None
    for name in ("ppo-bf16", "ppo-int8"):
        low, high = rows[name]["win_rate_ci_judge"]
        assert low <= rows[name]["win_rate_judge"] <= high
        assert 0 <= rows[name]["distinct_1"] <= 1 and 0 <= rows[name]["repetition"] <= 1
        assert rows[name]["cut"] == 1 - rows[name]["ended"]
    assert results["judge"]["run"] == judged["judge"] and "judge" not in results["reward_runs"]
    assert ("int8", "judge") in [(row["a"], row["b"]) for row in results["reward_agreement"]]

    points = results["by_step"]["ppo-bf16"]
    last = read_run(workspace, judged["ppo"]["bf16"]).config["max_steps"]
    assert [point["step"] for point in points] == [0, 2, 10, last]
    assert points[0]["judge_gain"] == points[0]["own_gain"] == points[0]["kl_per_token"] == 0.0
    assert points[-1]["judge_gain"] == rows["ppo-bf16"]["score_gain_judge"]
    assert points[-1]["own_gain"] == rows["ppo-bf16"]["score_gain"]
    assert len({point["kl_per_token"] for point in points}) == 4
    assert all(p["judge_gain_ci"][0] <= p["judge_gain_ci"][1] for p in points)
    best = max(points, key=lambda point: point["judge_gain"])
    assert results["best_step"]["ppo-bf16"] == best["step"]
    assert [point["step"] for point in results["by_step"]["ppo-int8"]] == [0, last]
    samples = read_jsonl(run.folder / "samples.jsonl")
    assert len(samples) == 3 * 5 and set(samples[0]["scores"]) == {"bf16", "int8", "judge"}


def test_without_a_judge_snapshots_are_not_evaluated(workspace, judged):
    del judged["judge"]
    settings, run = evaluation_run(workspace, judged)
    results = evaluate(settings, run, workspace)
    assert results["judge"] is None and results["by_step"] == {} and results["best_step"] == {}
    assert "score_judge" not in results["table"][0]


def test_ppo_keeps_the_adapter_of_each_save_and_trains_the_same(workspace, random_base):
    stand(workspace, random_base)
    plain = stages.execute("ppo", settings_of("max_steps=5", "snapshots=false"), workspace)
    kept = stages.execute("ppo", settings_of("max_steps=5", "snapshots=true"), workspace)
    assert snapshots.found(plain.folder) == {}
    assert list(snapshots.found(kept.folder)) == [2, 4]
    weights = "adapter_model.safetensors"
    assert (plain.model_dir / weights).read_bytes() == (kept.model_dir / weights).read_bytes()
    early, late = (snapshots.folder_of(kept.folder, step) for step in (2, 4))
    adapters.check(early, base=random_base)
    ours, theirs = load_file(early / weights), load_file(late / weights)
    assert {tensor.dtype for tensor in ours.values()} == {torch.bfloat16}
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_resume_removes_the_snapshots_of_later_steps(workspace, random_base, monkeypatch):
    stand(workspace, random_base)
    settings = settings_of("max_steps=5", "snapshots=true")
    calm = stages.execute("ppo", settings, workspace)
    undo = cancel_after(monkeypatch, 3)
    cut = stages.execute("ppo", settings, workspace)
    assert list(snapshots.found(cut.folder)) == [
        2
    ]  # the last checkpoint of a cancelled run is not a regular save
    adapters.copy(cut.folder / "snapshots/step-2", cut.folder / "snapshots/step-4", base=random_base)
    undo()
    dropped = []
    drop_after = snapshots.drop_after

    def spy(run, step):
        drop_after(run, step)
        dropped.append((step, list(snapshots.found(run))))

    monkeypatch.setattr(snapshots, "drop_after", spy)
    stages.resume(workspace, cut.id)
    assert dropped == [(3, [2])]
    for step in (2, 4):
        mine, theirs = (snapshots.folder_of(run.folder, step) for run in (cut, calm))
        name = "adapter_model.safetensors"
        assert (mine / name).read_bytes() == (theirs / name).read_bytes()
    assert np.isclose(
        read_run(workspace, cut.id).results["score_gain"], calm.record.results["score_gain"], rtol=0, atol=0
    )
