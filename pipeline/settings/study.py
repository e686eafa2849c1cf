"""The design of a study: what is compared, how often, and what counts as the answer.

A design is a YAML file of the fields of `StudyDesign`. `pipeline.commands.study` plans, records and runs it,
`evaluation.study` analyses the result. Its runs are rows of the table of stages, and depend on each other as
that table says. No torch.

    design = read_design("quantised.yaml")
    design.runs(design.replicates)           # every run that the study needs
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass as settings_class

from data.errors import Code, UserError
from data.files import sha256_text
from data.workspace import check_name
from evaluation.study import Points, Question
from pipeline.settings.every_stage import Preset
from pipeline.settings.layers import build, read_config, to_dict
from pipeline.settings.stages import STAGES

_AGAIN_SEED = 1_000_000  # added to the seed of a replicate for the arm of other random numbers
_PROMPTS_SEED = 2_000_000  # added to first_seed for the common prompts
PROMPTS = "prompts"  # the data set of the common prompts

Arm = Literal["bf16", "bf16-again", "int8", "int4", "post-int8", "post-int4", "2-bit", "bag-of-words"]
SETTABLE = ("prepare", "sft", "reward", "ppo")  # the stages whose settings a design can change
# What the study itself decides; a design that sets one of these would contradict itself.
_DECIDED = (
    "preset", "precision", "seed", "name", "dataset", "base_model", "sft_run", "reward_run", "kl_coef",
    "reward", "scoring", "snapshots", "mode", "adaptive_kl",
)  # fmt: skip


@dataclass(frozen=True)
class ArmKind:
    """What an arm is. precision: of its reward model in training; "" if it has none. model: the arm whose
    reward model it uses, "" for its own. scoring: the number format of that model while it scores, "" for
    that of training. again: whether its seeds differ from those of the other arms."""

    precision: str = "bf16"
    model: str = ""
    scoring: str = ""
    again: bool = False


ARMS: Mapping[str, ArmKind] = {
    "bf16": ArmKind(),
    "bf16-again": ArmKind(again=True),
    "int8": ArmKind("int8"),
    "int4": ArmKind("int4"),
    "post-int8": ArmKind(model="bf16", scoring="int8"),
    "post-int4": ArmKind(model="bf16", scoring="int4"),
    "2-bit": ArmKind(model="bf16", scoring="rtn2"),
    "bag-of-words": ArmKind(precision=""),
}


@dataclass(frozen=True)
class PlannedRun:
    """One run. replicate: None for the common prompts. arm: "" for what all arms share. precision: of the
    stage."""

    stage: str
    replicate: int | None = None
    arm: str = ""
    kl_coef: float | None = None
    precision: str = "bf16"
    seed: int = 0

    @property
    def name(self) -> str:
        """Its name within the study: that of its data set, or of its run."""
        if self.replicate is None:
            return PROMPTS
        parts = [f"r{self.replicate:03d}"] + ([self.stage] if self.stage != "prepare" else [])
        parts += [self.arm] if self.arm else []
        return "-".join([*parts, *([f"kl{self.kl_coef:g}"] if self.kl_coef is not None else [])])

    @property
    def scoring(self) -> str:
        """The number format in which its reward model computes, or "bag-of-words"; "" without an arm."""
        if not self.arm:
            return ""
        kind = ARMS[self.arm]
        return kind.scoring or kind.precision or self.arm

    def told(self) -> str:
        """In words, for the terminal."""
        where = "common prompts" if self.replicate is None else f"replicate {self.replicate}"
        kl = f"kl_coef {self.kl_coef:g}" if self.kl_coef is not None else ""
        return " ".join(part for part in (f"{where}:", self.stage, self.arm, kl) if part)


@settings_class(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class StudyDesign:
    """The fields of a design.

    Every arm is a way to make the reward models. `reference`, `again` (the reference once more, with other
    random numbers) and `control` (an arm known to harm; "" for none) are the gates of the study, `treatments`
    are tested with Holm's correction, `described` arms are measured without a test. kl_coef: the strengths of
    the KL penalty, one list for all arms or {arm: list}. A replicate has its own data, SFT and reward models;
    its seed is first_seed plus its number. most: where it is larger than replicates, the number is estimated
    again after the first `pilot` replicates, without looking at any effect, between replicates and most; 0
    for a fixed number. points: whether gold at `kl` is interpolated between all snapshots of a PPO run or
    between SFT and the trained policy. prompts: how many common prompts every policy answers. settings:
    {stage: {field: value}} of the stages `prepare`, `sft`, `reward` and `ppo`, over the preset's values.
    """

    name: str
    treatments: tuple[Arm, ...] = Field(min_length=1)
    replicates: int = Field(ge=2, le=1000)
    kl_coef: tuple[float, ...] | dict[Arm, tuple[float, ...]]
    reference: Arm = "bf16"
    again: Arm = "bf16-again"
    control: Arm | Literal[""] = "2-bit"
    described: tuple[Arm, ...] = ()
    preset: Preset = "tiny"
    base_model: str = Field("", max_length=1000)
    primary: Literal["gold at the same KL"] = "gold at the same KL"
    points: Points = "snapshots"
    kl: float = Field(2.0, gt=0, le=1000)
    margin: float = Field(0.1, gt=0, lt=1)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    power: float = Field(0.8, gt=0, lt=1)
    pilot: int = Field(8, ge=2)
    most: int = Field(0, ge=0, le=1000)
    prompts: int = Field(2000, ge=1)
    first_seed: int = Field(1000, ge=0, le=2**28)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_name(self.name)
        if len(set(self.arms)) < len(self.arms):
            raise ValueError(f"an arm has two roles: {', '.join(self.arms)}")
        if self.preset != "tiny":
            raise ValueError(f"preset={self.preset}: the primary outcome is gold, which only tiny has")
        if self.pilot > self.replicates:
            raise ValueError(f"pilot={self.pilot} is larger than replicates={self.replicates}")
        if 0 < self.most < self.replicates:
            raise ValueError(f"most={self.most} is smaller than replicates={self.replicates}")
        _check_coefficients(self)
        _check_settings(self)
        return self

    @property
    def arms(self) -> tuple[str, ...]:
        control = (self.control,) if self.control else ()
        return (self.reference, self.again, *control, *self.treatments, *self.described)

    @property
    def question(self) -> Question:
        """What `evaluation.study` has to answer."""
        return Question(
            self.treatments, self.reference, self.again, self.control,
            self.kl, self.margin, self.alpha, self.described, self.points,
        )  # fmt: skip

    @property
    def sha256(self) -> str:
        """The hash of all fields, defaults included; comments and the order of lines do not count."""
        return hash_of(to_dict(self))

    @property
    def prompts_seed(self) -> int:
        """The seed of the common prompts, and of all answers to them."""
        return self.first_seed + _PROMPTS_SEED

    def coefficients(self, arm: str) -> tuple[float, ...]:
        """The values of kl_coef of an arm; () if the mapping does not name it."""
        if isinstance(self.kl_coef, dict):
            return next((values for name, values in self.kl_coef.items() if name == arm), ())
        return self.kl_coef

    def runs(self, replicates: int) -> Iterator[PlannedRun]:
        """The runs of so many replicates in an order in which they can run, replicate by replicate."""
        yield PlannedRun("prepare", seed=self.prompts_seed)
        for replicate in range(replicates):
            seed = self.first_seed + replicate
            yield PlannedRun("prepare", replicate, seed=seed)
            yield PlannedRun("sft", replicate, seed=seed)
            yield PlannedRun("measure", replicate, seed=self.prompts_seed)
            for arm in dict.fromkeys(ARMS[arm].model or arm for arm in self.arms if ARMS[arm].precision):
                yield self._run("reward", replicate, arm)
            for arm in self.arms:
                for coefficient in self.coefficients(arm):
                    ppo = self._run("ppo", replicate, arm, coefficient)
                    yield ppo
                    yield PlannedRun("measure", replicate, arm, coefficient, ppo.precision, self.prompts_seed)

    def _run(self, stage: str, replicate: int, arm: str, kl_coef: float | None = None) -> PlannedRun:
        kind = ARMS[arm]
        seed = self.first_seed + replicate + (_AGAIN_SEED if kind.again else 0)
        return PlannedRun(stage, replicate, arm, kl_coef, kind.precision or "bf16", seed)


def hash_of(design: Mapping[str, Any]) -> str:
    """The SHA-256 of the fields of a design."""
    return sha256_text(json.dumps(design, sort_keys=True, allow_nan=False))


def needs(runs: Sequence[PlannedRun]) -> dict[PlannedRun, tuple[PlannedRun, ...]]:
    """{run: the runs that it depends on}, by the table of stages: those of the same replicate, of the arm
    whose reward model it uses, and with the same kl_coef; for a measurement also the common prompts."""
    by_replicate: dict[int | None, list[PlannedRun]] = {}
    for run in runs:
        by_replicate.setdefault(run.replicate, []).append(run)
    return {run: tuple(_parents(run, by_replicate)) for run in runs}


def _parents(
    run: PlannedRun, by_replicate: Mapping[int | None, Sequence[PlannedRun]]
) -> Iterable[PlannedRun]:
    if run.replicate is None:
        return
    if run.stage == "measure":
        yield from by_replicate[None]
    model = (ARMS[run.arm].model or run.arm) if run.arm else ""
    for other in by_replicate[run.replicate]:
        arms = ("", model) if other.stage == "reward" else ("", run.arm)
        same = other.arm in arms and other.kl_coef in (None, run.kl_coef)
        if same and other.stage in STAGES[run.stage].needs:
            yield other


def read_design(path: Path | str) -> StudyDesign:
    """The design in a YAML file. Raises UserError that names the field and what is wrong with it."""
    return parse_design(read_config(path), str(path))


def parse_design(values: dict[str, Any], place: str) -> StudyDesign:
    """A design from its fields; `place` names their origin in an error."""
    names = [field.name for field in fields(StudyDesign)]
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
            raise UserError(f"{place}: a study has no field {str(name)!r}; {hint}", code=Code.SETTING)
    try:
        return StudyDesign(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
        raise UserError(f"{place}: {name + ': ' if name else ''}{reason}", code=Code.SETTING) from None


def _check_coefficients(design: StudyDesign) -> None:
    for arm in design.arms:
        values = design.coefficients(arm)
        if not values or min(values) < 0 or len(set(values)) < len(values):
            raise ValueError(f"kl_coef of {arm}: name one or more different values that are not negative")
        if not set(values) & set(design.coefficients(design.reference)):
            raise ValueError(f"kl_coef of {arm}: no value is one of {design.reference}, so they share no run")
    if isinstance(design.kl_coef, dict) and (unused := set(design.kl_coef) - set(design.arms)):
        raise ValueError(f"kl_coef of {min(unused)}: the design has no such arm")


def _check_settings(design: StudyDesign) -> None:
    """Raise ValueError for a stage or field that a design cannot set, or a value that is not valid."""
    for stage, given in design.settings.items():
        if stage not in SETTABLE:
            raise ValueError(f"settings.{stage}: choose one of {', '.join(SETTABLE)}")
        if decided := [name for name in given if name in _DECIDED]:
            raise ValueError(f"settings.{stage}.{decided[0]}: the design itself decides this")
        try:
            build(stage, design.preset, overrides=[f"{name}={value}" for name, value in given.items()])
        except UserError as error:
            raise ValueError(f"settings.{error}") from None
