"""A snapshot of PPO becomes a run of its own that the arena and the lineage take."""

import pytest
from little_ppo import stand
from test_evaluate import adapter

from data.errors import UserError
from data.files import read_json
from pipeline.arena import lineup
from pipeline.commands.cli import main
from pipeline.commands.promote import best_snapshot, promote
from pipeline.runs import snapshots
from pipeline.runs.lineage import Lineage
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.runs.record_file import Parents
from pipeline.settings.layers import build


@pytest.fixture
def ppo(workspace, random_base):
    """A done PPO run with snapshots at steps 2 and 4, whose gold is best at step 2."""
    parents = stand(workspace, random_base)
    settings = build("ppo", "tiny", overrides=["dataset=small", "max_steps=6"])
    run = Run.create(workspace, "ppo", settings, Parents.from_json(parents, "bf16"))
    run.change(config={**run.record.config, "base_model": str(random_base)})
    run.start_attempt()
    for step, gold in enumerate((0.8, 0.8, 0.2, 0.2, 0.2, 0.2), 1):
        run.log({"step": step, "gold/mean": gold})
    adapter(random_base, run.model_dir, 1)
    for step in (2, 4):
        adapter(random_base, snapshots.folder_of(run.folder, step), step)
    run.finish({"score_gain": 0.5})
    return run


def evaluated(workspace, ppo, points):
    run = Run.create(
        workspace, "evaluate", build("evaluate", "tiny"), Parents(arms={"ppo": {"bf16": ppo.id}})
    )
    run.start_attempt()
    run.finish({"by_step": {"ppo-bf16": points}})


def test_the_best_step_is_that_of_the_smoothed_gold(workspace, ppo):
    best = best_snapshot(workspace, ppo.id)
    # Means of up to five steps: 0.8 at step 2, 0.5 at step 4, 0.32 at the end.
    assert (best.step, best.by, best.is_last) == (2, "gold", False) and best.value == pytest.approx(0.8)


def test_the_judge_decides_where_an_evaluation_asked_it(workspace, ppo):
    evaluated(
        workspace, ppo, [{"step": s, "judge_gain": g} for s, g in ((0, 9.0), (2, 0.1), (4, 0.7), (6, 0.3))]
    )
    best = best_snapshot(workspace, ppo.id)
    assert (best.step, best.value, best.by) == (4, 0.7, "judge")


def test_a_promoted_snapshot_takes_the_place_of_its_run(workspace, ppo):
    evaluated(workspace, ppo, [{"step": 2, "judge_gain": 0.7, "own_gain": 0.4, "kl_per_token": 0.1}])
    run = promote(workspace, ppo.id, 2)
    record = RunReader(workspace).read(run.id)
    assert record.status == "done" and record.title == f"step 2 of {ppo.id[-4:]}"
    assert record.parents == ppo.record.parents and record.results["promoted_from"] == ppo.id
    assert (record.results["steps"], record.results["score_gain"]) == (2, 0.4)
    weights = "adapter_model.safetensors"
    ours, theirs = run.model_dir / weights, snapshots.folder_of(ppo.folder, 2) / weights
    assert ours.read_bytes() == theirs.read_bytes()
    line = Lineage(RunReader(workspace))
    assert line.newest_done("ppo", "tiny").id == run.id
    assert line.stale_reason(record) == line.stale_reason(ppo.record)
    (chosen,) = [p for p in lineup.choose(workspace, {}).policies if p.name == "ppo-bf16"]
    assert chosen.folder == run.model_dir
    assert read_json(workspace.experiments / f"{run.id}.json")["results"]["promoted_from"] == ppo.id


def test_a_step_without_a_snapshot_is_refused_with_those_there_are(workspace, ppo):
    with pytest.raises(UserError, match="no snapshot of step 3; it has those of 2, 4"):
        promote(workspace, ppo.id, 3)


def test_a_run_that_still_trains_is_not_promoted(workspace, ppo):
    live = Run.create(workspace, "ppo", build("ppo", "tiny"))
    live.start_attempt()
    with pytest.raises(UserError, match="only a PPO run that has ended"):
        promote(workspace, live.id, 2)


def test_the_command_takes_the_best_step_by_itself(workspace, ppo, capsys):
    place = ["--workspace", str(workspace.root)]
    assert main(["promote", ppo.id, *place]) == 0
    said, path = capsys.readouterr().out.splitlines()
    assert said.endswith(f"step 2 of {ppo.id}") and path.endswith("run.json")
    newest = RunReader(workspace).list()[0]
    assert main(["promote", newest.id, *place]) == 2 and "neither gold nor a judge" in capsys.readouterr().err


def test_export_takes_a_snapshot(workspace, ppo, tmp_path):
    out = tmp_path / "out"
    given = ["export", ppo.id, "--step", "4", "--format", "adapter", "--to", str(out)]
    assert main([*given, "--workspace", str(workspace.root)]) == 0
    name = "adapter_model.safetensors"
    assert (out / name).read_bytes() == (snapshots.folder_of(ppo.folder, 4) / name).read_bytes()
