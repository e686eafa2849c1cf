"""`python -m pipeline all`: what is missing or stale, in order, for the three precisions, and the comparison.

Stages that do not stand on each other run side by side, as many as there are cores for: one thread each does
more than all threads together on one small model. A failed arm does not stop the others; what would stand on
it is left out. The processes are made in `stage_processes.py`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from data.errors import UserError
from data.workspace import Workspace
from pipeline.commands.comparison_table import comparison
from pipeline.commands.stage_processes import StageProcesses
from pipeline.memory.estimate import side_by_side
from pipeline.runs import locks
from pipeline.runs.hardware import has_gpu, physical_cores
from pipeline.runs.lineage import missing, newest_done, plan
from pipeline.runs.progress import clock_time
from pipeline.settings.fields import PRECISIONS, STAGES
from pipeline.settings.layers import build, fields, parse_overrides, read_config, to_dict

CHAIN = ("prepare", "sft", "reward", "ppo", "evaluate")
Step = tuple[str, str]  # stage, precision


def run_everything(
    workspace: Workspace,
    *,
    preset: str | None = None,
    precision: str | None = None,
    seed: int | None = None,
    config_file: str | None = None,
    overrides: Sequence[str] = (),
    seeds: int = 1,
    jobs: int | None = None,
    processes: StageProcesses | None = None,
) -> int:
    """Run the chain; returns the exit code: 0 all done, else the worst of its stages.

    jobs: stages side by side; None = one a core for tiny and small where there is no GPU, else 1.

    Overrides are stage.field=value, or field=value for every stage that has the field. `precision` limits the
    arms to one. With several seeds the data set stays and everything from SFT on is run once a seed.
    """
    wishes = _wishes(config_file, overrides)
    preset = preset or next((str(w["preset"]) for w in wishes.values() if "preset" in w), "tiny")
    first = seed if seed is not None else 42
    for stage in CHAIN:
        build(stage, preset, overrides=_texts(wishes[stage]))  # a wrong setting is told before anything runs
    workspace.create()
    begin, worst = time.monotonic(), 0
    arms = [precision] if precision else list(PRECISIONS)
    jobs = jobs or (physical_cores() if preset in ("tiny", "small") and not has_gpu() else 1)
    fitting = side_by_side(jobs, _trainings(preset, wishes, arms), workspace)
    if fitting < jobs:
        print(f"all: memory for {fitting} of {jobs} stages side by side", flush=True)
        jobs = fitting
    chain = _Chain(workspace, preset, wishes, arms, seeds > 1, jobs, processes or StageProcesses())
    with locks.hold(locks.training_lock(workspace), stage="all"):
        for number in range(first, first + seeds):
            if seeds > 1 or seed is not None:
                for stage in CHAIN[1:]:
                    wishes[stage]["seed"] = str(number)
            worst = max(worst, chain.run(), key=_badness)
    print(f"\n{comparison(workspace, preset, range(first, first + seeds) if seeds > 1 else None)}")
    print(f"\nall: {clock_time(time.monotonic() - begin)}", flush=True)
    return worst


@dataclass
class _Chain:
    """One pass of the stages for one seed. With fixed parents a run names its parents, so that seeds do not
    mix.
    """

    workspace: Workspace
    preset: str
    wishes: dict[str, dict[str, str]]
    arms: list[str]
    fixed_parents: bool
    jobs: int
    processes: StageProcesses

    def run(self) -> int:
        """Run what is missing or stale; returns the worst exit code."""
        asked = {stage: _typed(stage, self.preset, self.wishes[stage]) for stage in CHAIN}
        steps = missing(self.workspace, self.preset, asked, self.arms)
        if not steps:
            print("all: everything is done and fresh", flush=True)
        needs = {(stage, precision): parents for stage, precision, parents in plan(self.arms)}
        waiting = {(step["stage"], step["precision"]): step["reason"] for step in steps}
        running: dict[Any, Step] = {}
        failed: set[Step] = set()
        worst = 0
        with _termination_interrupts():
            try:
                while waiting or running:
                    open_ = set(waiting) | set(running.values())
                    ready = [step for step in waiting if not needs[step] & open_]
                    company = min(self.jobs, len(running) + len(ready))
                    for step in ready[: self.jobs - len(running)]:
                        reason = waiting.pop(step)
                        if self._left_out(step, failed):
                            failed.add(step)
                        else:
                            running[self._start(step, reason, asked, company)] = step
                    for process in self.processes.wait(list(running)) if running else []:
                        step = running.pop(process)
                        if process.exitcode:
                            failed.add(step)
                            worst = max(worst, process.exitcode, key=_badness)
            except KeyboardInterrupt:
                self.processes.stop(list(running))
                raise
        return worst

    def _left_out(self, step: Step, failed: set[Step]) -> bool:
        blocker = _blocker(*step, failed, self.arms)
        if blocker:
            print(f"\n== {' '.join(step)}: left out, because {' '.join(blocker)} failed", flush=True)
        return blocker is not None

    def _start(self, step: Step, reason: str, asked: dict[str, dict[str, Any]], company: int) -> Any:
        stage, precision = step
        print(f"\n== {stage} {precision}: {reason}", flush=True)
        values = dict(self.wishes[stage])
        if self.fixed_parents:
            values = _parents(self.workspace, stage, self.preset, precision, asked) | values
        return self.processes.start(
            self.workspace, stage, self.preset, precision, _texts(values), company=company
        )


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM counts as Ctrl-C: it reaches this process alone, which passes it on to the stages."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _blocker(
    stage: str, precision: str, failed: set[tuple[str, str]], arms: list[str]
) -> tuple[str, str] | None:
    """The failed run without which this one cannot be (evaluate needs one policy, whichever)."""
    needs = [("prepare", "bf16"), ("sft", "bf16")] if stage != "prepare" else []
    if stage == "ppo":
        needs.append(("reward", precision))
    if stage == "evaluate" and all(("ppo", arm) in failed for arm in arms):
        needs.append(("ppo", arms[0]))
    return next((need for need in needs if need in failed and need != (stage, precision)), None)


def _parents(
    workspace: Workspace, stage: str, preset: str, precision: str, asked: dict[str, dict[str, Any]]
) -> dict[str, str]:
    found = {}
    if stage in ("reward", "ppo", "evaluate"):
        sft = newest_done(workspace, "sft", preset, **asked["sft"])
        found["sft_run"] = sft["id"] if sft else ""
    if stage == "ppo":
        reward = newest_done(workspace, "reward", preset, precision, **asked["reward"])
        found["reward_run"] = reward["id"] if reward else ""
    return found


def _trainings(
    preset: str, wishes: dict[str, dict[str, str]], arms: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """(stage, settings) of all that train, on SFT's base with its LoRA rank, as they will take them over."""
    sft = build("sft", preset, overrides=_texts(wishes["sft"]))
    taken_over = {"base_model": sft.base_model, "lora_rank": str(sft.lora_rank)}
    yield "sft", sft
    for stage in ("reward", "ppo"):
        for arm in arms:
            yield stage, build(stage, preset, precision=arm, overrides=_texts(taken_over | wishes[stage]))


