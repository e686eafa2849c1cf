"""`python -m pipeline study FILE.yaml --plan`: the runs and the hours of a study, and its design on record.

The design is written with its hash to studies/NAME/design.json before the first run, so that margin, primary
outcome and number of replicates cannot follow the results. With it go fingerprints of the data's generator
and of the base, so that the replicates of a study are not of two worlds. The folder of a study is a workspace
of its own, so that its runs are not taken for those of the page. `study_run.py` runs the study, and
`study_report.py` reports it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.bases import find_base
from data.errors import Code, UserError
from data.files import read_json, sha256_file, sha256_text, write_json
from data.workspace import Workspace
from data.world import generate_splits
from pipeline.runs.reader import list_runs
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import build, to_dict
from pipeline.settings.study import PlannedRun, StudyDesign, hash_of, parse_design, read_design


@dataclass(frozen=True)
class Share:
    """The runs of one kind. label: the stage and, where it matters, the arm. seconds: of one run, from the
    run `source`; None if no done run like it is known."""

    label: str
    count: int
    seconds: float | None
    source: str

    @property
    def hours(self) -> float | None:
        return None if self.seconds is None else self.count * self.seconds / 3600


def plan(workspace: Workspace, file: Path) -> str:
    """Record the design in a file and return its plan as text. Raises UserError for a design that is not
    valid or differs from the one on record."""
    design = read_design(file)
    record(workspace, design)
    place = workspace.relative(workspace.study(design.name) / "design.json")
    return (
        f"{table(design, shares(design, known_runs(workspace, design)))}\n\n{place}: sha256 {design.sha256}"
    )


def folder_of(workspace: Workspace, name: str) -> Workspace:
    """The folder of a study: a workspace with its data sets and runs."""
    return Workspace(workspace.study(name))


def known_runs(workspace: Workspace, design: StudyDesign) -> list[RunRecord]:
    """The runs of the study, then those of the workspace, both newest first."""
    return [*list_runs(folder_of(workspace, design.name)), *list_runs(workspace)]


def record(workspace: Workspace, design: StudyDesign) -> None:
    """Write studies/NAME/design.json, or check that it has this design and that world and base are still the
    same. UserError if they are not."""
    path = workspace.study(design.name) / "design.json"
    origin = fingerprints(design)
    try:
        known = recorded(workspace, design.name)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"sha256": design.sha256, "design": to_dict(design), "origin": origin})
        return
    if known != design:
        before, now = to_dict(known), to_dict(design)
        changed = [name for name in now if now[name] != before[name]]
        raise UserError(
            f"study {design.name}: {', '.join(changed)} differ from the design on record in "
            f"{workspace.relative(path)}; a design is fixed once it is written: give the changed one another "
            f"name",
            code=Code.STATE,
        )
    before = read_json(path).get("origin") or {}
    if changed := [name for name in origin if origin[name] != before.get(name)]:
        raise UserError(
            f"study {design.name}: the {' and the '.join(changed)} changed after the study was begun, so its "
            f"replicates would not be alike: give the design another name",
            code=Code.STATE,
        )


def fingerprints(design: StudyDesign) -> dict[str, str]:
    """{"world": the hash of some pairs of the tiny world, "base": that of the base's weights}."""
    pairs = generate_splits(design.first_seed, 96, 16, 16)
    settings = build("sft", design.preset, overrides=_base(design))
    base = find_base(settings.base_model, _no_conversion)
    weights = "".join(sha256_file(path) for path in sorted(base.glob("*.safetensors")))
    return {"world": sha256_text(json.dumps(pairs, sort_keys=True)), "base": sha256_text(weights)}


def recorded(workspace: Workspace, name: str) -> StudyDesign:
    """The design on record. Raises FileNotFoundError if there is none, UserError if it was changed.

    The hash is that of the fields on record, so that a version with further fields still reads it.
    """
    path = workspace.study(name) / "design.json"
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("design"), dict):
        raise UserError(f"{path}: is not the record of a design; restore the file", code=Code.RECORD)
    if content.get("sha256") != hash_of(content["design"]):
        raise UserError(f"{path}: does not match its own hash; restore the file", code=Code.RECORD)
    return parse_design(content["design"], str(path))


