"""`study FILE.yaml --plan`: the design is checked, counted, estimated, and recorded once."""

import dataclasses

import pytest

from data.errors import UserError
from data.files import read_json, write_json
from pipeline.commands.cli import main
from pipeline.commands.study import plan, recorded, shares
from pipeline.runs.record_file import RunRecord
from pipeline.settings.study import parse_design, read_design

DESIGN = """
name: quantised
treatments: [int8, int4]
replicates: 4
pilot: 2
kl_coef:
  bf16: [0.05, 0.1]
  bf16-again: [0.1]
  2-bit: [0.1]
  int8: [0.1]
  int4: [0.05, 0.1]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(DESIGN)
    return path


def test_the_runs_are_counted_by_hand(file):
    runs = list(read_design(file).runs())
    # Four replicates of prepare, SFT, five reward models and 2 + 1 + 1 + 1 + 2 PPO runs; one measurement.
    assert len(runs) == 4 * (1 + 1 + 5 + 7) + 1
    again = [run.seed for run in runs if run.arm == "bf16-again" and run.stage == "reward"]
    assert again == [1_001_000, 1_001_001, 1_001_002, 1_001_003]
    assert {run.seed for run in runs if run.replicate == 3 and run.arm != "bf16-again"} == {1003}


def test_hours_come_from_the_newest_done_run_like_it(file):
    runs = [
        RunRecord("new", stage="ppo", preset="tiny", precision="int4", status="done", seconds=180.0),
        RunRecord("old", stage="ppo", preset="tiny", precision="int4", status="done", seconds=999.0),
        RunRecord("other", stage="sft", preset="small", precision="bf16", status="done", seconds=50.0),
        RunRecord("failed", stage="reward", preset="tiny", precision="int8", status="failed", seconds=50.0),
    ]
    found = {share.label: share for share in shares(read_design(file), runs)}
    assert (found["ppo int4"].source, found["ppo int4"].hours) == ("new", pytest.approx(8 * 180 / 3600))
    assert found["sft"].hours is None and found["reward int8"].hours is None
    assert not found["ppo 2-bit"].possible


def test_the_command_prints_the_plan_and_records_the_design(file, workspace, capsys):
    assert main(["study", str(file), "--plan", "--workspace", str(workspace.root)]) == 0
    shown = capsys.readouterr().out
    record = read_json(workspace.study("quantised") / "design.json")
    assert shown.strip().endswith(f"studies/quantised/design.json: sha256 {record['sha256']}")
    assert "no done run like it" in shown and "no stage makes it yet" in shown and "(at least)" in shown
    assert recorded(workspace, "quantised") == read_design(file)


def test_there_is_no_other_way_than_to_plan(file, workspace, capsys):
    assert main(["study", str(file), "--workspace", str(workspace.root)]) == 2
    assert "--plan" in capsys.readouterr().err


def test_a_changed_design_is_refused_under_the_same_name_and_comments_do_not_count(file, workspace):
    plan(workspace, file)
    file.write_text("# a comment\n" + DESIGN + "margin: 0.1\n")
    plan(workspace, file)
    file.write_text(DESIGN + "margin: 0.2\n")
    with pytest.raises(UserError, match="quantised: margin differ"):
        plan(workspace, file)


def test_an_edited_record_is_noticed(file, workspace):
    plan(workspace, file)
    path = workspace.study("quantised") / "design.json"
    record = read_json(path)
    record["design"]["replicates"] = 3
    write_json(path, record)
    with pytest.raises(UserError, match="does not match its own hash"):
        plan(workspace, file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicate": 3}, "no field 'replicate'; did you mean replicates"),
        ({"treatments": ["int3"]}, "treatments.0: should be 'bf16'"),
        ({"treatments": []}, "treatments: "),
        ({"treatments": ["int8", "int8"]}, "two roles"),
        ({"replicates": 1}, "replicates: should be greater than or equal to 2"),
        ({"pilot": 9}, "pilot=9 is larger than replicates=4"),
        ({"kl_coef": [0.1, 0.1]}, "different values"),
        ({"kl_coef": {"bf16": [0.1]}}, "kl_coef of bf16-again"),
        ({"margin": 1.5}, "margin: should be less than 1"),
        ({"primary": "score"}, "primary: should be 'gold at the same KL'"),
    ],
)
def test_a_wrong_field_is_named(changes, message):
    good = {"name": "one", "treatments": ["int8"], "replicates": 4, "pilot": 2, "kl_coef": [0.1]}
    assert parse_design(good, "here").coefficients("int8") == (0.1,)
    with pytest.raises(UserError, match="^here: ") as error:
        parse_design(good | changes, "here")
    assert message in str(error.value)


def test_arms_must_share_a_penalty_with_the_reference():
    arms = {arm: [0.1] for arm in ("bf16", "bf16-again", "2-bit")}
    with pytest.raises(UserError, match="share no run"):
        parse_design(
            {"name": "one", "treatments": ["int8"], "replicates": 4, "pilot": 2,
             "kl_coef": arms | {"int8": [0.2]}}, "here",
        )  # fmt: skip


def test_a_design_cannot_be_changed_in_memory(file):
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_design(file).margin = 0.5
