"""`python -m pipeline study FILE.yaml --report`: the report of a study, finished or not.

It collects the measurements of the replicates that are complete and writes two files into the study's
folder: report.json, with the measurements, the design and every figure computed from them, and report.html,
drawn from these alone (`study_page.py`). `findings_of` computes the figures of a report.json again.

    workspace/studies/NAME/{design.json, report.json, report.html, runs/, datasets/}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from data.errors import Code, UserError
from data.files import read_json, write_atomic, write_json
from data.workspace import Workspace
from evaluation.study_findings import Findings, Measured, Point, find, largest_share
from pipeline.commands.study import folder_of, recorded
from pipeline.commands.study_progress import Progress, newest, progress, wanted
from pipeline.runs.reader import list_runs
from pipeline.runs.record import now
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import to_dict
from pipeline.settings.study import PlannedRun, StudyDesign, read_design

JSON, HTML = "report.json", "report.html"
_MEASURED = TypeAdapter(Measured)


def report_file(workspace: Workspace, file: Path) -> str:
    """The report of the study of a design file, which must be the design on record."""
    design = read_design(file)
    try:
        known = recorded(workspace, design.name)
    except FileNotFoundError:
        raise UserError(
            f"study {design.name}: has not been begun in {workspace.root}", code=Code.STATE
        ) from None
    if known != design:
        raise UserError(
            f"study {design.name}: {file} is not the design with which it was begun", code=Code.STATE
        )
    return report(workspace, design)


def report(workspace: Workspace, design: StudyDesign) -> str:
    """Write report.json and report.html, and return the verdict with their place as text."""
    from pipeline.commands.study_page import page  # Plotly takes a moment to import

    folder = workspace.study(design.name)
    records = newest(list_runs(folder_of(workspace, design.name)))
    how_far = progress(design, records, wanted(workspace, design))
    measured = measured_in(design, records, how_far)
    found = find(measured)
    on_record = read_json(folder / "design.json")
    content = {
        "made": now(),
        "study": design.name,
        "sha256": on_record["sha256"],
        "origin": on_record["origin"],
        "design": to_dict(design),
        "progress": dataclasses.asdict(how_far),
        "measured": dataclasses.asdict(measured),
        "findings": dataclasses.asdict(found),
        "machine": _machine(records),
    }
    write_json(folder / JSON, content)
    write_atomic(folder / HTML, page(measured, found, how_far, content))
    told = "\n".join((found.sentence, *found.limits))
    return f"{told}\n\n{workspace.relative(folder / HTML)}, {JSON}"


def measured_of(content: Mapping[str, Any]) -> Measured:
    """The measurements in the JSON of a report."""
    return _MEASURED.validate_python(content["measured"])


def findings_of(content: Mapping[str, Any]) -> Findings:
    """Every figure of a report, computed from the measurements in its JSON."""
    return find(measured_of(content))


def measured_in(design: StudyDesign, records: Mapping[str, RunRecord], how_far: Progress) -> Measured:
    """The measurements of the complete replicates. Raises UserError if they were made on other prompts."""
    runs = [run for run in design.runs(how_far.wanted) if run.replicate in how_far.replicates]
    pairs = [(run, records[run.name]) for run in runs if run.stage == "measure" and run.name in records]
    pairs = [(run, record) for run, record in pairs if record.status == "done"]
    if len({record.results.get("prompts_sha256") for _, record in pairs}) > 1:
        raise UserError(
            f"study {design.name}: its policies answered different prompts; remove the measurements made "
            f"before the prompts changed",
            code=Code.STATE,
        )
    return Measured(
        design.question,
        how_far.wanted,
        design.power,
        design.prompts,
        largest_share([record.results.get("prompts_in_training") for _, record in pairs]),
        tuple(point for run, record in pairs for point in _points(run, record)),
    )


def _points(run: PlannedRun, record: RunRecord) -> Iterator[Point]:
    for row in record.results["rows"]:
        yield Point(
            int(run.replicate or 0), run.arm, run.kl_coef, row["step"], row["kl"], row["gold"],
            row["gold_sd"], record.id, row["kl_se"],
        )  # fmt: skip


def _machine(records: Mapping[str, RunRecord]) -> dict[str, Any]:
    """The hardware and software of the newest done run."""
    run = next((one for one in reversed(list(records.values())) if one.status == "done"), None)
    return {"hardware": dict(run.hardware), "software": dict(run.software)} if run else {}
