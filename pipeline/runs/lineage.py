"""The dependencies between runs: the parents of a stage, and which runs are stale or missing.

A stage takes the newest done parent of its preset, and inherits its base and LoRA shape; `dataset`,
`sft_run`, `reward_run` and `judge_run` override this choice. A done run is stale if the same request would
now find other parents, or if one of its parents is stale; a data set of votes makes no run stale, because
people's votes are trained on by request only. "Newest" refers to the order of creation. The table of stages
defines which stages a stage depends on. Reads records only; no torch.

    line = Lineage(RunReader(workspace))          # reads the workspace once
    line.resolve("ppo", settings).parents.sft
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.runs.parents import Resolved, check_root, dataset_name, flat, inherit, newest
from pipeline.runs.reader import RunReader
from pipeline.runs.record_file import Parents, RunRecord
from pipeline.settings.layers import stages_of
from pipeline.settings.stages import STAGES, Stage, Stages, Step


@dataclass(frozen=True)
class Missing:
    """A step that has to run, and the reason."""

    stage: str
    precision: str
    reason: str


class Lineage:
    """The runs of a workspace at one moment, and their parents."""

    def __init__(
        self, reader: RunReader, records: Sequence[RunRecord] | None = None, stages: Stages = STAGES
    ):
        """records: the reader's list of runs, newest first, if the caller already has it; None reads it."""
        self._reader, self._stages = reader, stages
        self.records = reader.list() if records is None else records
        self._reasons: dict[str, str] = {}  # of staleness, by run id; "" = fresh
        self._datasets: dict[str, bool] = {}  # whether a data set is there

    def newest_done(
        self, stage: str, preset: str | None, precision: str | None = None, **config: Any
    ) -> RunRecord | None:
        """The newest done run of a stage and preset, or None; only `usual` runs count.

        config: settings that the run must have, such as seed=43.
        """
        return newest(self._done.get(stage, ()), preset, precision, config)

    def done(self, stage: str, preset: str) -> list[RunRecord]:
        """The done runs of a stage and preset, newest first."""
        return [run for run in self._done.get(stage, ()) if run.preset == preset]

    def resolve(self, stage: str, settings: Any) -> Resolved:
        """The parents of a run with these settings. Raises UserError if one is missing."""
        row = self._stages[stage]
        if not row.needs:
            return Resolved(settings, Parents())
        parents = self._data(settings) if "prepare" in row.needs else Parents()
        needs = [self._stages[name] for name in row.needs if name not in ("prepare", *settings.unneeded)]
        if not needs:
            if row.trains_adapter:
                check_root(stage, settings)
            return Resolved(settings, parents)
        if row.per_precision or not any(need.per_precision for need in needs):
            return self._stand_on(row, needs, settings, parents)
        return Resolved(settings, self._compare(row, needs, settings, parents))

    def stale(self) -> dict[str, str]:
        """{run id: reason} of the stale runs."""
        reasons = {run.id: self.stale_reason(run) for run in reversed(self.records)}
        return {run_id: reason for run_id, reason in reasons.items() if reason}

    def stale_reason(self, run: RunRecord) -> str:
        """Why a run is stale; "" if it is fresh, not done, or has no parents."""
        if run.id not in self._reasons:
            self._reasons[run.id] = ""  # ends the recursion if a damaged record is its own ancestor
            stands = run.stage in self._stages and self._stages[str(run.stage)].needs
            if run.status == "done" and stands:
                self._reasons[run.id] = self._stale_reason(run)
        return self._reasons[run.id]

    def missing(
        self,
        preset: str,
        asked: Mapping[str, Mapping[str, Any]] | None = None,
        precisions: Iterable[str] = PRECISIONS,
        kept: Collection[str] = (),
    ) -> list[Missing]:
        """The steps to run, in order; [] if every stage is done and up to date.

        asked: {stage: {field: value}} that the runs must have, or {precision: value} where it differs; a run
        with other values does not count. kept: stages that are not run again.
        """
        found: list[Missing] = []
        redone: set[Step] = set()
        stages = stages_of(preset, (asked or {}).get("prepare"), self._stages)
        for step, needs in stages.plan(precisions).items():
            if step.stage in kept:
                continue
            arm = step.precision if self._stages[step.stage].per_precision else None
            wanted = {
                name: value.get(step.precision) if isinstance(value, Mapping) else value
                for name, value in (asked or {}).get(step.stage, {}).items()
            }
            run = self.newest_done(step.stage, preset, arm, **wanted)
            reason = ""
            if run is None:
                reason = "not done yet"
            elif redone.intersection(needs):
                reason = "a stage that it depends on is run again"
            else:
                reason = self.stale_reason(run)
            if reason:
                found.append(Missing(step.stage, step.precision, reason))
                redone.add(step)
        return found

    @cached_property
    def _done(self) -> dict[str | None, list[RunRecord]]:
        """The done runs of each stage, newest first."""
        done: dict[str | None, list[RunRecord]] = {}
        for run in self.records:
            if run.status == "done":
                done.setdefault(run.stage, []).append(run)
        return done

    @cached_property
    def _by_id(self) -> dict[str, RunRecord]:
        return {run.id: run for run in self.records}

    @cached_property
    def _makers(self) -> dict[str, RunRecord]:
        """{name of a data set: the newest run that created it}."""
        made = reversed(self._done.get("prepare", ()))
        return {name: run for run in made if (name := dataset_name(run))}

    def _data(self, settings: Any) -> Parents:
        name = settings.dataset
        if not name:
            maker = newest(self._done.get("prepare", ()), settings.preset, None, {})
            name = dataset_name(maker) if maker else ""
            if not name:
                raise UserError(
                    f"no data set of the preset {settings.preset} yet",
                    code=Code.DATASET,
                    command="run `prepare`, or set dataset=NAME",
                )
        if not self._is_here(name):
            raise UserError(f"dataset={name}: not in {self._reader.workspace.datasets}", code=Code.DATASET)
        maker = self._makers.get(name)
        return Parents(name, {"prepare": maker.id if maker else None})

    def _is_here(self, name: str) -> bool:
        """Whether a data set is in the workspace."""
        if name not in self._datasets:
            self._datasets[name] = (self._reader.workspace.dataset(name) / "train_prefs.jsonl").is_file()
        return self._datasets[name]

    def _stand_on(self, row: Stage, needs: list[Stage], settings: Any, parents: Parents) -> Resolved:
        """The settings and the parents of a stage with one parent per needed stage, in the same precision if
        the needed stage has one run per precision.

        If the settings name no SFT run, it is the parent of the other parents.
        """
        runs, arms = dict(parents.runs), {}
        further = getattr(settings, "start", "") == row.name
        found: dict[str, RunRecord] = {}
        if further and settings.start_run:
            found["start"] = self._parent(row.name, settings.start_run, settings, settings.precision, "start")
        for need in reversed(needs):  # the nearest parent first
            name = getattr(settings, f"{need.name}_run", "")
            name = name or next((i for run in found.values() if (i := run.parents.runs.get(need.name))), "")
            precision = settings.precision if need.per_precision else None
            found[need.name] = run = self._parent(need.name, name, settings, precision)
            if need.per_precision:
                arms[need.name] = {settings.precision: run.id}
        runs |= {need.name: found[need.name].id for need in needs if not need.per_precision}
        if further:
            runs["start"] = self._start(row, settings, found).id
        if row.trains_adapter and "sft" in found:
            settings = inherit(row.name, settings, found["sft"])
        return Resolved(settings, Parents(parents.dataset, runs, arms, settings.precision if arms else None))

    def _start(self, row: Stage, settings: Any, found: Mapping[str, RunRecord]) -> RunRecord:
        """The run that is trained further: the named one, else the newest `untouched` one."""
        sft = found["sft"]
        if "start" in found:
            if found["start"].parents.sft != sft.id:
                raise UserError(
                    f"start_run={settings.start_run}: is not on the SFT run {sft.id}", code=Code.PARENT_RUN
                )
            return found["start"]
        first = self.untouched(row.name, sft.id, settings.preset, settings.precision)
        if first is None:
            raise UserError(
                f"there is no done {row.name} run in {settings.precision} on {sft.id} to train further",
                code=Code.PARENT,
                command=f"set start=sft, or run `{row.name} --precision {settings.precision}` first",
            )
        return first

    def untouched(self, stage: str, sft: str, preset: str, precision: str) -> RunRecord | None:
        """The newest done run of a stage on an SFT run that was neither trained on votes nor trained further
        itself."""
        mine = [run for run in self._done.get(stage, ()) if run.parents.sft == sft]
        return newest(
            (run for run in mine if not self._is_of_votes(run) and not run.parents.runs.get("start")),
            preset,
            precision,
            {},
        )

    def _is_of_votes(self, run: RunRecord) -> bool:
        maker = self._by_id.get(run.parents.runs.get("prepare") or "")
        return maker is not None and maker.config.get("source") == "votes"

    def _compare(self, row: Stage, needs: list[Stage], settings: Any, parents: Parents) -> Parents:
        """The parents of a stage that compares precisions: per precision the newest run from the same SFT
        run."""
        runs, arms = dict(parents.runs), {}
        for need in needs:
            if not need.per_precision:
                name = getattr(settings, f"{need.name}_run", "")
                runs[need.name] = self._parent(need.name, name, settings).id
        for need in (need for need in needs if need.per_precision):
            mine = [
                run for run in self._done.get(need.name, ()) if run.parents.runs.get("sft") == runs.get("sft")
            ]
            latest = {p: newest(mine, settings.preset, p, {}) for p in PRECISIONS}
            arms[need.name] = {precision: run.id for precision, run in latest.items() if run}
            if need.trains == "policy" and not arms[need.name]:
                raise UserError(
                    f"there is no {need.name.upper()} policy on {runs.get('sft')} to {row.name} yet",
                    code=Code.PARENT,
                    command=f"run `{need.name}` first",
                )
        runs |= {name: used.id for name in row.uses if (used := self._used(name, settings, parents, runs))}
        return Parents(parents.dataset, runs, arms)

    def _used(
        self, stage: str, settings: Any, parents: Parents, runs: Mapping[str, str | None]
    ) -> RunRecord | None:
        """The run of a stage that a comparison takes where there is one: the named one, else the newest on
        the same data set and the base of its SFT run."""
        if name := getattr(settings, f"{stage}_run", ""):
            return self._parent(stage, name, settings)
        sft = self._by_id.get(runs.get("sft") or "")
        same = {"base_model": sft.config.get("base_model")} if sft else {}
        mine = [run for run in self._done.get(stage, ()) if run.parents.dataset == parents.dataset]
        return newest(mine, settings.preset, None, same)

    def _parent(
        self, stage: str, run_id: str, settings: Any, precision: str | None = None, role: str = ""
    ) -> RunRecord:
        """The run with this id, or without one the newest. role: what the setting calls it, if not its
        stage."""
        field = f"{role or stage}_run"
        if not run_id:
            run = self.newest_done(stage, settings.preset, precision)
            if run is None:
                how = f" --precision {precision}" if precision else ""
                raise UserError(
                    f"there is no done {stage} run of the preset {settings.preset}"
                    f"{f' in {precision}' if precision else ''} yet",
                    code=Code.PARENT,
                    command=f"run `{stage}{how}` first",
                )
            return run
        run = self._by_id.get(run_id)
        if run is None or run.stage != stage:
            raise UserError(f"{field}={run_id}: no such {stage} run", code=Code.PARENT_RUN)
        if run.status != "done":
            raise UserError(f"{field}={run_id}: is {run.status}, not done", code=Code.PARENT_RUN)
        if precision and run.precision != precision:
            raise UserError(
                f"{field}={run_id}: is in {run.precision}, not in {precision}",
                code=Code.PARENT_RUN,
                command=f"add --precision {run.precision}",
            )
        return run

    def _stale_reason(self, run: RunRecord) -> str:
        try:
            asked = self._reader.asked(run, self._stages)
            parents = self.resolve(str(run.stage), asked).parents
        except UserError as error:
            return str(error)
        now, then = flat(parents), flat(run.parents)
        for role in sorted(now.keys() | then.keys()):
            if now.get(role) != then.get(role) and not self._same_data(role, now, then):
                return f"{role} is now {now.get(role) or 'gone'}, it was {then.get(role) or 'not there'}"
        for role, parent in then.items():
            if parent in self._by_id and self.stale_reason(self._by_id[parent]):
                return f"its {role} {parent} is stale"
        return ""

    def _same_data(self, role: str, now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
        """Whether another data set is no reason to train again: it holds the same data, or newer votes beside
        the data of then."""
        if role not in ("dataset", "prepare"):
            return False
        makers = [self._by_id.get(there.get("prepare") or "") for there in (now, then)]
        name = then.get("dataset")
        if name != now.get("dataset"):
            votes = makers[0] is not None and makers[0].config.get("source") == "votes"
            return votes and name in self._makers and self._is_here(name)
        hashes = [maker and maker.results.get("sha256") for maker in makers]
        return role == "prepare" and hashes[0] is not None and hashes[0] == hashes[1]


def newest_done(
    workspace: Workspace, stage: str, preset: str, precision: str | None = None, **config: Any
) -> RunRecord | None:
    """`Lineage.newest_done` for a workspace, which is read for this call."""
    return Lineage(RunReader(workspace)).newest_done(stage, preset, precision, **config)


def resolve_parents(stage: str, settings: Any, workspace: Workspace, stages: Stages = STAGES) -> Resolved:
    """`Lineage.resolve` in a workspace, which is read for this call."""
    return Lineage(RunReader(workspace), stages=stages).resolve(stage, settings)
