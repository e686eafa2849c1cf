"""The judge: its training data, its place in `all`, and the judge that an evaluation uses."""

import pytest
import torch
from little_training import easy_rows, run_stage
from test_everything import CHAIN, FakeProcesses

from data.datasets import write_splits
from data.errors import UserError
from data.policies import PRECISIONS
from models import adapters
from pipeline.commands import execute as stages
from pipeline.commands.chain import run_everything
from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader, list_runs
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build, stages_of
from pipeline.stages import judge, reward


def write_judged(workspace):
    """Write a data set with a split for the judge; no row is in two splits."""
    rows = easy_rows(60)
    splits = {"train": rows[:16], "validation": rows[16:20], "test": rows[20:32], "judge": rows[32:]}
    write_splits(workspace.dataset("little"), splits)
    return splits


def train_judge(workspace, base, **changes):
    shape = {"base_model": base, "lora_rank": 8, "lora_alpha": 16, "max_steps": 8}
    return run_stage(workspace, "judge", base, **shape | changes)


def test_it_learns_from_its_own_split_alone_on_the_raw_base(workspace, random_base, monkeypatch):
    splits, seen = write_judged(workspace), {}
    fit = reward.fit

    def spy(settings, run, workspace, base, rows, make_model):
        seen["rows"], seen["start"] = rows, make_model()
        return fit(settings, run, workspace, base, rows, make_model)

    monkeypatch.setattr(reward, "fit", spy)
    run = train_judge(workspace, random_base)
    assert seen["rows"] == splits["judge"]
    start = adapters.adapter_parameters(seen["start"], "reward")
    assert all(
        not p.any() for name, p in start.items() if "lora_B" in name
    )  # the adapter starts as the function of the raw base
    assert run.record.parents.to_json() == {"dataset": "little", "prepare": None}
    card = adapters.read_card(run.model_dir)
    assert (card["lora_rank"], card["precision"], card["head"]) == (8, "bf16", True)
    results = run.record.results
    assert results["accuracy"] > 0.9 and results["n_pairs"] == 12 and results["split"] == "test"
    assert results["accuracy_ci"][0] < results["accuracy_ci"][1] or results["accuracy"] == 1.0
    assert results["auc"] > 0.9 and results["tensors_without_gradient"] == 0


def test_its_start_does_not_depend_on_earlier_random_draws(workspace, random_base):
    settings = build("judge", overrides=[f"base_model={random_base}", "lora_rank=4", "lora_alpha=8"])
    starts = []
    for drawn in (0, 3):
        torch.rand(drawn)
        model = judge.starting_model(settings, random_base)
        starts.append(adapters.adapter_parameters(model, "reward"))
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])


def test_a_data_set_without_pairs_for_it_is_refused_with_advice(workspace, random_base):
    write_splits(workspace.dataset("little"), dict.fromkeys(("train", "validation", "test"), easy_rows(8)))
    with pytest.raises(UserError, match="no pairs set aside for a judge"):
        train_judge(workspace, random_base)


@pytest.mark.parametrize(
    ("preset", "prepare", "there"),
    [
        ("tiny", {}, False),
        ("small", {}, True),
        ("edge", {}, True),
        ("tiny", {"judge_fraction": "0.2"}, True),
        ("small", {"judge_fraction": 0}, False),
    ],
)
def test_it_is_part_of_all_where_prepare_sets_pairs_aside(preset, prepare, there):
    table = stages_of(preset, prepare)
    assert ("judge" in table) == there
    plan = table.plan(PRECISIONS)
    assert (("judge", "bf16") in plan["evaluate", "bf16"]) == there
    if there:
        assert plan["judge", "bf16"] == (("prepare", "bf16"),)


@pytest.fixture
def everything(workspace, monkeypatch):
    """everything(...) -> (exit code, started stages); the stages of the preset small are stubs."""

    def result(row, settings, run, workspace):
        if row.name == "prepare":
            write_judged(workspace)
            return {"dataset": "little", "sha256": "same"}
        return {}

    monkeypatch.setattr(stages, "_call", result)
    monkeypatch.setattr("pipeline.memory.estimate.side_by_side", lambda jobs, trainings, workspace: jobs)
    monkeypatch.setattr(stages, "refuse_what_cannot_fit", lambda *args: None)

    def inner(fail=(), **options):
        processes = FakeProcesses(set(fail))
        code = run_everything(workspace, preset="small", processes=processes, jobs=1, **options)
        return code, processes.began

    return inner


def test_all_trains_one_judge_for_all_seeds(everything, workspace):
    code, began = everything(seeds=2)
    assert (code, began.count("judge bf16"), began.count("evaluate bf16")) == (0, 1, 2)
    assert everything(seeds=2) == (0, [])
    assert all(r.parents.runs["judge"] for r in list_runs(workspace) if r.stage == "evaluate")


def test_policies_are_evaluated_without_a_judge_that_failed(everything, capsys):
    code, began = everything(fail={"judge bf16"})
    assert code == 1 and began == [*CHAIN[:-1], "judge bf16", "evaluate bf16"]
    assert everything() == (0, ["judge bf16", "evaluate bf16"])


def test_its_settings_are_refused_if_it_is_not_part_of_all(workspace):
    with pytest.raises(UserError, match="judge is not a stage of"):
        run_everything(workspace, overrides=["judge.max_steps=3"])


def done(workspace, stage, *overrides, precision="bf16", parents=None):
    settings = build(stage, "small", precision=precision, overrides=overrides)
    run = Run.create(workspace, stage, settings, Parents.from_json(parents or {}, precision))
    run.start_attempt()
    run.finish({})
    return run.id


def test_an_evaluation_takes_the_newest_judge_of_its_data_and_base(workspace):
    for name in ("hh", "other"):
        write_splits(workspace.dataset(name), {"train": easy_rows(2)})
    sft = done(workspace, "sft", parents={"dataset": "hh"})
    reward_run = done(workspace, "reward", parents={"dataset": "hh", "sft": sft})
    done(workspace, "ppo", parents={"dataset": "hh", "sft": sft, "reward": reward_run})
    first = done(workspace, "judge", parents={"dataset": "hh"})
    second = done(workspace, "judge", parents={"dataset": "hh"})
    done(workspace, "judge", parents={"dataset": "other"})
    done(workspace, "judge", "base_model=acme/other", parents={"dataset": "hh"})

    def taken(*overrides):
        settings = build("evaluate", "small", overrides=["dataset=hh", *overrides])
        return Lineage(RunReader(workspace)).resolve("evaluate", settings).parents.runs.get("judge")

    assert taken() == second
    assert taken(f"judge_run={first}") == first
    with pytest.raises(UserError, match="no such judge run"):
        taken(f"judge_run={sft}")
