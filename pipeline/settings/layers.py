"""The settings of a stage from their layers: default < preset < YAML < --set < named flag.

`pipeline.settings.fields` defines the fields in one frozen dataclass per stage. The command line, the YAML
files and the forms on the page all follow these classes, so that a setting is defined once. This module does
not know what a stage does with its settings and never loads torch.

    settings = build("sft", "tiny", overrides=["max_steps=20"])
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from data.bases import NAMES
from data.errors import Code, UserError
from data.sources import default_name, places_of
from data.workspace import check_name
from pipeline.runs.hardware import has_gpu
from pipeline.settings.every_stage import PRESETS
from pipeline.settings.presets import preset_values
from pipeline.settings.stages import STAGES, Stages

_TYPES = {"boolean": bool, "integer": int, "number": float, "string": str}


@dataclass(frozen=True)
class FieldInfo:
    """One setting, for a form or a help text; minimum and maximum are inclusive or exclusive."""

    name: str
    type: type
    default: Any
    help: str
    unit: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    group: str


def fields(stage: str, preset: str = "tiny", stages: Stages = STAGES) -> list[FieldInfo]:
    """The fields of a stage in order; `default` is the preset's value."""
    schema = _schema(stages[stage].settings)["properties"]
    values = preset_values(stage, preset, has_gpu()) | {"preset": preset}
    return [
        FieldInfo(
            name=name,
            type=_TYPES[field["type"]],
            default=values.get(name, field["default"]),
            help=field.get("description", ""),
            unit=field.get("unit", ""),
            minimum=field.get("minimum", field.get("exclusiveMinimum")),
            maximum=field.get("maximum", field.get("exclusiveMaximum")),
            choices=tuple(field.get("enum", ())),
            group=field.get("group", "main"),
        )
        for name, field in schema.items()
    ]


@functools.cache  # a class's schema never changes, and its construction takes 20 ms
def _schema(cls: type) -> dict[str, Any]:
    return TypeAdapter(cls).json_schema()


def build(
    stage: str,
    preset: str | None = None,
    *,
    precision: str | None = None,
    seed: int | None = None,
    config_file: Path | str | None = None,
    overrides: Iterable[str] = (),
    stages: Stages = STAGES,
) -> Any:
    """The settings of `stage` from all layers. Raises UserError that names the field and its valid values.

    `overrides` are "field=value" texts. None for preset, precision or seed means "not given as a flag".
    Sizes that only the preset chose (micro_batch_size, num_minibatches) shrink to fit a smaller batch_size.
    """
    asked = read_config(config_file) if config_file is not None else {}
    asked |= parse_overrides(overrides)
    flags = {"preset": preset, "precision": precision, "seed": seed}
    asked |= {name: value for name, value in flags.items() if value is not None}
    return from_dict(stage, asked, stages)


def stages_of(preset: str, prepare: Mapping[str, Any] | None = None, stages: Stages = STAGES) -> Stages:
    """The stages that a preset has: without those whose split of the data set `prepare` does not set aside.

    prepare: settings of `prepare` that were asked for. Raises UserError where they are wrong.
    """
    return stages.prepared_by(from_dict("prepare", {**(prepare or {}), "preset": preset}, stages))


def from_dict(stage: str, asked: Mapping[str, Any], stages: Stages = STAGES) -> Any:
    """Settings from a mapping of fields (as in config.yaml) over the preset's values."""
    cls = stages[stage].settings
    names = [item.name for item in dataclasses.fields(cls)]
    for name in asked:
        if name not in names:
            raise UserError(_unknown_field(stage, str(name), names), code=Code.SETTING)
    preset = asked.get("preset", "tiny")
    if preset not in PRESETS:
        raise UserError(f"preset={preset}: choose one of {', '.join(PRESETS)}", code=Code.SETTING)
    values = preset_values(stage, preset, has_gpu()) | {"preset": preset} | _texts(cls, asked)
    if "base_model" in values:
        values["base_model"] = _absolute(values["base_model"])
    if isinstance(values.get("source"), str):
        values["source"] = ",".join(map(_absolute, places_of(values["source"])))
    settings = _validated(stage, cls, values)
    _check_names(stage, settings)
    return _fitted(stage, settings, set(asked))


def to_dict(settings: Any) -> dict[str, Any]:
    """Plain values of settings, for config.yaml and run.json."""
    return dataclasses.asdict(settings)


