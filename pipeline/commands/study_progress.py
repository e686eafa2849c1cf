"""The studies of a workspace, and how far one is: its runs by name, and its complete replicates. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.files import read_json
from data.workspace import Workspace
from pipeline.runs import locks
from pipeline.runs.record_file import RunRecord
from pipeline.settings.study import PlannedRun, StudyDesign, needs

STUDY = "study "  # the training lock of a study names it after this word
SIZE = "size.json"  # the number of replicates that was estimated after the pilot
_ENDED_BADLY = ("failed", "cancelled", "lost")


@dataclass(frozen=True)
class Progress:
    """How far a study is. wanted: its replicates, estimated again where the design says so. done, planned:
    runs. seconds: that the done ones took. failed: names of runs that ended early. running: those that run
    now. replicates: numbers of the complete ones."""

    wanted: int
    done: int
    planned: int
    seconds: float
    failed: tuple[str, ...]
    running: tuple[str, ...]
    replicates: tuple[int, ...]


def begun(workspace: Workspace) -> tuple[str, ...]:
    """The names of the studies whose design is on record."""
    if not workspace.studies.is_dir():
        return ()
    folders = workspace.studies.iterdir()
    return tuple(sorted(path.name for path in folders if (path / "design.json").is_file()))


def running(workspace: Workspace) -> str:
    """The name of the study that runs in this workspace, "" if none does."""
    stage = str((locks.holder(locks.training_lock(workspace)) or {}).get("stage", ""))
    return stage.removeprefix(STUDY) if stage.startswith(STUDY) else ""


def newest(runs: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """{name: the newest run of that name} of the runs of a study, which are listed newest first."""
    return {str(run.config.get("name")): run for run in reversed(list(runs)) if not run.damaged}


def wanted(workspace: Workspace, design: StudyDesign) -> int:
    """The number of replicates: that of the design, or the one that was estimated after the pilot."""
    try:
        return int(read_json(workspace.study(design.name) / SIZE)["replicates"])
    except FileNotFoundError:
        return design.replicates


def progress(design: StudyDesign, records: Mapping[str, RunRecord], replicates: int) -> Progress:
    """How far a study of so many replicates is, from its runs."""
    planned = list(design.runs(replicates))
    known = [(run, records[run.name]) for run in planned if run.name in records]
    done = [record for _, record in known if record.status == "done"]
    return Progress(
        replicates,
        len(done),
        len(planned),
        sum(record.seconds or 0.0 for record in done),
        tuple(run.name for run, record in known if record.status in _ENDED_BADLY),
        tuple(run.name for run, record in known if record.status == "running"),
        tuple(_complete(planned, records)),
    )


def _complete(planned: Sequence[PlannedRun], records: Mapping[str, RunRecord]) -> Iterator[int]:
    """The replicates with an SFT measurement whose runs have all ended, or cannot start."""
    parents = needs(planned)
    settled: dict[PlannedRun, bool] = {}
    dead: set[PlannedRun] = set()
    for run in planned:  # parents come first
        status = records[run.name].status if run.name in records else ""
        if status in _ENDED_BADLY or dead.intersection(parents[run]):
            dead.add(run)
        settled[run] = run in dead or status == "done"
    by_replicate: dict[int, list[PlannedRun]] = {}
    for run in planned:
        if run.replicate is not None:
            by_replicate.setdefault(run.replicate, []).append(run)
    for replicate, runs in by_replicate.items():
        sft = next(run for run in runs if run.stage == "measure" and not run.arm)
        if all(settled[run] for run in runs) and sft not in dead:
            yield replicate
