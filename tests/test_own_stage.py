"""A new stage is a row in the table, a settings dataclass and a function; this file adds one."""

import dataclasses

import pytest
from pydantic.dataclasses import dataclass as settings_class

from data.errors import UserError
from pipeline.commands.execute import execute, resume
from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader, read_run
from pipeline.runs.record import Run
from pipeline.settings.every_stage import StageSettings
from pipeline.settings.layers import build, fields
from pipeline.settings.stages import STAGES, Stage, Stages
from ui import header


@settings_class(frozen=True)
class CountSettings(StageSettings):
    """Settings of a stage that counts the characters of an SFT run's id."""

    times: int = 1
    dataset: str = ""
    sft_run: str = ""
    reward_run: str = ""


def count(settings, run, workspace):
    """The function of the stage."""
    reward = run.record.parents.rewards[settings.precision]
    return {"letters": settings.times * len(run.record.parents.sft), "reward": reward}


COUNT = Stage(
    "count",
    CountSettings,
    f"{__name__}:count",
    needs=("prepare", "sft", "reward"),
    per_precision=True,
)
TABLE = Stages((*STAGES.rows, COUNT))


@pytest.fixture
def chain(workspace):
    """A data set, an SFT run and an int8 reward model as finished runs."""
    workspace.create()
    workspace.dataset("tiny").mkdir()
    (workspace.dataset("tiny") / "train_prefs.jsonl").write_text("")
    made = {}
    for stage, precision in (("prepare", "bf16"), ("sft", "bf16"), ("reward", "int8")):
        settings = build(stage, precision=precision)
        resolved = Lineage(RunReader(workspace)).resolve(stage, settings)
        run = Run.create(workspace, stage, settings, resolved.parents)
        run.start_attempt()
        run.change(config=dataclasses.asdict(resolved.settings))
        run.finish({"dataset": "tiny", "sha256": "same"} if stage == "prepare" else {})
        made[stage] = run.id
    return made


@pytest.fixture(autouse=True)
def without_seeding(monkeypatch):
    """Skips the seeding of libraries, which this stage does not use."""
    monkeypatch.setattr("pipeline.training.seeding.make_deterministic", lambda seed, threads=None: None)
    monkeypatch.setattr("models.fast.heap.hold", lambda: None)


def test_it_runs_with_its_parents_and_is_recorded_like_every_other_stage(workspace, chain):
    settings = build("count", precision="int8", overrides=["times=2"], stages=TABLE)
    run = execute("count", settings, workspace, stages=TABLE)
    record = read_run(workspace, run.id)
    assert record.status == "done" and record.results["letters"] == 2 * len(chain["sft"])
    assert record.results["reward"] == chain["reward"]
    assert record.parents.to_json() == {
        "dataset": "tiny", "prepare": chain["prepare"], "sft": chain["sft"], "reward": chain["reward"]
    }  # fmt: skip
    with pytest.raises(UserError, match="already done"):
        resume(workspace, run.id, stages=TABLE)


def test_it_names_the_missing_parent(workspace, chain):
    settings = build("count", precision="int4", stages=TABLE)
    with pytest.raises(UserError, match="no done reward run of the preset tiny in int4"):
        execute("count", settings, workspace, stages=TABLE)


def test_it_has_its_place_in_the_plan_and_becomes_stale(workspace, chain):
    plan = TABLE.plan(["int8"])
    assert plan["count", "int8"] == (("prepare", "bf16"), ("sft", "bf16"), ("reward", "int8"))
    run = execute("count", build("count", precision="int8", stages=TABLE), workspace, stages=TABLE)
    reader = RunReader(workspace)
    assert Lineage(reader, stages=TABLE).stale() == {}
    assert "count" not in [
        m.stage for m in Lineage(reader, stages=TABLE).missing("tiny", precisions=["int8"])
    ]
    newer = Run.create(workspace, "sft", build("sft"))
    newer.start_attempt()
    newer.finish({})
    line = Lineage(reader, stages=TABLE)
    assert "is stale" in line.stale()[run.id]
    assert ("count", "int8") in [(m.stage, m.precision) for m in line.missing("tiny", precisions=["int8"])]


def test_its_settings_are_checked_and_described(chain):
    assert [field.name for field in fields("count", stages=TABLE)][-4:] == [
        "times", "dataset", "sft_run", "reward_run"
    ]  # fmt: skip
    with pytest.raises(UserError, match="times"):
        build("count", overrides=["times=x"], stages=TABLE)
    with pytest.raises(UserError, match="no such stage"):
        build("count")


def test_the_bar_shows_it_once_it_has_its_texts(workspace, chain):
    def texts(key, **facts):
        return key

    strip = header.strip_html(Lineage(RunReader(workspace), stages=TABLE), "tiny", texts, TABLE)
    assert strip.count("bar.count") == 1 and strip.index("bar.evaluate") < strip.index("bar.count")
