"""run.json: the typed record of a run, and the only place where it is checked, read and written.

The keys of the file are a contract (docs/run-record.md): `to_json` never changes their form, and `parse`
accepts every record of an earlier version and raises UserError for any other structure. Keys that this
version does not know are kept. Records are frozen, so that readers can share them. No torch.

    record = parse(json.loads(text), run_id)        # UserError if it is not a record of this run
    write_json(path, to_json(record))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from data.errors import Code, UserError
from pipeline.settings.stages import STAGES

Status = Literal["queued", "running", "done", "failed", "cancelled", "lost"]
TERMINAL = ("done", "failed", "cancelled", "lost")
_FINITE = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One start of a run, by one process, with one terminal state.

    pid and process_started identify the process (see `processes.identity`). threads: number of CPU threads.
    from_step: the step of the checkpoint from which it continued. total_steps: steps of the complete run, if
    known. processes: their number in a run on several devices; only such runs have it on disk.
    """

    __pydantic_config__ = _FINITE
    number: int
    token: str = ""
    pid: int | None = None
    process_started: str | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    status: Status
    threads: int | None = None
    from_step: int = 0
    total_steps: int | None = None
    error: str | None = None
    processes: int | None = None


@dataclass(frozen=True)
class Maker:
    """The process that created a run; it starts the run or puts it into the queue. See
    `processes.identity`."""

    pid: int
    process_started: str | None


@dataclass(frozen=True)
class Parents:
    """The data set and the runs that a run depends on.

    dataset: the name of its data set, "" for none. runs: {stage: run id} of stages that have one run; None if
    no run of this workspace created the data set. arms: {stage: {precision: run id}} of stages with one run
    per precision. arm: the precision of a run that belongs to one precision, None for a run that compares all
    of them. On disk a run with `arm` has the parent's id, a run without it the mapping.
    """

    dataset: str = ""
    runs: Mapping[str, str | None] = field(default_factory=dict)
    arms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    arm: str | None = None

    @property
    def sft(self) -> str:
        """The SFT run's id, "" if there is none."""
        return self.runs.get("sft") or ""

    @property
    def rewards(self) -> Mapping[str, str]:
        """{precision: run id} of the reward models."""
        return self.arms.get("reward", {})

    @property
    def judge(self) -> str:
        """The judge's run id, "" where there is none."""
        return self.runs.get("judge") or ""

    @property
    def policies(self) -> Mapping[str, str]:
        """{precision: run id} of the PPO policies."""
        return self.arms.get("ppo", {})

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all parents."""
        single = [run_id for run_id in self.runs.values() if run_id]
        return (*single, *(run_id for arm in self.arms.values() for run_id in arm.values()))

    def __bool__(self) -> bool:
        return bool(self.dataset or self.runs or self.arms)

    def to_json(self) -> dict[str, Any]:
        """The form of run.json: {"dataset", "prepare", "sft", "reward", ...}, without missing ones."""
        found: dict[str, Any] = {"dataset": self.dataset} if self.dataset else {}
        found |= self.runs
        return found | {
            stage: ids[self.arm] if self.arm is not None and self.arm in ids else dict(ids)
            for stage, ids in self.arms.items()
        }

    @classmethod
    def from_json(cls, raw: Any, precision: Any) -> Parents:
        """The parents of a run of this precision. Raises UserError if they have another structure."""
        if not isinstance(raw, dict):
            raise UserError(f"parents: expected a mapping, not {_shown(raw)}", code=Code.RECORD)
        runs: dict[str, str | None] = {}
        arms: dict[str, dict[str, str]] = {}
        arm = None
        for role, value in raw.items():
            if isinstance(value, dict) and all(isinstance(run_id, str) for run_id in value.values()):
                arms[role] = value
            elif not isinstance(value, str | None):
                raise UserError(
                    f"parents.{role}: expected the id of a run, not {_shown(value)}", code=Code.RECORD
                )
            elif role in STAGES and STAGES[role].per_precision:
                if value is not None:
                    arm = str(precision)
                    arms[role] = {arm: value}
            elif role != "dataset":
                runs[role] = value
        return cls(raw.get("dataset") or "", runs, arms, arm)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Bytes: peaks of main and GPU memory, the adapter on disk, the base's weights. None = not measured."""

    peak_rss_bytes: int | None = None
    peak_cuda_bytes: int | None = None
    adapter_bytes: int | None = None
    base_bytes: int | None = None

    def to_json(self) -> dict[str, int]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Event:
    """An anomaly and the reaction to it. facts: further details by name."""

    time: str
    kind: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"time": self.time, "kind": self.kind, "message": self.message, **self.facts}

    @classmethod
    def from_json(cls, raw: Any) -> Event:
        if not isinstance(raw, dict) or not all(isinstance(raw.get(n), str) for n in ("kind", "message")):
            raise UserError(f"events: expected a kind and a message, not {_shown(raw)}", code=Code.RECORD)
        facts = {name: value for name, value in raw.items() if name not in ("time", "kind", "message")}
        return cls(str(raw.get("time", "")), raw["kind"], raw["message"], facts)


