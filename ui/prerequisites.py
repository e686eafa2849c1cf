"""The earlier steps that a stage needs and that have not been run: the start button runs them first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data.errors import Code, UserError
from pipeline.runs.lineage import Lineage
from pipeline.settings.layers import build, stages_of
from pipeline.settings.stages import STAGES, Step
from ui.parts import LIVE, Services
from ui.texts import Texts


def missing_before(
    services: Services, stage: str, preset: str, precisions: Sequence[str], changed: Sequence[str]
) -> list[Step]:
    """The steps to run before `stage`, in order; [] if its parents exist, wait in the queue or are named."""
    line, plan = Lineage(services.runs), stages_of(preset).plan()
    live = {(r.stage, r.precision) for r in line.records if r.status in LIVE and r.preset == preset}
    found: list[Step] = []

    def add(step: Step, given: Sequence[str]) -> None:
        for need in plan[step]:
            row = STAGES[need.stage]
            if need.stage in given or need in found or (need.stage, need.precision) in live:
                continue
            if line.newest_done(need.stage, preset, need.precision if row.per_precision else None) is None:
                add(need, ())
                found.append(need)

    for precision in precisions:
        settings = build(stage, preset, precision=precision, overrides=changed)
        if lacks_parents(line, stage, settings):
            arm = precision if STAGES[stage].per_precision else "bf16"
            add(Step(stage, arm), [*settings.unneeded, *named(settings)])
    return found


def lacks_parents(line: Lineage, stage: str, settings: Any) -> bool:
    """Whether a stage with these settings has to wait for an earlier one."""
    try:
        line.resolve(stage, settings)
    except UserError as error:
        return error.code in (Code.PARENT, Code.DATASET)
    return False


def named(settings: Any) -> list[str]:
    """The parents that the settings name themselves."""
    fields = {"prepare": "dataset", "sft": "sft_run", "reward": "reward_run"}
    return [stage for stage, field in fields.items() if getattr(settings, field, "")]


def start_label(stage: str, missing: Sequence[Step], t: Texts) -> str:
    """The text of the start button, which names what it does."""
    if not missing:
        return t(f"start.{stage}")
    then = t(f"then.{stage}")
    if [step.stage for step in missing] == ["prepare"]:
        return t("start.after_data", then=then)
    return t("start.after", count=len(missing), then=then)


def start(
    services: Services, stage: str, preset: str, precisions: Sequence[str | None], changed: Sequence[str]
) -> list[str]:
    """Put the missing steps and then the stage into the queue, one run per precision; the new run ids."""
    arms = [precision or "bf16" for precision in precisions]
    started = []
    for step in missing_before(services, stage, preset, arms, changed):
        arm = step.precision if STAGES[step.stage].per_precision else None
        started.append(services.jobs.start(step.stage, preset, arm))
    return started + [services.jobs.start(stage, preset, precision, changed) for precision in precisions]
