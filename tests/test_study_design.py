"""`study FILE.yaml --plan`: the design is checked, counted, estimated, and recorded once."""

import dataclasses
import re

import pytest

from data.errors import UserError
from data.files import read_json, write_json
from pipeline.commands.cli import main
from pipeline.commands.study import plan, recorded, settings_of, shares
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build
from pipeline.settings.study import hash_of, needs, parse_design, read_design

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
    runs = list(read_design(file).runs(4))
    # The common prompts; four replicates of data, SFT, four reward models (the 2-bit arm uses that of bf16)
    # and 2 + 1 + 1 + 1 + 2 PPO runs; a measurement of SFT and of every PPO run.
    assert len(runs) == 1 + 4 * (1 + 1 + 4 + 7 + 8)
    assert len({run.name for run in runs}) == len(runs)
    again = [run.seed for run in runs if run.arm == "bf16-again" and run.stage == "reward"]
    assert again == [1_001_000, 1_001_001, 1_001_002, 1_001_003]
    trained = [run for run in runs if run.replicate == 3 and run.stage != "measure"]
    assert {run.seed for run in trained if run.arm != "bf16-again"} == {1003}
    assert {run.seed for run in runs if run.stage == "measure"} == {2_001_000}


def test_a_run_depends_on_what_the_table_of_stages_says(file):
    runs = list(read_design(file).runs(2))
    found = {run.name: [need.name for need in parents] for run, parents in needs(runs).items()}
    assert found["prompts"] == found["r001"] == []
    assert found["r001-sft"] == ["r001"]
    assert found["r001-reward-int4"] == ["r001", "r001-sft"]
    assert found["r001-ppo-int4-kl0.05"] == ["r001", "r001-sft", "r001-reward-int4"]
    assert found["r001-ppo-2-bit-kl0.1"] == ["r001", "r001-sft", "r001-reward-bf16"]
    assert found["r001-measure"] == ["prompts", "r001", "r001-sft"]
    assert found["r001-measure-int4-kl0.05"] == ["prompts", "r001", "r001-sft", "r001-ppo-int4-kl0.05"]


def test_the_settings_of_a_run_are_those_of_its_arm(file):
    design = dataclasses.replace(read_design(file), settings={"ppo": {"max_steps": 7, "response_length": 20}})
    runs = {run.name: run for run in design.runs(1)}

    def built(name):
        run = runs[name]
        return build(run.stage, "tiny", precision=run.precision, overrides=settings_of(design, run))

    int4, low, again = (built(f"r000-ppo-{arm}-kl0.1") for arm in ("int4", "2-bit", "bf16-again"))
    assert (int4.precision, int4.scoring, int4.max_steps, int4.seed) == ("int4", "", 7, 1000)
    assert (low.precision, low.scoring, low.kl_coef, low.seed) == ("bf16", "rtn2", 0.1, 1000)
    assert (again.precision, again.scoring, again.seed) == ("bf16", "", 1_001_000)
    measured = built("r000-measure-int4-kl0.1")
    assert (measured.response_length, measured.eval_prompts, measured.prompts) == (20, 2000, "prompts")
    assert built("prompts").test_rows >= 2000 and built("prompts").name == "prompts"
    words = dataclasses.replace(design, described=("bag-of-words",), kl_coef=(0.1,))
    run = next(run for run in words.runs(1) if run.stage == "ppo" and run.arm == "bag-of-words")
    assert build("ppo", "tiny", overrides=settings_of(words, run)).reward == "bag-of-words"
    assert not any(run.stage == "reward" and run.arm == "bag-of-words" for run in words.runs(1))


def test_hours_come_from_the_newest_done_run_like_it(file):
    runs = [
        RunRecord(id="new", stage="ppo", preset="tiny", precision="int4", status="done", seconds=180.0),
        RunRecord(id="old", stage="ppo", preset="tiny", precision="int4", status="done", seconds=999.0),
        RunRecord(id="other", stage="sft", preset="small", precision="bf16", status="done", seconds=50.0),
        RunRecord(
            id="failed", stage="reward", preset="tiny", precision="int8", status="failed", seconds=50.0
        ),
    ]
    found = {share.label: share for share in shares(read_design(file), runs)}
    assert (found["ppo int4"].source, found["ppo int4"].hours) == ("new", pytest.approx(8 * 180 / 3600))
    assert found["sft"].hours is None and found["reward int8"].hours is None
    assert found["ppo 2-bit"].seconds is None  # it scores in another number format than any of these


def test_hours_are_scaled_to_the_steps_and_prompts_of_the_design(file):
    design = dataclasses.replace(read_design(file), settings={"ppo": {"max_steps": 20}}, prompts=500)
    low = {"max_steps": 40, "scoring": "rtn2"}
    done = {"preset": "tiny", "precision": "bf16", "status": "done"}
    runs = [
        RunRecord(id="a", stage="ppo", seconds=80.0, config=low, **done),
        RunRecord(
            id="b",
            stage="measure",
            seconds=60.0,
            config={"policy": "ppo"},
            results={"n_prompts": 2000},
            **done,
        ),
    ]
    found = {share.label: share.seconds for share in shares(design, runs)}
    assert (found["ppo 2-bit"], found["measure int4"]) == (40.0, 15.0)
    assert found["ppo bf16"] is None and found["measure"] is None


def test_the_command_prints_the_plan_and_records_the_design(file, workspace, capsys):
    assert main(["study", str(file), "--plan", "--workspace", str(workspace.root)]) == 0
    shown = capsys.readouterr().out
    record = read_json(workspace.study("quantised") / "design.json")
    assert shown.strip().endswith(f"studies/quantised/design.json: sha256 {record['sha256']}")
    assert "no done run like it" in shown
    assert re.search(r"^ +\d+ +\?  in all, one run at a time$", shown, re.MULTILINE)  # no sum of nothing
    assert recorded(workspace, "quantised") == read_design(file)


def test_a_changed_design_is_refused_under_the_same_name_and_comments_do_not_count(file, workspace):
    plan(workspace, file)
    file.write_text("# a comment\n" + DESIGN + "margin: 0.1\n")
    plan(workspace, file)
    file.write_text(DESIGN + "margin: 0.2\n")
    with pytest.raises(UserError, match="quantised: margin differ"):
        plan(workspace, file)


def test_another_world_or_base_is_refused_for_a_study_that_was_begun(file, workspace):
    plan(workspace, file)
    path = workspace.study("quantised") / "design.json"
    record = read_json(path)
    assert sorted(record["origin"]) == ["base", "world"]
    write_json(path, record | {"origin": record["origin"] | {"world": "another"}})
    with pytest.raises(UserError, match="the world changed after the study was begun"):
        plan(workspace, file)


def test_a_record_of_a_version_with_fewer_fields_is_read(file, workspace):
    plan(workspace, file)
    path = workspace.study("quantised") / "design.json"
    record = read_json(path)
    del record["design"]["most"]
    write_json(path, record | {"sha256": hash_of(record["design"])})
    assert recorded(workspace, "quantised") == read_design(file)
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
        ({"preset": "small"}, "the primary outcome is gold"),
        ({"settings": {"judge": {}}}, "settings.judge: choose one of prepare, sft, reward, ppo"),
        ({"settings": {"ppo": {"kl_coef": 0.1}}}, "settings.ppo.kl_coef: the design itself decides this"),
        ({"settings": {"ppo": {"max_step": 3}}}, "settings.ppo has no setting 'max_step'"),
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
