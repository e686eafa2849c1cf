"""Lineage: the newest finished parent of the preset, overrides, stale marks and missing stages."""

import pytest

from data.errors import UserError
from pipeline.commands.advice import told
from pipeline.runs.lineage import Lineage, newest_done, resolve_parents
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.settings.layers import build, to_dict


@pytest.fixture
def make(workspace):
    """make(stage, precision, *overrides) -> id of a finished run with the parents that lineage resolves."""

    def inner(stage, precision="bf16", *overrides, preset="tiny", status="done", results=None):
        settings = build(stage, preset, precision=precision, overrides=overrides)
        resolved = resolve_parents(stage, settings, workspace)
        run = Run.create(workspace, stage, settings, resolved.parents)
        run.start_attempt()
        run.change(config=to_dict(resolved.settings))
        if stage == "prepare":
            name = settings.name or "tiny"
            workspace.dataset(name).mkdir(exist_ok=True)
            (workspace.dataset(name) / "train_prefs.jsonl").write_text("")
            run.finish({"dataset": name, "sha256": "same"} | (results or {}))
        elif status == "done":
            run.finish(results or {})
        else:
            run.fail("broken")
        return run.id

    return inner


def resolve(workspace, stage, *overrides, precision="bf16", preset="tiny"):
    return resolve_parents(stage, build(stage, preset, precision=precision, overrides=overrides), workspace)


def stale(workspace):
    return Lineage(RunReader(workspace)).stale()


def missing(workspace, *asked):
    return Lineage(RunReader(workspace)).missing(*asked)


def test_a_stage_without_its_parent_names_the_stage_to_run_first(workspace, make):
    with pytest.raises(UserError) as error:
        resolve(workspace, "sft")
    assert "`prepare`" in told(error.value)
    make("prepare")
    with pytest.raises(UserError) as error:
        resolve(workspace, "reward")
    assert "`sft` first" in told(error.value)
    make("sft")
    make("reward", "bf16")
    with pytest.raises(UserError) as error:
        resolve(workspace, "ppo", precision="int8")
    assert "`reward --precision int8` first" in told(error.value)
    with pytest.raises(UserError, match="preset edge"):
        resolve(workspace, "sft", preset="edge")


def test_a_stage_takes_the_newest_done_parent_with_its_base_and_lora_shape(workspace, make):
    make("prepare")
    make("sft", "bf16", "lora_rank=4", "base_model=gpt2")
    newest = make("sft", "bf16", "lora_rank=8", "base_model=some/base")
    make("sft", "bf16", status="failed")
    found = resolve(workspace, "reward", precision="int4")
    settings = found.settings
    assert found.parents.sft == newest and found.dataset == "tiny"
    assert (settings.lora_rank, settings.base_model) == (8, "some/base")
    with pytest.raises(UserError, match="lora_rank=2"):
        resolve(workspace, "reward", "lora_rank=2")


def test_ppo_takes_the_reward_model_of_its_precision_and_its_sft(workspace, make):
    make("prepare")
    sft = make("sft")
    rewards = {precision: make("reward", precision) for precision in ("bf16", "int8")}
    make("sft")
    parents = resolve(workspace, "ppo", precision="int8").parents
    assert (parents.sft, parents.rewards) == (sft, {"int8": rewards["int8"]})
    with pytest.raises(UserError, match="is in int8, not in bf16"):
        resolve(workspace, "ppo", f"reward_run={rewards['int8']}")


def test_overrides_choose_other_parents_and_must_exist(workspace, make):
    make("prepare")
    make("prepare", "bf16", "name=votes")
    old = make("sft", "bf16", "dataset=tiny")
    make("sft")
    failed = make("sft", status="failed")
    assert resolve(workspace, "sft").dataset == "votes"
    assert resolve(workspace, "reward", f"sft_run={old}", "dataset=tiny").parents.sft == old
    for wrong in ("sft_run=no-such-run", f"sft_run={failed}", "dataset=absent", "dataset=../x"):
        with pytest.raises(UserError):
            resolve(workspace, "reward", wrong)


def test_a_run_against_gold_needs_no_reward_model_and_is_not_a_policy(workspace, make):
    make("prepare")
    make("sft")
    make("ppo", "bf16", "reward=gold")
    assert newest_done(workspace, "ppo", "tiny") is None
    with pytest.raises(UserError) as error:
        resolve(workspace, "evaluate")
    assert "`ppo` first" in told(error.value)


