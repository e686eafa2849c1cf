"""What the settings of all stages have in common: the names of the presets, and how a field is declared.

`pipeline.settings.fields` has the dataclasses of the project's stages. No torch.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings_class

from data.policies import Precision

Preset = Literal["tiny", "small", "edge"]
PRESETS: tuple[str, ...] = get_args(Preset)

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


def setting(default: Any, text: str, *, unit: str = "", group: str = "main", **bounds: Any) -> Any:
    """A field with its help, unit, group on the form, and bounds (ge, gt, le, lt, max_length)."""
    return Field(default, description=text, json_schema_extra={"unit": unit, "group": group}, **bounds)


@settings_class(frozen=True, config=STRICT)
class StageSettings:
    """The settings that every stage has."""

    preset: Preset = setting(
        "tiny",
        "tiny: embedded, no network, no GPU; small: SmolLM2 and hh-rlhf on two CPU cores; "
        "edge: distilgpt2 and hh-rlhf",
    )
    precision: Precision = setting("bf16", "Number format of the frozen base weights")
    seed: int = setting(42, "Seed of every random number in this run", ge=0, le=2**31 - 1)
    name: str = setting(
        "",
        "Name of the result; for a data set, its folder (empty = derived from its source)",
        group="naming",
        max_length=100,
    )

    @property
    def unneeded(self) -> tuple[str, ...]:
        """The stages in `Stage.needs` that a run with these settings does not need."""
        return ()
