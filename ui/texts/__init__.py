"""Every text of the page in English and 简体中文.

There is a module for each tab; `frame` has the texts around the tabs, `fields` the names of the settings,
`errors` what the page says about errors. `Texts("zh")("run.step", step=3, total=9)` returns a text in one
language. An unknown key is an error: tests/test_texts.py checks that both languages are complete, that they
have the same blanks, and that the page uses no key that is missing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui.texts.arena import ARENA
from ui.texts.comparing import COMPARING
from ui.texts.data import DATA
from ui.texts.errors import ERRORS
from ui.texts.evaluation import EVALUATION
from ui.texts.fields import FIELDS, GROUPS, UNITS
from ui.texts.frame import FRAME
from ui.texts.judging import JUDGING
from ui.texts.measuring import MEASURING
from ui.texts.runs import RUNS
from ui.texts.start import START
from ui.texts.study import STUDY
from ui.texts.trained import TRAINED
from ui.texts.training import TRAINING

TABLE: dict[str, tuple[str, str]] = {
    **FRAME,
    **START,
    **DATA,
    **TRAINING,
    **ARENA,
    **JUDGING,
    **EVALUATION,
    **STUDY,
    **RUNS,
    **TRAINED,
    **COMPARING,
    **MEASURING,
    **ERRORS,
}


@dataclass(frozen=True)
class Texts:
    """The page's texts in one language, "en" or "zh"."""

    language: str

    def __call__(self, key: str, **blanks: Any) -> str:
        """The text of `key` with its blanks filled in. Raises KeyError for an unknown key."""
        return TABLE[key][self.language == "zh"].format(**blanks)

    def has(self, key: str) -> bool:
        return key in TABLE

    def cause(self, code: str | None) -> str:
        """What kind of error this code stands for, in one sentence; "" if only the message says it."""
        return self(f"error.{code}") if self.has(f"error.{code}") else ""

    def advice(self, code: str) -> str:
        """What to do about an error of this code (`data.errors.Code`); "" where its message says it."""
        return self(f"advice.{code}") if self.has(f"advice.{code}") else ""

    def label_of(self, name: str) -> str:
        """The label of a setting."""
        return FIELDS[name][self.language == "zh"] if name in FIELDS else name

    def label(self, field: Any) -> str:
        """The label of a setting with its unit."""
        label = self.label_of(field.name)
        unit = UNITS.get(field.unit, field.unit) if self.language == "zh" else field.unit
        said = field.unit.rstrip("s") in FIELDS.get(field.name, (field.name,))[0].lower()
        return label if said else f"{label} ({unit})"

    def help(self, field: Any) -> str:
        """The help of a setting."""
        return FIELDS[field.name][2] if self.language == "zh" and field.name in FIELDS else field.help

    def group(self, name: str) -> str:
        """The name of a group of settings."""
        return GROUPS[name][self.language == "zh"] if name in GROUPS else name