@dataclass(frozen=True)
class Progress:
    """The progress of a running attempt. seconds_left: of the current phase, None if unknown. silent_seconds:
    since the run last wrote a metric, a line of its log or its record. phase: see `pipeline.runs.phases`, ""
    if unknown; count: the items it works on. cancelling: whether the run has been asked to stop."""

    step: int
    total: int | None
    seconds_left: float | None
    silent_seconds: float
    phase: str = ""
    phase_seconds: float = 0.0
    count: int | None = None
    cancelling: bool = False


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The contents of run.json. seconds: of all attempts together. results: {} until the run is done.
    error_code: the kind of the error (`data.errors`). maker: the process that created the run. The file
    contains these two only if they are known. more: keys of the file that this version does not know.

    Not on disk: progress (set by the reader for a running run), damaged (the file could not be read; `error`
    contains the reason, and `status` is "failed"), and title and tags, which the user gives to a run
    (`pipeline.runs.labels`).
    """

    __pydantic_config__ = _FINITE
    id: str
    stage: str = ""
    preset: str = ""
    precision: str = ""
    seed: int | None = None
    status: Status = "queued"
    parents: Parents = field(default_factory=Parents)
    config: Mapping[str, Any] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, Any] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    results: Mapping[str, Any] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    events: tuple[Event, ...] = ()
    error: str | None = None
    error_code: str | None = None
    maker: Maker | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None
    damaged: bool = False
    title: str = ""
    tags: tuple[str, ...] = ()

    @property
    def attempt(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def against_gold(self) -> bool:
        """Whether it trained on the tiny world's gold reward itself, as an upper bound for comparison."""
        return self.config.get("reward") == "gold"

    @property
    def usual(self) -> bool:
        """Whether its reward, if it has one, is the reward model of its precision as that was trained; a run
        of another kind is not taken for the arm of its precision."""
        return self.config.get("reward", "model") == "model" and not self.config.get("scoring")

    @property
    def is_policy(self) -> bool:
        """Whether it trained a policy with a reward model, which can be compared with other policies."""
        return self.stage in STAGES and STAGES[self.stage].trains == "policy" and self.usual

    @property
    def served_precision(self) -> str:
        """The precision of the base that its adapter runs on. A policy that was trained in controlled mode
        uses a bf16 base, regardless of the precision of its reward model."""
        controlled = self.stage == "ppo" and self.config.get("mode") != "shared"
        return "bf16" if controlled else self.precision


_NOT_ON_DISK = ("more", "progress", "damaged", "title", "tags")
_KEYS = tuple(item.name for item in dataclasses.fields(RunRecord) if item.name not in _NOT_ON_DISK)
_OPTIONAL = ("error_code", "maker")
_RECORD = TypeAdapter(RunRecord)


def to_json(record: RunRecord) -> dict[str, Any]:
    """The content of run.json."""
    content: dict[str, Any] = {name: getattr(record, name) for name in _KEYS}
    for name in _OPTIONAL:
        if content[name] is None:
            del content[name]
    if record.maker:
        content["maker"] = dataclasses.asdict(record.maker)
    return content | {
        "parents": record.parents.to_json(),
        "attempts": [_attempt_to_json(attempt) for attempt in record.attempts],
        "resources": record.resources.to_json(),
        "events": [event.to_json() for event in record.events],
        **record.more,
    }


def parse(raw: Any, run_id: str) -> RunRecord:
    """The record from the parsed content of run.json. Raises UserError that states what is wrong with it."""
    if not isinstance(raw, dict) or any(name not in raw for name in _KEYS if name not in _OPTIONAL):
        raise UserError("not a run record", code=Code.RECORD)
    if raw["id"] != run_id:
        raise UserError(
            f"the record of another run, {_shown(raw['id'])}: was the folder copied or renamed?",
            code=Code.RECORD,
        )
    known: dict[str, Any] = {name: raw[name] for name in _KEYS if name in raw}
    known |= {name: "" for name in ("stage", "preset", "precision") if known[name] is None}
    known["more"] = {name: value for name, value in raw.items() if name not in _KEYS}
    if not isinstance(raw["events"], list):
        raise UserError(f"events: expected a list, not {_shown(raw['events'])}", code=Code.RECORD)
    known["parents"] = Parents.from_json(raw["parents"], raw["precision"])
    known["events"] = tuple(Event.from_json(event) for event in raw["events"])
    try:
        return _RECORD.validate_python(known)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise UserError(f"{name}={_shown(problem['input'])}: {problem['msg']}", code=Code.RECORD) from None


def _attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    content = dataclasses.asdict(attempt)
    if attempt.processes is None:
        del content["processes"]
    return content


def _shown(value: Any) -> str:
    return ascii(value)[:60]
