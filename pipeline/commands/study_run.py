"""`python -m pipeline study FILE.yaml`: run a study, or continue it.

A run is found again by its name. Those that are done are kept, those that ended early are resumed from their
last checkpoint, the others are started, several side by side as in `all`. A kill at any moment therefore
costs what the running stages had not saved. The next start waits for stages that a killed study left running.
The report is written whenever a replicate is complete.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.files import write_json
from data.workspace import Workspace
from evaluation.study_findings import find
from pipeline.commands import side_by_side, study
from pipeline.commands.execute import begin_alone
from pipeline.commands.stage_processes import StageProcesses
from pipeline.commands.study_progress import SIZE, STUDY, Progress, newest, progress, wanted
from pipeline.commands.study_report import measured_in, report
from pipeline.memory import estimate
from pipeline.runs import locks
from pipeline.runs.hardware import has_gpu, physical_cores
from pipeline.runs.progress import clock_time
from pipeline.runs.reader import RunReader
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build
from pipeline.settings.study import PlannedRun, StudyDesign, needs, read_design

_POLL = 2.0  # seconds between two looks at a stage that a killed study left running


def run_study(
    workspace: Workspace, file: Path, jobs: int | None = None, processes: StageProcesses | None = None
) -> int:
    """Run what a study still lacks, then write its report; returns the worst exit code of its stages.

    jobs: stages that run side by side; None = one per core without a GPU, else 1. Raises UserError for a
    design that is not valid, or differs from the one that the study was begun with.
    """
    design = read_design(file)
    workspace.create()
    study.record(workspace, design)
    inner = study.folder_of(workspace, design.name).create()
    print(study.table(design, study.shares(design, study.known_runs(workspace, design))), flush=True)
    jobs = jobs or (1 if has_gpu() else physical_cores())
    jobs = estimate.side_by_side(jobs, _trainings(design), inner)
    name = STUDY + design.name
    with (
        locks.hold(locks.training_lock(workspace), stage=name),
        locks.hold(locks.training_lock(inner), stage=name),
    ):
        begin_alone(workspace)
        _wait_for_orphans(inner)
        begin_alone(inner)
        code = _Going(workspace, inner, design, jobs, processes or StageProcesses()).run()
    print(f"\n{report(workspace, design)}", flush=True)
    return code


@dataclass
class _Going:
    """A study that is running. records: {name: the newest run of that name}."""

    workspace: Workspace
    inner: Workspace
    design: StudyDesign
    jobs: int
    processes: StageProcesses
    records: dict[str, RunRecord] = field(default_factory=dict)
    wanted: int = 0  # replicates
    complete: int = 0

    def run(self) -> int:
        """Run the missing stages; returns the worst exit code."""
        self.reader = RunReader(self.inner)
        self._look()
        code = 0
        if self.design.most and not (self.workspace.study(self.design.name) / SIZE).exists():
            code = self._run(self.design.pilot)
            if code:
                return code
            self._settle()
        return self._run(wanted(self.workspace, self.design))

    def _run(self, replicates: int) -> int:
        """Run the missing stages of so many replicates."""
        self.wanted = replicates
        self.complete = len(self._progress().replicates)
        planned = list(self.design.runs(replicates))
        self.needs = needs(planned)
        self.open = {run: None for run in planned if not self._done(run)}
        self.total = len(planned)
        return side_by_side.run(
            list(self.open), self.needs, self._start, self._left_out, self.processes, self.jobs, self._ended
        )

    def _settle(self) -> None:
        """Estimate the number of replicates from the pilot, without looking at any effect, and record it."""
        found = find(measured_in(self.design, self.records, self._progress())).precision
        need = found.needed if found and found.needed else self.design.most
        replicates = min(max(need, self.design.replicates), self.design.most)
        facts = {"sd": found.sd, "margin": found.margin, "needed": found.needed} if found else {}
        path = self.workspace.study(self.design.name) / SIZE
        write_json(path, {"replicates": replicates, "pilot": self.design.pilot, **facts})
        print(f"\nafter the pilot: {replicates} replicates ({path.name})", flush=True)

    def _progress(self) -> Progress:
        return progress(self.design, self.records, self.wanted)

    def _look(self) -> None:
        self.records = newest(self.reader.list())

    def _done(self, run: PlannedRun) -> bool:
        known = self.records.get(run.name)
        return known is not None and known.status == "done"

    def _start(self, run: PlannedRun, company: int) -> Any:
        left = self._time_left()
        done = self.total - len(self.open)
        print(f"\n== {done} of {self.total} done; now {run.told()}{left}", flush=True)
        known = self.records.get(run.name)
        overrides = [*study.settings_of(self.design, run), *self._parents(run)]
        # One thread each, however many run: the number of threads determines how sums are rounded, and the
        # figures of a study must not depend on --jobs, or on which stages happened to run together.
        return self.processes.start(
            self.inner, run.stage, self.design.preset, run.precision, overrides,
            company=physical_cores(), run_id=known.id if known else "",
        )  # fmt: skip

    def _parents(self, run: PlannedRun) -> Iterator[str]:
        """The settings that name the parents."""
        for need in self.needs[run]:
            if need.stage != "prepare":
                yield f"{need.stage}_run={self.records[need.name].id}"

    def _left_out(self, run: PlannedRun, failed: Collection[PlannedRun]) -> bool:
        blocker = next((need for need in self.needs[run] if need in failed), None)
        if blocker:
            print(f"\n== {run.told()}: left out, because {blocker.told()} failed", flush=True)
        return blocker is not None

    def _ended(self, run: PlannedRun, code: int) -> None:
        self.open.pop(run, None)
        self._look()
        if (
            not code and run.name in self.records
        ):  # a run that is done needs no checkpoint, and there are many
            folder = self.inner.run(self.records[run.name].id)
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        complete = len(self._progress().replicates)
        if complete > self.complete:
            print(f"\n{report(self.workspace, self.design).splitlines()[0]}", flush=True)
        self.complete = complete

    def _time_left(self) -> str:
        """How long the open runs will take, as far as that is known."""
        known = [*reversed(self.records.values()), *RunReader(self.workspace).list()]
        kinds: dict[tuple[str, str], float | None] = {}
        for run in self.open:
            if (run.stage, run.arm) not in kinds:
                kinds[run.stage, run.arm] = study.duration(self.design, run, known)[0]
        seconds = [kinds[run.stage, run.arm] for run in self.open]
        total = sum(one for one in seconds if one is not None) / self.jobs
        if not total:
            return ""
        least = "at least " if None in seconds else "about "
        return f"; {least}{clock_time(total)} left"


def _wait_for_orphans(inner: Workspace) -> None:
    """Wait until the stages that a killed study left running have ended."""
    told: set[str] = set()
    while alive := [run for run in RunReader(inner).list() if run.status == "running"]:
        for run in alive:
            if run.id not in told:
                print(f"waiting for {run.id}, which an earlier start of this study left running", flush=True)
        told |= {run.id for run in alive}
        time.sleep(_POLL)


def _trainings(design: StudyDesign) -> Iterator[tuple[str, Any]]:
    """Yield (stage, settings) of each kind of training, with the base and LoRA rank that SFT gives it."""
    seen: set[tuple[str, str]] = set()
    sft: Any = None
    for run in design.runs(1):
        if run.stage not in ("sft", "reward", "ppo") or (run.stage, run.scoring) in seen:
            continue
        seen.add((run.stage, run.scoring))
        overrides: Sequence[str] = study.settings_of(design, run)
        if sft is not None:
            overrides = [f"base_model={sft.base_model}", f"lora_rank={sft.lora_rank}", *overrides]
        settings = build(run.stage, design.preset, precision=run.precision, overrides=overrides)
        sft = settings if run.stage == "sft" else sft
        yield run.stage, settings
