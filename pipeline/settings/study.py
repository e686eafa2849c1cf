"""The design of a study: what is compared, how often, and what counts as the answer.

A design is a YAML file of the fields of `StudyDesign`. `pipeline.commands.study` plans and records it,
`evaluation.study` analyses the result. No torch.

    design = read_design("quantised.yaml")
    design.runs()                            # every run that the study needs
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass as settings_class

from data.errors import Code, UserError
from data.files import json_bytes, sha256_text
from data.workspace import check_name
from evaluation.study import Question
from pipeline.settings.fields import Preset
from pipeline.settings.layers import read_config, to_dict

_AGAIN_SEED = 1_000_000  # added to the seed of a replicate for the second reference arm
MEASURE = "measure"  # all policies of the study answer the common prompts

Arm = Literal["bf16", "bf16-again", "int8", "int4", "post-int8", "post-int4", "2-bit", "bag-of-words"]
# The precision of an arm's reward models, for the arms that the stages can make.
_PRECISION: dict[str, str] = {"bf16": "bf16", "bf16-again": "bf16", "int8": "int8", "int4": "int4"}


@dataclass(frozen=True)
class PlannedRun:
    """One run. replicate: None for the measurement that ends the study. precision: of the stage, "" if it
    does not matter. possible: whether this version has a stage for it."""

    stage: str
    replicate: int | None = None
    arm: str = ""
    kl_coef: float | None = None
    precision: str = ""
    seed: int | None = None
    possible: bool = True


@settings_class(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class StudyDesign:
    """The fields of a design.

    Every arm is a way to make the reward models. `reference`, `again` (the reference once more, with other
    random numbers) and `control` (an arm known to harm) are the gates of the study, `treatments` are tested
    with Holm's correction, `described` arms are measured without a test. kl_coef: the strengths of the KL
    penalty, one list for all arms or {arm: list}. A replicate has its own data, SFT and reward models; its
    seed is first_seed plus its number. pilot: replicates before the standard deviation is estimated again.
    """

    name: str
    treatments: tuple[Arm, ...] = Field(min_length=1)
    replicates: int = Field(ge=2, le=1000)
    kl_coef: tuple[float, ...] | dict[Arm, tuple[float, ...]]
    reference: Arm = "bf16"
    again: Arm = "bf16-again"
    control: Arm = "2-bit"
    described: tuple[Arm, ...] = ()
    preset: Preset = "tiny"
    base_model: str = Field("", max_length=1000)
    primary: Literal["gold at the same KL"] = "gold at the same KL"
    kl: float = Field(2.0, gt=0, le=1000)
    margin: float = Field(0.1, gt=0, lt=1)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    power: float = Field(0.8, gt=0, lt=1)
    pilot: int = Field(8, ge=2)
    prompts: int = Field(2000, ge=1)
    first_seed: int = Field(1000, ge=0, le=2**30)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_name(self.name)
        if len(set(self.arms)) < len(self.arms):
            raise ValueError(f"an arm has two roles: {', '.join(self.arms)}")
        if self.pilot > self.replicates:
            raise ValueError(f"pilot={self.pilot} is larger than replicates={self.replicates}")
        for arm in self.arms:
            values = self.coefficients(arm)
            if not values or min(values) < 0 or len(set(values)) < len(values):
                raise ValueError(f"kl_coef of {arm}: name one or more different values that are not negative")
            if not set(values) & set(self.coefficients(self.reference)):
                raise ValueError(
                    f"kl_coef of {arm}: no value is one of {self.reference}, so they share no run"
                )
        if isinstance(self.kl_coef, dict) and (unused := set(self.kl_coef) - set(self.arms)):
            raise ValueError(f"kl_coef of {min(unused)}: the design has no such arm")
        return self

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.reference, self.again, self.control, *self.treatments, *self.described)

    @property
    def question(self) -> Question:
        """What `evaluation.study` has to answer."""
        return Question(
            self.treatments, self.reference, self.again, self.control, self.kl, self.margin, self.alpha
        )

    @property
    def sha256(self) -> str:
        """The hash of all fields, defaults included; comments and the order of lines do not count."""
        return sha256_text(json_bytes(dict(sorted(to_dict(self).items()))).decode())

    def coefficients(self, arm: str) -> tuple[float, ...]:
        """The values of kl_coef of an arm; () if the mapping does not name it."""
        if isinstance(self.kl_coef, dict):
            return next((values for name, values in self.kl_coef.items() if name == arm), ())
        return self.kl_coef

    def runs(self) -> Iterator[PlannedRun]:
        """The runs in an order in which they can run: replicate by replicate, then the measurement."""
        for replicate in range(self.replicates):
            seed = self.first_seed + replicate
            yield PlannedRun("prepare", replicate, seed=seed)
            yield PlannedRun("sft", replicate, seed=seed, precision="bf16")
            for arm in self.arms:
                yield self._run("reward", replicate, arm)
            for arm in self.arms:
                for coefficient in self.coefficients(arm):
                    yield self._run("ppo", replicate, arm, coefficient)
        yield PlannedRun(MEASURE, possible=False)

    def _run(self, stage: str, replicate: int, arm: str, kl_coef: float | None = None) -> PlannedRun:
        seed = self.first_seed + replicate + (_AGAIN_SEED if arm == self.again else 0)
        precision = _PRECISION.get(arm, "")
        return PlannedRun(stage, replicate, arm, kl_coef, precision, seed, possible=bool(precision))


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
