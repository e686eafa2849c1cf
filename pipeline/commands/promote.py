"""`python -m pipeline promote RUN --step N`: use a snapshot of a PPO run instead of its end.

PPO's last step is not always its best: where the reward model's score still rises while gold or the judge
falls, an earlier policy is better. `promote` makes a run of its own from a snapshot, so that the arena,
`evaluate`, `export` and the page use it like any other policy; being the newest of its precision, it takes
the place of the run that it comes from. Nothing is trained, and that run stays. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from data.errors import Code, UserError
from data.workspace import Workspace
from evaluation.overoptimisation import best_of_steps
from pipeline.runs import labels, snapshots
from pipeline.runs.copied import copy_model
from pipeline.runs.experiment import write_experiment
from pipeline.runs.reader import RunReader, read_metrics
from pipeline.runs.record import Run
from pipeline.runs.record_file import RunRecord

STILL = ("queued", "running")


@dataclass(frozen=True)
class Best:
    """The best step of a PPO run that has a snapshot, or its end. value: gold, or the judge's gain in sd of
    SFT."""

    step: int
    value: float
    by: Literal["gold", "judge"]
    is_last: bool


def best_snapshot(workspace: Workspace, run_id: str, reader: RunReader | None = None) -> Best:
    """The step with the best judge, where an evaluation measured it, or else the best gold of its rollouts.

    Raises UserError if neither is known.
    """
    reader = reader or RunReader(workspace)
    record = reader.read(run_id)
    points = judged_points(reader, record)
    steps = {int(p["step"]): float(p["judge_gain"]) for p in points if p.get("judge_gain") is not None}
    by: Literal["gold", "judge"] = "judge"
    if not steps:
        rows = read_metrics(workspace, run_id)
        last = max((int(row["step"]) for row in rows), default=0)
        wanted = [*snapshots.found(workspace.run(run_id)), last]
        steps, by = best_of_steps(rows, wanted), "gold"
    steps.pop(0, None)  # SFT
    if not steps:
        raise UserError(f"{run_id}: neither gold nor a judge is known for its steps", code=Code.STATE)
    best = max(steps, key=lambda step: (steps[step], -step))
    return Best(best, steps[best], by, best == max(steps))


def best_to_promote(workspace: Workspace, run_id: str) -> int:
    """The step of `best_snapshot`. Raises UserError if that is the run's end, which is in use already."""
    best = best_snapshot(workspace, run_id)
    if best.is_last:
        raise UserError(f"{run_id}: its last step is the best by {best.by}; there is nothing to promote",
                        code=Code.STATE)  # fmt: skip
    return best.step


def judged_points(reader: RunReader, record: RunRecord) -> list[Mapping[str, Any]]:
    """The judge's points by step of a PPO run, from the newest evaluation that has them; [] without one."""
    for run in reader.list():
        mine = run.parents.policies.get(record.precision) == record.id
        if run.stage == "evaluate" and run.status == "done" and mine:
            points = (run.results.get("by_step") or {}).get(f"ppo-{record.precision}")
            if points:
                return list(points)
    return []


def promote(workspace: Workspace, run_id: str, step: int) -> Run:
    """Make a done run from the snapshot of a step; returns it. Raises UserError."""
    reader = RunReader(workspace)
    record = reader.read(run_id)
    if record.stage != "ppo" or record.status in STILL:
        raise UserError(
            f"{run_id}: is a {record.stage} run that is {record.status}; "
            "only a PPO run that has ended can be promoted",
            code=Code.STATE,
        )
    folder = snapshots.at(workspace.run(run_id), step)
    known = next((p for p in judged_points(reader, record) if p["step"] == step), {})
    run = Run.create(workspace, "ppo", reader.asked(record), record.parents)
    run.change(config=record.config)
    run.start_attempt()
    copy_model(folder, run)
    results = {
        "steps": step,
        "promoted_from": run_id,
        "score_gain": known.get("own_gain"),
        "kl_per_token": known.get("kl_per_token"),
        "judge_gain": known.get("judge_gain"),
    }
    results = {name: value for name, value in results.items() if value is not None}
    write_experiment(workspace, run.record, results=results)
    run.finish(results)
    labels.change(workspace, run.id, name=f"step {step} of {run_id[-4:]}")
    return run