def settings_of(design: StudyDesign, run: PlannedRun) -> list[str]:
    """The overrides of a planned run that need no other run: FIELD=VALUE texts."""
    given = {**design.settings.get(run.stage, {}), "seed": run.seed, "name": run.name}
    if run.stage == "prepare" and run.replicate is None:
        # Only the test split is used; some rows more, because a source can drop a few.
        rows = design.prompts + design.prompts // 10 + 8
        given |= {"train_rows": 1, "validation_rows": 1, "test_rows": rows}
    if run.stage in ("sft", "reward", "ppo", "measure"):
        given["dataset"] = f"r{run.replicate:03d}"
    if run.stage == "ppo":
        given |= {"kl_coef": run.kl_coef, "snapshots": True}
        if run.scoring == "bag-of-words":
            given["reward"] = run.scoring
        elif run.scoring != run.precision:
            given["scoring"] = run.scoring
    if run.stage == "measure":
        ppo = build("ppo", design.preset, overrides=_texts(design.settings.get("ppo", {})))
        given |= {name: getattr(ppo, name) for name in ("temperature", "max_length", "response_length")}
        policy = "ppo" if run.arm else "sft"
        given |= {"prompts": "prompts", "eval_prompts": design.prompts, "policy": policy}
    return [*_texts(given), *(_base(design) if run.stage == "sft" else [])]


def shares(design: StudyDesign, runs: Sequence[RunRecord]) -> list[Share]:
    """The planned runs, counted by kind, with the duration of the first done run of that kind."""
    planned = list(design.runs(design.replicates))
    first = {(run.stage, run.arm): run for run in reversed(planned)}
    counted = Counter((run.stage, run.arm) for run in planned)
    found = []
    for (stage, arm), count in counted.items():
        seconds, source = duration(design, first[stage, arm], runs)
        found.append(Share(f"{stage} {arm}".strip(), count, seconds, source))
    return found


def duration(design: StudyDesign, run: PlannedRun, runs: Iterable[RunRecord]) -> tuple[float | None, str]:
    """The seconds that a planned run will take, and the run they are estimated from: the first done run in
    `runs` with the same number format, scaled by the number of steps or prompts."""
    for known in runs:
        base = run.stage in ("prepare", "measure") or design.base_model in (
            "",
            known.config.get("base_model"),
        )
        same = known.stage == run.stage and known.preset == design.preset and known.status == "done" and base
        if same and known.seconds and _computes_like(run, known):
            return known.seconds * _scale(design, run, known), known.id
    return None, ""


def table(design: StudyDesign, found: Sequence[Share]) -> str:
    """The plan as text."""
    lines = [
        f"study {design.name}: {design.replicates} replicates of {len(design.arms)} arms, "
        f"preset {design.preset}"
        + (f"; up to {design.most} after a pilot of {design.pilot}" if design.most else ""),
        f"primary outcome: {design.primary}, {design.kl:g} nats per sequence, on {design.prompts:,} prompts, "
        + ("on the line to the trained policy" if design.points == "trained" else "between snapshots"),
        f"margin: {design.margin:.0%} of PPO's gain; alpha {design.alpha:g}, power {design.power:.0%}",
        "",
        f"{'runs':>6}  {'hours':>7}  {'what':<24} estimated from",
    ]
    for share in found:
        hours = "?" if share.hours is None else f"{share.hours:.2f}"
        lines.append(
            f"{share.count:>6}  {hours:>7}  {share.label:<24} {share.source or 'no done run like it'}"
        )
    known = [share.hours for share in found if share.hours is not None]
    total = sum(share.count for share in found)
    hours = f"{sum(known):.2f}" if known else "?"
    least = " (at least)" if 0 < len(known) < len(found) else ""
    lines.append(f"{total:>6}  {hours:>7}  in all, one run at a time{least}")
    return "\n".join(lines)


def _computes_like(run: PlannedRun, known: RunRecord) -> bool:
    """Whether a known run computes in the number format of a planned one."""
    if known.against_gold:
        return False
    if run.stage == "ppo":
        words = "bag-of-words" if known.config.get("reward") == "bag-of-words" else ""
        return run.scoring == (words or known.config.get("scoring") or known.precision)
    if run.stage == "measure":
        return known.config.get("policy") == ("ppo" if run.arm else "sft")
    return run.precision == known.precision


def _scale(design: StudyDesign, run: PlannedRun, known: RunRecord) -> float:
    if run.stage == "measure":
        before = known.results.get("n_prompts")
        return design.prompts / before if before else 1.0
    before = known.config.get("max_steps")
    settings = build(run.stage, design.preset, overrides=_texts(design.settings.get(run.stage, {})))
    now = getattr(settings, "max_steps", None)
    return now / before if now and before else 1.0


def _base(design: StudyDesign) -> list[str]:
    return [f"base_model={design.base_model}"] if design.base_model else []


def _texts(given: dict[str, object]) -> list[str]:
    return [f"{name}={value}" for name, value in given.items()]


def _no_conversion(file: Path, folder: Path) -> None:
    raise UserError(f"base_model={file}: a study needs a model folder, not a GGUF file", code=Code.BASE)
