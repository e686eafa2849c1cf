"""Gold at the same distance from SFT: what a study measured, and its arms compared at one KL.

PPO trades KL for gold, so two policies are compared where they are equally far from their SFT model. Every
policy of a study, snapshots of its training included, answers the same prompts. This module finds the gold of
a PPO run at a given KL; `evaluation.study` draws conclusions.

With all snapshots, that is the gold where the run first comes to the KL. Without them (`trained`), it lies on
the straight line in sqrt(KL) from SFT to the trained policy, so the whole training counts: a reward model
that helps late is not judged by the first steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.errors import Code, UserError

Gold = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measurement:
    """One policy, or a snapshot of one, on the common prompts.

    kl_coef: the strength of the KL penalty of its PPO run. step: of the snapshot. kl: nats per sequence from
    the SFT model of the replicate. gold: [P], in [0, 1].
    """

    replicate: int
    arm: str
    kl_coef: float
    step: int
    kl: float
    gold: Gold

    @property
    def name(self) -> str:
        return f"replicate {self.replicate}, arm {self.arm}, kl_coef {self.kl_coef:g}, step {self.step}"


@dataclass(frozen=True, eq=False)
class Study:
    """All measurements of a study. sft: {replicate: [P]}, the gold of its SFT model on the same prompts.

    Raises UserError for a replicate without SFT, for another number of prompts, for values that are not
    finite, and for a policy that was measured twice.
    """

    sft: dict[int, Gold]
    measurements: tuple[Measurement, ...]

    def __post_init__(self) -> None:
        shapes = {gold.shape for gold in (*self.sft.values(), *(one.gold for one in self.measurements))}
        if len(shapes) > 1 or any(len(shape) != 1 or not shape[0] for shape in shapes):
            raise UserError(
                "a study needs the same prompts, at least one, for every policy", code=Code.REQUEST
            )
        seen = set()
        for one in self.measurements:
            key = (one.replicate, one.arm, one.kl_coef, one.step)
            if one.replicate not in self.sft:
                raise UserError(
                    f"{one.name}: its replicate has no measurement of the SFT model", code=Code.REQUEST
                )
            if key in seen:
                raise UserError(f"{one.name}: is measured twice", code=Code.REQUEST)
            if not math.isfinite(one.kl + float(one.gold.sum())):
                raise UserError(
                    f"{one.name}: has a KL or gold that is not a finite number", code=Code.REQUEST
                )
            seen.add(key)

    @cached_property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.arm for one in self.measurements))

    @cached_property
    def paths(self) -> dict[tuple[int, str], dict[float, list[Measurement]]]:
        """{(replicate, arm): {kl_coef: the snapshots of the PPO run, by step}}."""
        found: dict[tuple[int, str], dict[float, list[Measurement]]] = {}
        for one in sorted(self.measurements, key=lambda m: m.step):
            found.setdefault((one.replicate, one.arm), {}).setdefault(one.kl_coef, []).append(one)
        return found


def gold_at(path: Sequence[Measurement], sft: Gold, kl: float) -> Gold | None:
    """The gold per prompt, [P], where a PPO run first reaches `kl` nats per sequence; None if it never does.

    path: its snapshots by step; it starts from SFT at a KL of 0. Between two snapshots gold is interpolated
    linearly in sqrt(KL), the distance over which it is nearly straight (see `evaluation.overoptimisation`).
    """
    target, before, gold = math.sqrt(kl), 0.0, sft
    for one in path:
        distance = math.sqrt(max(one.kl, 0.0))  # an estimate of a small KL can be negative
        if distance >= target:
            share = (target - before) / (distance - before)
            return gold + share * (one.gold - gold)
        before, gold = distance, one.gold
    return None


def trained(study: Study) -> Study:
    """The study with only the last snapshot of each PPO run."""
    last = {path[-1].name for runs in study.paths.values() for path in runs.values()}
    return Study(study.sft, tuple(one for one in study.measurements if one.name in last))


def matched(study: Study, arm: str, replicate: int, kl: float) -> dict[float, Gold]:
    """{kl_coef: gold per prompt at that KL} of the PPO runs of an arm that reach it."""
    paths = study.paths.get((replicate, arm), {})
    found = {coef: gold_at(path, study.sft[replicate], kl) for coef, path in paths.items()}
    return {coef: gold for coef, gold in found.items() if gold is not None}


def gain_at(study: Study, arm: str, replicate: int, kl: float) -> float | None:
    """The mean gain in gold over SFT at that KL, averaged over kl_coef; None if no run reaches it."""
    found = matched(study, arm, replicate, kl)
    if not found:
        return None
    return float(np.mean([gold.mean() for gold in found.values()]) - study.sft[replicate].mean())


def difference_at(study: Study, arm: str, reference: str, replicate: int, kl: float) -> float | None:
    """Mean gold of the arm minus that of the reference on the same prompts, at that KL.

    It is averaged over the values of kl_coef with which both reach the KL, so that each run is compared with
    a run under the same penalty; None if there is no such value.
    """
    ours, theirs = (matched(study, one, replicate, kl) for one in (arm, reference))
    both = [coef for coef in ours if coef in theirs]
    return float(np.mean([(ours[coef] - theirs[coef]).mean() for coef in both])) if both else None
