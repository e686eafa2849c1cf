"""What a run takes from its parents: the record of who they are, the base and LoRA shape, and the newest run.

`pipeline.runs.lineage` finds the parents. Reads records only; no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from data.errors import Code, UserError
from pipeline.runs.record_file import Parents, RunRecord


@dataclass(frozen=True)
class Resolved:
    """A stage's settings, with the values inherited from its parents, and these parents.

    parents.dataset is the name of the data set, parents.runs["prepare"] the run that created it, if known.
    """

    settings: Any
    parents: Parents

    @property
    def dataset(self) -> str:
        return self.parents.dataset


def dataset_name(prepare_run: RunRecord) -> str:
    """The name of the data set that a prepare run created; "" if its record does not contain it."""
    name = prepare_run.results.get("dataset") or prepare_run.config.get("name")
    return name if isinstance(name, str) else ""


def newest(
    done: Iterable[RunRecord], preset: str | None, precision: str | None, config: Mapping[str, Any]
) -> RunRecord | None:
    """The first run of a preset that has these settings (and this precision, unless it is None)."""
    for run in done:
        if (
            run.preset == preset
            and precision in (None, run.precision)
            and run.usual
            and all(run.config.get(name) == value for name, value in config.items())
        ):
            return run
    return None


def check_root(stage: str, settings: Any) -> None:
    """Raise UserError if a stage without a parent lacks its base or LoRA shape."""
    if not settings.base_model or not settings.lora_rank or not settings.lora_alpha:
        raise UserError(
            f"{stage} has no parent to take base_model, lora_rank or lora_alpha from: set them",
            code=Code.SETTING,
        )


def inherit(stage: str, settings: Any, sft: RunRecord) -> Any:
    """Inherit base and LoRA shape from the SFT run. Raises UserError if the settings have other values."""
    taken = {name: sft.config.get(name) for name in ("base_model", "lora_rank", "lora_alpha")}
    for name, value in taken.items():
        given = getattr(settings, name)
        if given and given != value:
            raise UserError(
                f"{stage}: {name}={given}, but its SFT run {sft.id} has {value}; leave it out",
                code=Code.SETTING,
            )
    try:
        return dataclasses.replace(settings, **taken)
    except ValidationError:
        raise UserError(
            f"{stage}: the record of its SFT run {sft.id} has no usable {taken}", code=Code.SETTING
        ) from None


def flat(parents: Parents) -> dict[str, Any]:
    """{"sft": id, "ppo-int8": id, ...}: one entry per parent."""
    found: dict[str, Any] = {}
    for role, value in parents.to_json().items():
        if isinstance(value, Mapping):
            found |= {f"{role}-{precision}": run_id for precision, run_id in value.items()}
        else:
            found[role] = value
    return found
