"""`python -m pipeline study FILE.yaml --plan`: the runs and the hours of a study, and its design on record.

The design is written with its hash to studies/NAME/design.json before the first run, so that margin, primary
outcome and number of replicates cannot follow the results. This version plans and records a study; it has no
command that runs one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from data.errors import Code, UserError
from data.files import read_json, write_json
from data.workspace import Workspace
from pipeline.runs.reader import list_runs
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import to_dict
from pipeline.settings.study import MEASURE, PlannedRun, StudyDesign, parse_design, read_design


@dataclass(frozen=True)
class Share:
    """The runs of one kind. label: the stage and, where it matters, the arm. seconds: of one run, from the
    run `source`; None if the workspace has no done run like it. possible: whether this version can make
    them."""

    label: str
    count: int
    seconds: float | None
    source: str
    possible: bool

    @property
    def hours(self) -> float | None:
        return None if self.seconds is None else self.count * self.seconds / 3600


def plan(workspace: Workspace, file: Path) -> str:
    """Record the design in a file and return its plan as text. Raises UserError for a design that is not
    valid or differs from the one on record."""
    design = read_design(file)
    record(workspace, design)
    place = workspace.relative(workspace.study(design.name) / "design.json")
    return f"{table(design, shares(design, list_runs(workspace)))}\n\n{place}: sha256 {design.sha256}"


def record(workspace: Workspace, design: StudyDesign) -> None:
    """Write studies/NAME/design.json, or check that it has this design. UserError if it has another."""
    path = workspace.study(design.name) / "design.json"
    try:
        known = recorded(workspace, design.name)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"sha256": design.sha256, "design": to_dict(design)})
        return
    if known.sha256 != design.sha256:
        before, now = to_dict(known), to_dict(design)
        changed = [name for name in now if now[name] != before[name]]
        raise UserError(
            f"study {design.name}: {', '.join(changed)} differ from the design on record in "
            f"{workspace.relative(path)}; a design is fixed once it is written: give the changed one another "
            f"name",
            code=Code.STATE,
        )


def recorded(workspace: Workspace, name: str) -> StudyDesign:
    """The design on record. Raises FileNotFoundError if there is none, UserError if it was changed."""
    path = workspace.study(name) / "design.json"
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("design"), dict):
        raise UserError(f"{path}: is not the record of a design; restore the file", code=Code.RECORD)
    design = parse_design(content["design"], str(path))
    if content.get("sha256") != design.sha256:
        raise UserError(f"{path}: does not match its own hash; restore the file", code=Code.RECORD)
    return design


def shares(design: StudyDesign, runs: list[RunRecord]) -> list[Share]:
    """The planned runs, counted by kind, with the duration of the newest done run of that kind."""
    counted = Counter(_kind(run) for run in design.runs())
    found = []
    for (stage, arm, precision, possible), count in counted.items():
        like = _like(design, stage, precision, runs) if possible else None
        seconds, source = (like.seconds, like.id) if like else (None, "")
        found.append(Share(f"{stage} {arm}".strip(), count, seconds, source, possible))
    return found


def table(design: StudyDesign, found: list[Share]) -> str:
    """The plan as text."""
    lines = [
        f"study {design.name}: {design.replicates} replicates (a pilot of {design.pilot} first) of "
        f"{len(design.arms)} arms, preset {design.preset}",
        f"primary outcome: {design.primary}, {design.kl:g} nats per sequence, on {design.prompts:,} prompts",
        f"margin: {design.margin:.0%} of PPO's gain; alpha {design.alpha:g}, power {design.power:.0%}",
        "",
        f"{'runs':>6}  {'hours':>7}  {'what':<24} estimated from",
    ]
    for share in found:
        hours = "?" if share.hours is None else f"{share.hours:.1f}"
        source = share.source or ("no done run like it" if share.possible else "no stage makes it yet")
        lines.append(f"{share.count:>6}  {hours:>7}  {share.label:<24} {source}")
    known = [share.hours for share in found if share.hours is not None]
    total = sum(share.count for share in found)
    least = " (at least)" if len(known) < len(found) else ""
    lines.append(f"{total:>6}  {sum(known):>7.1f}  in all, one run at a time{least}")
    if missing := [share.label for share in found if not share.possible]:
        lines.append(f"this version cannot make: {', '.join(missing)}")
    return "\n".join(lines)


def _kind(run: PlannedRun) -> tuple[str, str, str, bool]:
    return run.stage, run.arm, run.precision, run.possible


def _like(design: StudyDesign, stage: str, precision: str, runs: list[RunRecord]) -> RunRecord | None:
    """The newest done run with the duration of a planned one; runs: newest first."""
    for run in runs:
        same = run.stage == stage and run.preset == design.preset and run.status == "done"
        base = stage in ("prepare", MEASURE) or design.base_model in ("", run.config.get("base_model"))
        if same and base and precision in ("", run.precision) and run.seconds and not run.against_gold:
            return run
    return None