def read_config(path: Path | str) -> dict[str, Any]:
    """A YAML file of fields. Raises UserError if it is missing, unreadable or not a mapping."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        values = yaml.load(
            text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )  # the C loader is faster
    except FileNotFoundError:
        raise UserError(f"{path}: no such config file", code=Code.FILE) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read the config file: {error}", code=Code.FILE) from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise UserError(
            f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}", code=Code.FILE
        ) from None
    except (ValueError, RecursionError) as error:  # an impossible date, or nesting that is too deep
        raise UserError(f"{path}: not valid YAML: {error}", code=Code.FILE) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected lines of the form field: value", code=Code.FILE)
    return values


def parse_overrides(overrides: Iterable[str]) -> dict[str, str]:
    """{"max_steps": "20"} from ["max_steps=20"]. Raises UserError on a text without "="."""
    values = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"{text}: write field=value", code=Code.SETTING)
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise UserError(
                f"{text}: contains half a surrogate pair, which is not valid text", code=Code.SETTING
            )
        values[name.strip()] = value
    return values


def _unknown_field(stage: str, name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    return f"{stage} has no setting {name!r}; {hint}"


def _texts(cls: type, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Convert numbers in text fields to text, because YAML reads `name: 2024` as a number."""
    hints = get_type_hints(cls)
    return {
        name: str(value) if hints[name] is str and isinstance(value, int | float) else value
        for name, value in asked.items()
    }


def _absolute(place: Any) -> Any:
    """Make the path of a file or folder absolute, because the stage may run in another working directory."""
    if not isinstance(place, str) or place in ("", "votes", *NAMES) or not os.path.exists(place):
        return place
    return os.path.abspath(place)


def _validated(stage: str, cls: type, values: Mapping[str, Any]) -> Any:
    try:
        return cls(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"].replace("Input should be", "should be")
        raise UserError(f"{stage}: {name}={problem['input']}: {reason}", code=Code.SETTING) from None


def _check_names(stage: str, settings: Any) -> None:
    """Raise UserError for a name that cannot be a folder or file of the workspace, before the stage runs."""
    names = {
        name: getattr(settings, name, "")
        for name in ("name", "dataset", "sft_run", "reward_run", "start_run", "judge_run")
    }
    if stage == "prepare" and not settings.name:
        names["source"] = default_name(settings.source)
    for field, name in names.items():
        try:
            if name:
                check_name(name)
        except UserError as error:
            raise UserError(
                f"{stage}: {error}" if field == "name" else f"{stage}: {field}: {error}", code=Code.NAME
            ) from None


def _fitted(stage: str, settings: Any, asked: set[str]) -> Any:
    """Make micro_batch_size divide batch_size; in PPO, num_minibatches divides batch_size and
    micro_batch_size divides a minibatch. Raises UserError if that is impossible or a response leaves no room
    for its prompt."""
    if getattr(settings, "response_length", 0) and settings.response_length >= settings.max_length:
        raise UserError(
            f"{stage}: response_length={settings.response_length} leaves no room for a prompt in "
            f"max_length={settings.max_length}: set a smaller response_length or a larger max_length",
            code=Code.SETTING,
        )
    if not hasattr(settings, "micro_batch_size"):
        return settings
    changes: dict[str, int] = {}
    whole = settings.batch_size
    if hasattr(settings, "num_minibatches"):
        parts = _divisor(
            stage, "num_minibatches", settings.num_minibatches, whole, "num_minibatches" in asked
        )
        changes["num_minibatches"] = parts
        whole //= parts
    explicit = "micro_batch_size" in asked and settings.micro_batch_size <= whole
    changes["micro_batch_size"] = _divisor(
        stage, "micro_batch_size", settings.micro_batch_size, whole, explicit
    )
    return dataclasses.replace(settings, **changes)


def _divisor(stage: str, name: str, value: int, whole: int, explicit: bool) -> int:
    """The largest divisor of `whole` that is not above `value`; an explicit value must be one itself."""
    best = max(d for d in range(1, min(value, whole) + 1) if whole % d == 0)
    if explicit and best != value:
        raise UserError(
            f"{stage}: {name}={value} does not divide {whole}; {name}={best} does", code=Code.SETTING
        )
    return best
