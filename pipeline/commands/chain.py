"""`python -m pipeline all`: run every missing or stale stage for three precisions, and print a comparison.

Stages that do not depend on each other run side by side, up to one per core: small models train faster with
one thread per stage than one after the other with all threads. A failed stage does not stop the others; only
the stages that depend on it are left out. `side_by_side.py` has the loop, `stage_processes.py` starts the
processes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.arena import learning
from pipeline.commands import side_by_side
from pipeline.commands.comparison_table import comparison
from pipeline.commands.execute import begin_alone
from pipeline.commands.stage_processes import StageProcesses
from pipeline.memory import estimate
from pipeline.runs import locks
from pipeline.runs.hardware import has_gpu, physical_cores
from pipeline.runs.lineage import Lineage
from pipeline.runs.progress import clock_time
from pipeline.runs.reader import RunReader
from pipeline.settings.layers import build, parse_overrides, read_config, stages_of, to_dict
from pipeline.settings.stages import STAGES, Stages, Step

Overrides = dict[str, dict[str, str]]  # {stage: {field: text}}


def run_everything(
    workspace: Workspace,
    *,
    preset: str | None = None,
    precision: str | None = None,
    seed: int | None = None,
    config_file: str | None = None,
    overrides: Sequence[str] = (),
    seeds: int = 1,
    jobs: int | None = None,
    processes: StageProcesses | None = None,
    stages: Stages = STAGES,
) -> int:
    """Run the chain; returns the exit code: 0 if every stage is done, else the worst code of its stages.

    jobs: stages that run side by side; None = one per core for tiny and small without a GPU, else 1.

    Overrides are stage.field=value, or field=value for every stage that has the field. With source=votes the
    reward models learn from people's votes and SFT is kept (`pipeline.arena.learning`). `precision` limits
    the chain to one precision. With several seeds, all share one data set and its judge, and every stage
    from SFT on runs once per seed. Raises UserError for a setting that is not valid.
    """
    given = _overrides(config_file, overrides, stages)
    preset = preset or next(
        (str(fields["preset"]) for fields in given.values() if "preset" in fields), "tiny"
    )
    stages = stages_of(preset, given["prepare"], stages)
    given = _overrides(config_file, overrides, stages)  # again, without the stages that are left out
    first = seed if seed is not None else 42
    arms = [precision] if precision else list(PRECISIONS)
    votes = given["prepare"].get("source") == learning.SOURCE
    if votes:
        stages, given = _from_votes(workspace, preset, arms, given, stages)
    for row in stages.chain:  # report a wrong setting before any stage runs
        build(row.name, preset, overrides=_texts(given[row.name]), stages=stages)
    workspace.create()
    begin, worst = time.monotonic(), 0
    jobs = jobs or (physical_cores() if preset in ("tiny", "small") and not has_gpu() else 1)
    fitting = estimate.side_by_side(jobs, _trainings(preset, given, arms, stages), workspace)
    if fitting < jobs:
        print(f"all: the memory suffices for {fitting} of {jobs} stages side by side", flush=True)
        jobs = fitting
    processes = processes or StageProcesses()
    chain = _Chain(workspace, stages, preset, given, arms, seeds > 1 or votes, jobs, processes, votes)
    with locks.hold(locks.training_lock(workspace), stage="all"):
        begin_alone(workspace)
        for number in range(first, first + seeds):
            if seeds > 1 or seed is not None:
                for row in stages.chain:
                    if row.needs and not row.split:
                        given[row.name]["seed"] = str(number)
            worst = max(worst, chain.run(), key=side_by_side.badness)
    print(f"\n{comparison(workspace, preset, range(first, first + seeds) if seeds > 1 else None)}")
    print(f"\nall: {clock_time(time.monotonic() - begin)}", flush=True)
    return worst


@dataclass
class _Chain:
    """The stages of one seed. fixed_parents: the settings of a run name its parents, so that the runs of
    several seeds, or those from votes and others, do not mix. votes: the data set is made again each time,
    because there may be new votes, and SFT is kept.
    """

    workspace: Workspace
    stages: Stages
    preset: str
    given: Overrides
    arms: list[str]
    fixed_parents: bool
    jobs: int
    processes: StageProcesses
    votes: bool = False

    def run(self) -> int:
        """Run the missing and stale stages; returns the worst exit code."""
        asked = {row.name: self._typed(row.name) for row in self.stages.chain}
        if self.votes:
            if code := self._prepared(asked):
                return code
            asked["ppo"]["reward_run"] = {
                arm: run and run.id
                for arm in self.arms
                for run in [self._lineage().newest_done("reward", self.preset, arm, **asked["reward"])]
            }
        kept = ("prepare", "sft") if self.votes else ()
        steps = self._lineage().missing(self.preset, asked, self.arms, kept)
        if not steps:
            print("all: every stage is done and up to date", flush=True)
        needs = self.stages.plan(self.arms)
        reasons = {Step(step.stage, step.precision): step.reason for step in steps}
        return side_by_side.run(
            reasons,
            needs,
            lambda step, company: self._start(step, reasons[step], asked, company),
            lambda step, failed: self._left_out(step, needs[step], failed),
            self.processes,
            self.jobs,
        )

    def _prepared(self, asked: dict[str, dict[str, Any]]) -> int:
        """Make the data set, whatever is there; returns the exit code of the stage."""
        step = Step("prepare", "bf16")
        process = self._start(step, "there may be new votes", asked, 1)
        with side_by_side.interrupted_by_termination():
            try:
                self.processes.wait([process])
            except KeyboardInterrupt:
                self.processes.stop([process])
                raise
        return int(process.exitcode)

    def _left_out(self, step: Step, needs: Sequence[Step], failed: Collection[Step]) -> bool:
        needed = self.stages[step.stage].needs  # without what it only uses
        blocker = _blocker([need for need in needs if need.stage in needed], failed)
        if blocker:
            print(f"\n== {' '.join(step)}: left out, because {' '.join(blocker)} failed", flush=True)
        return blocker is not None

    def _start(self, step: Step, reason: str, asked: dict[str, dict[str, Any]], company: int) -> Any:
        stage, precision = step
        print(f"\n== {stage} {precision}: {reason}", flush=True)
        values = dict(self.given[stage])
        if self.fixed_parents:
            values = self._parents(step, asked) | values
        return self.processes.start(
            self.workspace, stage, self.preset, precision, _texts(values), company=company
        )

    def _parents(self, step: Step, asked: dict[str, dict[str, Any]]) -> dict[str, str]:
        """The settings, such as sft_run, that name the newest parents which have the requested settings."""
        line, row = self._lineage(), self.stages[step.stage]
        known = {field.name for field in dataclasses.fields(row.settings)}
        found = {}
        for need in row.needs:
            if f"{need}_run" in known:
                precision = step.precision if self.stages[need].per_precision else None
                run = line.newest_done(need, self.preset, precision, **asked[need])
                found[f"{need}_run"] = run.id if run else ""
        return found

    def _typed(self, stage: str) -> dict[str, Any]:
        """The given fields of a stage, with the types that run records use."""
        given = self.given[stage]
        values = to_dict(build(stage, self.preset, overrides=_texts(given), stages=self.stages))
        return {name: values[name] for name in given if name not in ("preset", "precision", "name")}

    def _lineage(self) -> Lineage:
        return Lineage(RunReader(self.workspace), stages=self.stages)


def _from_votes(
    workspace: Workspace, preset: str, arms: Sequence[str], given: Overrides, stages: Stages
) -> tuple[Stages, Overrides]:
    """(stages, overrides) of a chain that trains on votes: what was asked for goes before the plan."""
    plan = learning.votes_plan(workspace, preset, arms, further=given["reward"].get("start") != "sft")
    print(f"all: the policies start from the SFT run {plan.sft}, which is not trained again", flush=True)
    given = {name: plan.settings(name) | fields for name, fields in given.items() if name != "judge"}
    return stages_of(preset, given["prepare"], stages), given


def _blocker(needs: Sequence[Step], failed: Collection[Step]) -> Step | None:
    """The failed step that makes a step impossible, or None. If a step depends on several precisions of one
    stage, one of them suffices."""
    for stage in dict.fromkeys(need.stage for need in needs):
        arms = [need for need in needs if need.stage == stage]
        if set(failed).issuperset(arms):
            return arms[0]
    return None


def _trainings(
    preset: str, given: Overrides, arms: Sequence[str], stages: Stages
) -> Iterator[tuple[str, Any]]:
    """Yield (stage, settings) of each stage that trains an adapter, with the base and the LoRA rank that it
    will inherit from SFT."""
    sft = build("sft", preset, overrides=_texts(given["sft"]), stages=stages)
    taken_over = {"base_model": sft.base_model, "lora_rank": str(sft.lora_rank)}
    for row in stages.chain:
        if row.trains_adapter:
            overrides = _texts(taken_over | given[row.name] if row.per_precision else given[row.name])
            for arm in arms if row.per_precision else [None]:
                yield row.name, build(row.name, preset, precision=arm, overrides=overrides, stages=stages)


def _overrides(config_file: str | None, overrides: Sequence[str], stages: Stages) -> Overrides:
    """The overrides from the YAML file (sections or bare fields) and from --set, which has priority."""
    given: Overrides = {row.name: {} for row in stages.chain}
    for name, value in (read_config(config_file) if config_file else {}).items():
        if name in given and isinstance(value, dict):
            for field, inner in value.items():
                _override(given, f"{name}.{field}", str(inner), stages)
        else:
            _override(given, str(name), str(value), stages)
    for name, value in parse_overrides(overrides).items():
        _override(given, name, value, stages)
    return given


def _override(given: Overrides, name: str, value: str, stages: Stages) -> None:
    stage, dot, field = name.partition(".")
    if dot:
        if stage not in given:
            raise UserError(
                f"--set {name}: {stage} is not a stage of `all`; choose one of {', '.join(given)}",
                code=Code.OPTION,
            )
        given[stage][field] = value
        return
    having = [one for one in given if name in {f.name for f in dataclasses.fields(stages[one].settings)}]
    if not having:
        raise UserError(
            f"--set {name}: no stage has this setting; write field=value or stage.field=value",
            code=Code.OPTION,
        )
    for one in having:
        given[one][name] = value


def _texts(given: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in given.items()]
