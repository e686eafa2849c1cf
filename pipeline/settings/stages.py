"""The table of stages: what each stage depends on, what it trains, and which function runs it.

It is the only place where stages are listed. The command line, `all`, the lineage of runs, the memory
estimate and the page's header follow it. A new stage is a row here, a settings dataclass, a module with the
entry function, and its texts on the page. Functions that work with stages take the table as an argument, with
`STAGES` as its default. No torch.

    STAGES["ppo"].needs          # ("prepare", "sft", "reward")
    STAGES.plan(["bf16"])        # the steps of `all`, each with the steps that it depends on
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from data.errors import Code, UserError
from data.policies import PRECISIONS
from pipeline.settings import fields


@dataclass(frozen=True)
class Stage:
    """One row.

    settings: the stage's dataclass. entry: "module:function"; it is called with (settings, run, workspace)
    and returns the run's results. needs: the stages whose runs it depends on. uses: the stages whose newest
    run it also takes if there is one. per_precision: whether it has one run per precision. trains: "base" (a
    model from scratch), "adapter" (LoRA on a frozen base), "policy" (an adapter that answers prompts and is
    compared with SFT) or "" (nothing). split: the split of the data set that only this stage reads; the stage
    is part of `all` where `prepare` sets that split aside, and one run serves all seeds, like the data set.
    in_all: whether `all` runs it; a stage of studies alone is not part of it.
    """

    name: str
    settings: type
    entry: str
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    per_precision: bool = False
    trains: Literal["", "base", "adapter", "policy"] = ""
    split: str = ""
    in_all: bool = True

    @property
    def trains_adapter(self) -> bool:
        """Whether its run writes an adapter to model/, needs memory for a base and can span devices."""
        return self.trains in ("adapter", "policy")

    @property
    def uses_models(self) -> bool:
        """Whether it computes with torch; a stage without parents that trains nothing prepares data."""
        return bool(self.needs or self.trains)

    @property
    def module(self) -> str:
        return self.entry.partition(":")[0]

    def function(self) -> Callable[..., dict[str, Any]]:
        """The entry function; this call imports its module."""
        module, _, name = self.entry.partition(":")
        return cast(Callable[..., dict[str, Any]], getattr(importlib.import_module(module), name))


class Step(NamedTuple):
    """One run of `all`. The precision of a stage with only one run is bf16."""

    stage: str
    precision: str


@dataclass(frozen=True)
class Stages:
    """The rows of the table, in the order in which stages run and are listed."""

    rows: tuple[Stage, ...]

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.rows)

    def __contains__(self, name: object) -> bool:
        return any(row.name == name for row in self.rows)

    def get(self, name: str | None) -> Stage | None:
        """The row of a stage; None for a name that is not in the table."""
        return next((row for row in self.rows if row.name == name), None)

    def __getitem__(self, name: str) -> Stage:
        """The row of a stage. Raises UserError for a name that is not in the table."""
        for row in self.rows:
            if row.name == name:
                return row
        raise UserError(f"{name}: no such stage; choose one of {', '.join(self.names)}", code=Code.SETTING)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.rows)

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The stages that `all` runs: those that depend on another stage or that another stage depends on."""
        needed = {name for row in self.rows for name in row.needs}
        return tuple(row for row in self.rows if row.in_all and (row.needs or row.name in needed))

    def prepared_by(self, settings: Any) -> Stages:
        """The table without the stages whose split these settings of `prepare` do not set aside."""
        return Stages(
            tuple(row for row in self.rows if not row.split or getattr(settings, f"{row.split}_fraction"))
        )

    def plan(self, precisions: Iterable[str] = PRECISIONS) -> dict[Step, tuple[Step, ...]]:
        """{step: the steps that it depends on or uses}, in the order in which they run."""
        arms = list(precisions)
        plan: dict[Step, tuple[Step, ...]] = {}
        for row in self.chain:
            for precision in arms if row.per_precision else ["bf16"]:
                needs = (*row.needs, *(name for name in row.uses if name in self))
                plan[Step(row.name, precision)] = tuple(
                    Step(need, arm) for need in needs for arm in self._arms(row, need, precision, arms)
                )
        return plan

    def _arms(self, row: Stage, need: str, precision: str, arms: list[str]) -> list[str]:
        """The precisions of a parent: its only one, the child's, or all for a child with a single run."""
        if not self[need].per_precision:
            return ["bf16"]
        return [precision] if row.per_precision else arms


STAGES = Stages(
    (
        Stage("pretrain", fields.PretrainSettings, "pipeline.stages.pretrain:pretrain", trains="base"),
        Stage("prepare", fields.PrepareSettings, "pipeline.stages.prepare:prepare"),
        Stage("sft", fields.SftSettings, "pipeline.stages.sft:train", needs=("prepare",), trains="adapter"),
        Stage(
            "reward",
            fields.RewardSettings,
            "pipeline.stages.reward:train",
            needs=("prepare", "sft"),
            per_precision=True,
            trains="adapter",
        ),
        Stage(
            "ppo",
            fields.PpoSettings,
            "pipeline.ppo.loop:train",
            needs=("prepare", "sft", "reward"),
            per_precision=True,
            trains="policy",
        ),
        Stage(
            "judge",
            fields.JudgeSettings,
            "pipeline.stages.judge:train",
            needs=("prepare",),
            trains="adapter",
            split="judge",
        ),
        Stage(
            "evaluate",
            fields.EvaluateSettings,
            "pipeline.stages.evaluate:evaluate",
            needs=("prepare", "sft", "reward", "ppo"),
            uses=("judge",),
        ),
        Stage(
            "measure",
            fields.MeasureSettings,
            "pipeline.stages.measure:measure",
            needs=("prepare", "sft", "ppo"),
            per_precision=True,
            in_all=False,
        ),
    )
)
