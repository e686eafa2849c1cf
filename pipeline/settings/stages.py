"""The table of stages: what each stage stands on, what it trains, and which function runs it.

It is the only place where stages are listed. The command line, `all`, the lineage of runs, the memory
estimate and the page's header follow it. A new stage is a row here, a settings dataclass, a module with the
entry function, and its texts on the page. Functions that work with stages take the table as an argument, with
`STAGES` as its default. No torch.

    STAGES["ppo"].needs          # ("prepare", "sft", "reward")
    STAGES.plan(["bf16"])        # the steps of `all`, each with the steps it stands on
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
    and returns the run's results. needs: the stages whose runs it stands on. uses: those whose newest run it
    takes too where there is one. per_precision: it has one run per precision. trains: "base" (a model from
    scratch), "adapter" (LoRA on a frozen base), "policy" (an adapter that answers prompts and is compared
    with SFT) or "". split: the split of the data set that this stage alone reads; it is part of `all` where
    `prepare` sets one aside, and there is one run for all seeds, as of the data set.
    """

    name: str
    settings: type
    entry: str
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    per_precision: bool = False
    trains: Literal["", "base", "adapter", "policy"] = ""
    split: str = ""

    @property
    def trains_adapter(self) -> bool:
        """Whether its run has an adapter in model/, needs memory for a base and can span devices."""
        return self.trains in ("adapter", "policy")

    @property
    def uses_models(self) -> bool:
        """Whether it computes with torch; a stage that stands on nothing and trains nothing makes data."""
        return bool(self.needs or self.trains)

    @property
    def module(self) -> str:
        return self.entry.partition(":")[0]

    def function(self) -> Callable[..., dict[str, Any]]:
        """The entry function; its module is imported now."""
        module, _, name = self.entry.partition(":")
        return cast(Callable[..., dict[str, Any]], getattr(importlib.import_module(module), name))


class Step(NamedTuple):
    """One run of `all`. A stage without arms has the precision bf16."""

    stage: str
    precision: str


@dataclass(frozen=True)
class Stages:
    """The rows, in the order in which stages are run and listed."""

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
        """The stages that `all` runs: those that stand on another one or that another one stands on."""
        needed = {name for row in self.rows for name in row.needs}
        return tuple(row for row in self.rows if row.needs or row.name in needed)

    def prepared_by(self, settings: Any) -> Stages:
        """The table without the stages whose split these settings of `prepare` do not set aside."""
        return Stages(
            tuple(row for row in self.rows if not row.split or getattr(settings, f"{row.split}_fraction"))
        )

    def plan(self, precisions: Iterable[str] = PRECISIONS) -> dict[Step, tuple[Step, ...]]:
        """{step: the steps it stands on or uses} in the order of running."""
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
        """The precisions of a parent: its only one, the same arm, or all arms for a stage without arms."""
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
    )
)
