"""The start button runs the earlier steps that are missing, and says so."""

from types import SimpleNamespace

import pytest

from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build
from ui import prerequisites
from ui.texts import Texts

T = Texts("en")


class Jobs:
    """Notes what is started."""

    def __init__(self):
        self.started = []

    def start(self, stage, preset, precision=None, changed=()):
        self.started.append((stage, precision))
        return f"run-{len(self.started)}"


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace, runs=RunReader(workspace), jobs=Jobs())


def done(workspace, stage, precision="bf16", parents=None, results=None):
    run = Run.create(workspace, stage, build(stage, precision=precision), parents)
    run.start_attempt()
    run.finish(results or {})
    return run.id


def prepared(workspace):
    folder = workspace.dataset("d")
    folder.mkdir(parents=True)
    (folder / "train_prefs.jsonl").write_text("{}\n")
    return done(workspace, "prepare", results={"dataset": "d"})


def test_an_empty_workspace_needs_the_data_for_sft_and_says_so(services):
    missing = prerequisites.missing_before(services, "sft", "tiny", ["bf16"], [])
    assert [step.stage for step in missing] == ["prepare"]
    assert prerequisites.start_label("sft", missing, T) == "Prepare the data, then start SFT"
    assert prerequisites.start_label("sft", missing, Texts("zh")) == "先准备数据，再开始 SFT"


def test_the_earlier_steps_of_two_arms_come_once_and_in_order(services):
    missing = prerequisites.missing_before(services, "ppo", "tiny", ["bf16", "int4"], [])
    assert [(s.stage, s.precision) for s in missing] == [
        ("prepare", "bf16"), ("sft", "bf16"), ("reward", "bf16"), ("reward", "int4")
    ]  # fmt: skip
    assert prerequisites.start_label("ppo", missing, T) == "Run 4 earlier steps, then start PPO"


def test_nothing_is_missing_once_the_parents_are_there(services, workspace):
    data = prepared(workspace)
    assert prerequisites.missing_before(services, "sft", "tiny", ["bf16"], []) == []
    sft = done(workspace, "sft", parents=Parents("d", {"prepare": data}))
    assert prerequisites.missing_before(services, "reward", "tiny", ["int8"], []) == []
    parents = Parents("d", {"prepare": data, "sft": sft})
    done(workspace, "reward", "int8", parents)
    missing = prerequisites.missing_before(services, "ppo", "tiny", ["int8", "int4"], [])
    assert [(s.stage, s.precision) for s in missing] == [("reward", "int4")]
    assert prerequisites.start_label("sft", [], T) == "Start SFT"


def test_what_waits_in_the_queue_is_not_started_again(services, workspace):
    Run.create(workspace, "prepare", build("prepare"))  # just made by this process, so it counts as queued
    assert prerequisites.missing_before(services, "sft", "tiny", ["bf16"], []) == []


def test_gold_as_the_reward_needs_no_reward_model(services):
    missing = prerequisites.missing_before(services, "ppo", "tiny", ["bf16"], ["reward=gold"])
    assert [step.stage for step in missing] == ["prepare", "sft"]


def test_pressing_the_button_queues_them_before_the_stage(services):
    started = prerequisites.start(services, "reward", "tiny", ["int8"], ["max_steps=5"])
    assert services.jobs.started == [("prepare", None), ("sft", None), ("reward", "int8")]
    assert len(started) == 3