def test_evaluation_takes_every_ppo_run_on_its_sft(workspace, make):
    make("prepare")
    make("sft")
    make("reward", "int4")
    make("ppo", "int4")
    sft = make("sft")
    rewards = {precision: make("reward", precision) for precision in ("bf16", "int8")}
    policy = make("ppo", "int8")
    parents = resolve(workspace, "evaluate").parents
    assert parents.sft == sft and parents.rewards == rewards and parents.policies == {"int8": policy}


def test_a_new_sft_makes_the_runs_on_the_old_one_stale(workspace, make):
    make("prepare")
    make("sft")
    reward = make("reward")
    policy = make("ppo")
    assert stale(workspace) == {}
    newest = make("sft")
    marks = stale(workspace)
    assert set(marks) == {reward, policy}
    assert newest in marks[reward] and reward in marks[policy]


def test_a_run_that_names_its_parents_stays_fresh(workspace, make):
    make("prepare")
    sft = make("sft")
    reward = make("reward", "bf16", f"sft_run={sft}", "dataset=tiny")
    make("sft")
    assert reward not in stale(workspace)


def test_preparing_the_same_data_again_makes_nothing_stale_but_other_data_does(workspace, make):
    make("prepare")
    sft = make("sft")
    make("prepare")
    assert stale(workspace) == {}
    make("prepare", results={"sha256": "other"})
    assert sft in stale(workspace)


def test_a_data_set_of_votes_makes_nothing_stale_while_the_earlier_one_is_there(workspace, make):
    make("prepare")
    sft = make("sft")
    make("prepare", "bf16", "source=votes", "name=votes", results={"sha256": "votes"})
    assert stale(workspace) == {}
    assert resolve(workspace, "sft").dataset == "votes"  # a new run takes the newest
    (workspace.dataset("tiny") / "train_prefs.jsonl").unlink()
    assert sft in stale(workspace)


def test_a_reward_model_goes_on_from_the_newest_that_learnt_from_other_data_than_votes(workspace, make):
    make("prepare")
    sft = make("sft")
    with pytest.raises(UserError, match="no done reward run in bf16"):
        resolve(workspace, "reward", "start=reward")
    old, first = make("reward"), make("reward")
    make("reward", "int4")
    make("prepare", "bf16", "source=votes", "name=votes")
    make("reward", "bf16", f"sft_run={sft}", "dataset=votes")
    further = make("reward", "bf16", "start=reward")
    assert resolve(workspace, "reward", "start=reward").parents.runs == {
        "prepare": resolve(workspace, "reward").parents.runs["prepare"],
        "sft": sft,
        "start": first,
    }
    assert further not in stale(workspace)
    assert resolve(workspace, "reward", "start=reward", f"start_run={old}").parents.runs["start"] == old
    assert resolve(workspace, "ppo").parents.rewards == {"bf16": further}
    other = make("sft", "bf16", "dataset=tiny")
    with pytest.raises(UserError, match=f"not on the SFT run {other}"):
        resolve(workspace, "reward", "start=reward", f"start_run={first}", f"sft_run={other}")
    assert resolve(workspace, "reward", "start=reward", f"start_run={first}").parents.sft == sft


def test_missing_lists_the_whole_chain_then_nothing(workspace, make):
    stages = [(step.stage, step.precision) for step in missing(workspace, "tiny")]
    arms = ("bf16", "int8", "int4")
    assert stages == [
        ("prepare", "bf16"), ("sft", "bf16"), *(("reward", arm) for arm in arms),
        *(("ppo", arm) for arm in arms), ("evaluate", "bf16"),
    ]  # fmt: skip
    for stage, precision in stages:
        make(stage, precision)
    assert missing(workspace, "tiny") == []
    assert len(missing(workspace, "edge")) == 10  # and the judge


def test_missing_follows_a_change_down_the_chain(workspace, make):
    for step in missing(workspace, "tiny"):
        make(step.stage, step.precision)
    steps = missing(workspace, "tiny", {"reward": {"max_steps": 3}})
    assert [step.stage for step in steps] == ["reward"] * 3 + ["ppo"] * 3 + ["evaluate"]
    make("reward", "int8")
    steps = missing(workspace, "tiny")
    assert [(step.stage, step.precision) for step in steps] == [("ppo", "int8"), ("evaluate", "bf16")]
