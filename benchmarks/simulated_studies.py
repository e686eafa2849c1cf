"""Studies of known truth: the replicates, arms, PPO runs and snapshots that `evaluation.study` analyses, made up.

Gold follows R(d) = d * (alpha - beta * log d) over d = sqrt(KL), as in Gao et al. 2023. Each replicate has its own
SFT model and its own size of PPO's gain; each of its arms has a reward model with its own luck, and each PPO run
some more, both proportional to d, because all runs start from the same SFT model. The snapshots of a run lie at
random distances, which differ from arm to arm. Every prompt has its difficulty, the same for all policies, and
noise of its own. All sizes are in gold; the defaults resemble the measured tiny world (the standard deviation of a
paired difference is about 0.02).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from evaluation.matched_kl import Measurement, Study
from evaluation.study import Analysis, Question, compare, conclude

Shape = Literal["normal", "heavy", "skewed"]
FARTHEST = (1.1, 1.6)  # the range of a PPO run's last distance, relative to that of the question


@dataclass(frozen=True)
class Truth:
    """effects: {arm: the true difference from the reference at the KL of the question, in gold}; an arm that is not
    named has none. gain: PPO's true mean gain there. sd_gain: of a replicate's gain. sd_model, sd_run: the luck of a
    reward model and of a PPO run. sd_prompt: noise of one answer. shape: of the luck of reward models."""

    effects: dict[str, float] = field(default_factory=dict)
    gain: float = 0.2
    sd_gain: float = 0.03
    sd_model: float = 0.012
    sd_run: float = 0.01
    sd_prompt: float = 0.05
    shape: Shape = "normal"
    kl_coefs: tuple[float, ...] = (0.05, 0.1)
    snapshots: int = 4
    prompts: int = 24

    def study(self, question: Question, replicates: int, rng: np.random.Generator) -> Study:
        """One study with this truth."""
        difficulty = rng.normal(0.5, 0.2, self.prompts)
        sft, measurements = {}, []
        for replicate in range(replicates):
            start = difficulty + rng.normal(0, 0.03)
            gain = rng.normal(self.gain, self.sd_gain)
            sft[replicate] = start + rng.normal(0, self.sd_prompt, self.prompts)
            for arm in question.arms:
                there = (
                    gain + self.effects.get(arm, 0.0) + self.sd_model * float(_luck(self.shape, rng, 1)[0])
                )
                for coef in self.kl_coefs:
                    end = there + rng.normal(0, self.sd_run)
                    measurements += self._run(question, replicate, arm, coef, start, end, rng)
        return Study(sft, tuple(measurements))

    def _run(self, question, replicate, arm, coef, start, there, rng) -> list[Measurement]:
        """The snapshots of a PPO run whose gain at the KL of the question is `there`."""
        target = np.sqrt(question.kl)
        farthest = target * rng.uniform(*FARTHEST) * _reach(coef)
        distances = farthest * np.sqrt(np.arange(1, self.snapshots + 1) / self.snapshots)
        # beta is a third of alpha; the factor makes the gain at the target exactly `there`.
        gains = there * (_law(distances) / _law(target))
        return [
            Measurement(replicate, arm, coef, 10 * (i + 1), d**2, start + gain + rng.normal(0, self.sd_prompt, self.prompts))
            for i, (d, gain) in enumerate(zip(distances, gains, strict=True))
        ]  # fmt: skip

    def share(self, question: Question) -> float:
        """The part of a true gain or effect that the question sees: 1 with all snapshots. With `trained` it is
        less, because gold lies above the straight line from SFT to the trained policy; the mean over runs."""
        if question.points == "snapshots":
            return 1.0
        far = np.linspace(*FARTHEST, 1001)[:, None] * [_reach(coef) for coef in self.kl_coefs]
        target = np.sqrt(question.kl)
        return float(np.mean(_law(far * target) / _law(target) / far))

    def matched(self, question: Question, replicates: int, rng: np.random.Generator) -> Matched:
        """The gold of each arm at the KL of the question, without the snapshots that lead to it: much quicker."""
        noise = self.sd_prompt / np.sqrt(self.prompts)
        gain = rng.normal(self.gain, self.sd_gain, replicates) + noise * rng.standard_normal(replicates)
        run = np.hypot(self.sd_run, noise) / np.sqrt(len(self.kl_coefs))
        return Matched({
            arm: gain + self.effects.get(arm, 0.0) + run * rng.standard_normal(replicates)
            + self.sd_model * _luck(self.shape, rng, replicates)
            for arm in question.arms
        })  # fmt: skip

    def sd_of_contrast(self, question: Question) -> float:
        """The standard deviation of a paired difference, with that of the margin; see `equivalence.blinded_sd`."""
        noise = self.sd_prompt**2 / self.prompts
        one = self.sd_model**2 + (self.sd_run**2 + noise) / len(self.kl_coefs)
        return float(np.sqrt(2 * one + question.margin**2 * (one + self.sd_gain**2 + noise)))


@dataclass(frozen=True, eq=False)
class Matched:
    """Gains: {arm: [n]}, mean gold minus that of SFT at the KL of the question, one per replicate."""

    gains: dict[str, np.ndarray]

    def first(self, n: int) -> Matched:
        """The first n replicates."""
        return Matched({arm: values[:n] for arm, values in self.gains.items()})

    def analyse(self, question: Question) -> Analysis:
        """What `evaluation.study.analyse` concludes from these gains."""
        reference = self.gains[question.reference]
        compared = {
            arm: compare(arm, values - reference, question.margin * reference)
            for arm, values in self.gains.items()
            if arm != question.reference
        }
        return conclude(question, reference, compared, prompts=1)


def _reach(coef: float) -> float:
    """How far a PPO run comes under its penalty, relative to kl_coef 0.1."""
    return (0.1 / coef) ** 0.25


def _law(d):
    return d * (1 - np.log(d) / 3)


def _luck(shape: Shape, rng: np.random.Generator, n: int) -> np.ndarray:
    """Random numbers, [n], with mean 0 and variance 1."""
    if shape == "heavy":
        return rng.standard_t(5, n) / np.sqrt(5 / 3)
    if shape == "skewed":  # now and then a reward model that is much worse than the rest
        return 1 - rng.exponential(size=n)
    return rng.standard_normal(n)
