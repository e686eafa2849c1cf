"""Studies of known truth: the replicates, arms, PPO runs and snapshots that `evaluation.study` analyses, made up.

Gold follows R(d) = d * (alpha - beta * log d) over d = sqrt(KL), as in Gao et al. 2023. Each replicate has its own
SFT model and its own size of PPO's gain; each of its arms has a reward model with its own luck, and each PPO run
some more, both proportional to d, because all runs start from the same SFT model. The snapshots of a run lie at
random distances, which differ from arm to arm. Every prompt has its difficulty, the same for all policies, and
noise of its own. All sizes are in gold; the defaults resemble the measured tiny world (the standard deviation of a
paired difference is about 0.02).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from evaluation.study import Measurement, Question, Study, difference_at, gain_at

Shape = Literal["normal", "heavy", "skewed"]


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
                there = gain + self.effects.get(arm, 0.0) + self.sd_model * _luck(self.shape, rng)
                for coef in self.kl_coefs:
                    end = there + rng.normal(0, self.sd_run)
                    measurements += self._run(question, replicate, arm, coef, start, end, rng)
        return Study(sft, tuple(measurements))

    def _run(self, question, replicate, arm, coef, start, there, rng) -> list[Measurement]:
        """The snapshots of a PPO run whose gain at the KL of the question is `there`."""
        target = np.sqrt(question.kl)
        farthest = target * rng.uniform(1.1, 1.6) * (0.1 / coef) ** 0.25
        distances = farthest * np.sqrt(np.arange(1, self.snapshots + 1) / self.snapshots)
        # beta is a third of alpha; the factor makes the gain at the target exactly `there`.
        gains = there * (_law(distances) / _law(target))
        return [
            Measurement(replicate, arm, coef, 10 * (i + 1), d**2, start + gain + rng.normal(0, self.sd_prompt, self.prompts))
            for i, (d, gain) in enumerate(zip(distances, gains, strict=True))
        ]  # fmt: skip

    def sd_of_contrast(self, question: Question, rng: np.random.Generator, pairs: int = 4000) -> float:
        """The standard deviation to plan with, measured in one very large study (see `equivalence.blinded_sd`)."""
        study = replace(self, effects={}).study(question, pairs, rng)
        arm, reference = question.treatments[0], question.reference
        differences = [difference_at(study, arm, reference, r, question.kl) for r in study.sft]
        gains = [gain_at(study, reference, r, question.kl) for r in study.sft]
        return float(np.sqrt(np.var(differences) + question.margin**2 * np.var(gains)))


def _law(d):
    return d * (1 - np.log(d) / 3)


def _luck(shape: Shape, rng: np.random.Generator) -> float:
    """A random number with mean 0 and variance 1."""
    if shape == "heavy":
        return rng.standard_t(5) / np.sqrt(5 / 3)
    if shape == "skewed":  # now and then a reward model that is much worse than the rest
        return 1 - rng.exponential()
    return rng.normal()
