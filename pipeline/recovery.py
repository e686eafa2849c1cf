"""What a PPO run does by itself about too little memory and about instability. Decisions only, no torch.

Out of memory: the step is done again with half the micro-batch (twice the accumulation, the same effective
batch), down to one row; then with activation checkpointing; then there is nothing left to give up.
Instability (a loss or gradient that is not finite, a loss or KL far above those of the steps before): back
to the last checkpoint, with half the learning rate, a warm-up over a tenth of what is left, and gradients
clipped at 0.5; a bounded number of times. `pipeline.ppo` carries it out; both states are in its checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

MAX_TRIES = 3
CALM_CLIP = 0.5  # gradient norm after a roll-back
WARM_SHARE = 0.1  # of the steps that are left
HISTORY, ENOUGH = 20, 5  # steps that a spike is measured against, and how many there must be
SPIKE = 10.0  # times the median of the history
# What no spike may be below: small numbers jump by large factors.
FLOORS = {"loss": 1.0, "policy/approxkl_avg": 0.5}


class Unstable(Exception):
    """An update that must not count: what became non-finite or jumped."""


@dataclass
class Memory:
    """How much is computed at once.

    micro: rows of a forward and backward pass; rows: responses sampled at once; checkpointing: activations
    are computed again in the backward pass.
    """

    micro: int
    rows: int
    checkpointing: bool = False

    def take_less(self) -> str | None:
        """Give something up; returns what was done, None where nothing is left."""
        if self.micro > 1:
            self.micro //= 2
            self.rows = max(1, self.rows // 2)
            return f"micro-batch halved to {self.micro}, accumulation doubled"
        if not self.checkpointing:
            self.checkpointing = True
            return "activation checkpointing turned on"
        return None


@dataclass
class Stability:
    """Tells an unstable step, and how gently a run goes on after its roll-backs."""

    tries: int = 0
    warm_from: int = 0
    warm_steps: int = 0
    history: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in FLOORS})

    def check(self, row: Mapping[str, float], vf_coef: float) -> None:
        """Raise Unstable where a step's row of metrics shows a spike; else remember it."""
        loss = abs(row["loss/policy_avg"] + vf_coef * row["loss/value_avg"])
        now = {"loss": loss, "policy/approxkl_avg": row["policy/approxkl_avg"]}
        for name, value in now.items():
            before = self.history[name]
            usual = median(before) if len(before) >= ENOUGH else math.inf
            if not math.isfinite(value):
                raise Unstable(f"{name} became {value}")
            if value > max(FLOORS[name], SPIKE * usual):
                raise Unstable(f"{name} jumped to {value:.3g}, usually {usual:.3g}")
        for name, value in now.items():
            self.history[name] = [*self.history[name], value][-HISTORY:]

    def go_on_from(self, step: int, total: int) -> bool:
        """Note a roll-back to `step` of `total`; False where there were enough of them."""
        if self.tries >= MAX_TRIES:
            return False
        self.tries += 1
        self.warm_from, self.warm_steps = step, max(1, round(WARM_SHARE * (total - step)))
        return True

    def rate(self, step: int) -> float:
        """Factor on the learning rate of the step after `step`; 1 where nothing ever happened."""
        warm = (step - self.warm_from + 1) / self.warm_steps if self.warm_steps else 1.0
        return 0.5**self.tries * min(1.0, warm)

    def clip(self, asked: float) -> float:
        """The gradient norm to clip at."""
        return min(asked, CALM_CLIP) if self.tries else asked


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or here; torch says so in several ways."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in text
        or "not enough memory" in text
    )
