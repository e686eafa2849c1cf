"""`all`: the order, what is left out, what is run again, several seeds, and the table at the end."""

import pytest

from data.errors import UserError
from pipeline import stages
from pipeline.everything import comparison, run_everything
from pipeline.run_record import list_runs
from pipeline.settings import build

CHAIN = ["prepare bf16", "sft bf16", "reward bf16", "reward int8", "reward int4", "ppo bf16", "ppo int8",
         "ppo int4", "evaluate bf16"]  # fmt: skip


@pytest.fixture
def everything(workspace, monkeypatch):
    """everything(fail={"reward int8"}, ...) -> (exit code, stages begun); the stages do nothing."""

    def result(stage, settings, run, workspace):
        if stage == "prepare":
            workspace.dataset("tiny").mkdir(exist_ok=True)
            (workspace.dataset("tiny") / "train_prefs.jsonl").write_text("")
            return {"dataset": "tiny", "sha256": "same"}
        return {"accuracy": 0.75} if stage == "reward" else {"score_gain": 0.5, "gold_mean": 0.9}

    monkeypatch.setattr(stages, "_call", result)

    def inner(fail=(), **options):
        began = []

        def run_stage(workspace, stage, preset, precision, overrides):
            began.append(f"{stage} {precision}")
            if began[-1] in fail:
                return 1
            stages.execute(stage, build(stage, preset, precision=precision, overrides=overrides), workspace)
            return 0

        return run_everything(workspace, run_stage=run_stage, **options), began

    return inner


def test_everything_runs_in_order_once(everything, capsys):
    assert everything() == (0, CHAIN)
    assert everything() == (0, [])
    shown = capsys.readouterr().out
    assert "everything is done and fresh" in shown
    table = [line.split()[0] for line in shown.splitlines() if " 0.900 " in line]
    assert table[-3:] == ["bf16", "int8", "int4"]


def test_a_failed_arm_does_not_stop_the_others(everything, capsys):
    code, began = everything(fail={"reward int8"})
    assert code == 1
    assert began == [step for step in CHAIN if step != "ppo int8"]
    assert "ppo int8: left out, because reward int8 failed" in capsys.readouterr().out
    assert everything() == (0, ["reward int8", "ppo int8", "evaluate bf16"])


def test_without_sft_nothing_else_is_tried(everything):
    assert everything(fail={"sft bf16"}) == (1, ["prepare bf16", "sft bf16"])


def test_a_changed_setting_runs_its_stage_and_what_stands_on_it_again(everything, workspace):
    everything()
    assert everything(overrides=["ppo.max_steps=3"]) == (0, CHAIN[5:])
    assert list_runs(workspace)[1]["config"]["max_steps"] == 3
    assert everything(overrides=["ppo.max_steps=3"]) == (0, [])
    assert everything(overrides=["sft.learning_rate=1e-5"]) == (0, CHAIN[1:])


def test_a_bare_field_goes_to_every_stage_that_has_it(everything, workspace):
    everything(overrides=["max_steps=4", "reward.max_steps=5"])
    steps = {run["stage"]: run["config"].get("max_steps") for run in list_runs(workspace)}
    assert steps == {"prepare": None, "sft": 4, "reward": 5, "ppo": 4, "evaluate": None}


def test_a_config_file_has_a_section_a_stage(everything, workspace, tmp_path):
    (tmp_path / "all.yaml").write_text("learning_rate: 1e-5\nppo:\n  max_steps: 6\n")
    everything(config_file=str(tmp_path / "all.yaml"), overrides=["ppo.learning_rate=2e-5"])
    configs = {run["stage"]: run["config"] for run in list_runs(workspace)}
    assert configs["ppo"]["max_steps"] == 6 and configs["ppo"]["learning_rate"] == 2e-5
    assert configs["sft"]["learning_rate"] == 1e-5


def test_seeds_do_not_mix(everything, workspace):
    code, began = everything(seeds=2)
    assert (code, len(began)) == (0, 1 + 2 * 8)
    runs = {run["id"]: run for run in list_runs(workspace)}
    for run in runs.values():
        for role in ("sft", "reward"):
            parent = run["parents"].get(role)
            if isinstance(parent, str):
                assert runs[parent]["seed"] == run["seed"]
    assert everything(seeds=2) == (0, [])
    assert len(comparison(workspace, "tiny", range(42, 44)).splitlines()) == 1 + 2 * 3


def test_one_precision_alone(everything):
    assert everything(precision="int8")[1] == [
        "prepare bf16", "sft bf16", "reward int8", "ppo int8", "evaluate bf16",
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", ["ppo.nonsense=1", "nowhere.max_steps=1", "nonsense=1", "ppo.max_steps=x"])
def test_a_wrong_setting_is_told_before_anything_runs(everything, workspace, wrong):
    with pytest.raises(UserError):
        everything(overrides=[wrong])
    assert list_runs(workspace) == []
