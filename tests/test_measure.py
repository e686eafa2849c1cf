"""The stage `measure`: a policy and its snapshots on common prompts; real stages on a random base."""

import pytest
from little_ppo import PROMPTS, SIZES, stand

from data.datasets import write_splits
from data.errors import UserError
from data.files import read_json
from pipeline.commands.execute import execute
from pipeline.runs.snapshots import found
from pipeline.settings.layers import build

pytestmark = pytest.mark.usefixtures("nondeterministic_after")
SAME = ("dataset=small", "prompts=common", "eval_prompts=4", "max_length=40", "response_length=6", "seed=5")


@pytest.fixture
def policy(workspace, random_base):
    """The id of a PPO run with a snapshot, and its parents; the prompts are those of another data set."""
    parents = stand(workspace, random_base)
    rows = [
        {"prompt": p, "chosen": "Yes.", "rejected": "No."}
        for p in (*PROMPTS, PROMPTS[0].replace("Hi", "Bye"))
    ]
    write_splits(workspace.dataset("common"), dict.fromkeys(("train", "validation", "test"), rows))
    overrides = [*SIZES, "dataset=small", "snapshots=true", "learning_rate=0.02"]
    run = execute("ppo", build("ppo", "tiny", overrides=overrides), workspace)
    return run.id, parents


def measured(workspace, *overrides):
    settings = build("measure", "tiny", overrides=[*SAME, *overrides])
    return execute("measure", settings, workspace)


def test_the_snapshots_and_the_policy_are_measured_on_the_prompts_that_sft_answers(
    workspace, policy, monkeypatch
):
    run_id, parents = policy
    monkeypatch.setattr("pipeline.training.measure.gold_parts", of_length)
    ours = measured(workspace, f"ppo_run={run_id}")
    theirs = measured(workspace, f"sft_run={parents['sft']}", "policy=sft")
    assert list(found(workspace.run(run_id))) == [2]
    assert [row["step"] for row in ours.record.results["rows"]] == [2, 4]
    (sft,) = theirs.record.results["rows"]
    assert (sft["step"], sft["kl"]) == (0, 0.0)
    assert ours.record.results["rows"][-1]["kl"] > 0
    for name in ("prompts_sha256", "n_prompts"):
        assert ours.record.results[name] == theirs.record.results[name]
    gold = read_json(ours.folder / "gold.json")
    assert list(gold["gold"]) == ["2", "4"] and len(gold["prompts"]) == 4
    assert sum(gold["gold"]["4"]) / 4 == pytest.approx(ours.record.results["rows"][-1]["gold"], abs=1e-4)
    assert ours.record.parents.to_json()["ppo"] == run_id
    again = measured(workspace, f"ppo_run={run_id}")
    assert again.record.results == ours.record.results


def of_length(prompts, texts):
    """A stand-in for gold on prompts that are not of the tiny world."""
    return [{"total": min(1.0, len(text) / 40)} for text in texts]


def test_prompts_outside_the_tiny_world_are_refused(workspace, policy):
    with pytest.raises(UserError, match="prompts have no gold reward"):
        measured(workspace, f"ppo_run={policy[0]}")