def _wishes(config_file: str | None, overrides: Sequence[str]) -> dict[str, dict[str, str]]:
    """{stage: {field: text}} from the YAML file (sections or bare fields) and --set, the latter winning."""
    wishes: dict[str, dict[str, str]] = {stage: {} for stage in CHAIN}
    for name, value in (read_config(config_file) if config_file else {}).items():
        if name in CHAIN and isinstance(value, dict):
            for field, inner in value.items():
                _wish(wishes, f"{name}.{field}", str(inner))
        else:
            _wish(wishes, str(name), str(value))
    for name, value in parse_overrides(overrides).items():
        _wish(wishes, name, value)
    return wishes


def _wish(wishes: dict[str, dict[str, str]], name: str, value: str) -> None:
    stage, dot, field = name.partition(".")
    if dot:
        if stage not in CHAIN:
            known = ", ".join(one for one in STAGES if one in CHAIN)
            raise UserError(f"--set {name}: {stage} is no stage of all; choose one of {known}")
        wishes[stage][field] = value
        return
    having = [one for one in CHAIN if name in {field.name for field in fields(one)}]
    if not having:
        raise UserError(
            f"--set {name}: no stage has this setting; write stage.field=value for one of a stage"
        )
    for one in having:
        wishes[one][name] = value


def _typed(stage: str, preset: str, wishes: dict[str, str]) -> dict[str, Any]:
    """The wished fields as the records hold them."""
    values = to_dict(build(stage, preset, overrides=_texts(wishes)))
    return {name: values[name] for name in wishes if name not in ("preset", "precision", "name")}


def _texts(wishes: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in wishes.items()]


def _badness(code: int) -> int:
    """0 before 2 (the user can mend it) before anything else (a bug, a kill)."""
    return {0: 0, 2: 1}.get(code, 2)
