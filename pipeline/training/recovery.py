"""Decides how a training recovers from too little memory and from instability. No torch.

Out of memory: the step is repeated with half the micro-batch (twice the accumulation, the same effective
batch), down to one row, and then with activation checkpointing; after that nothing is left to reduce.
Instability (a loss or gradient that is not finite, a loss or KL far above those of earlier steps): the
training returns to the last good checkpoint and continues with half the learning rate, a warm-up over a tenth
of the remaining steps, and gradients clipped at 0.5, a limited number of times. `pipeline.ppo.loop` carries
this out for PPO and `pipeline.training.attempts` for SFT and reward models; their checkpoints contain both
states. accelerate halves a batch only by starting over, so this is written by hand.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from data.errors import UserError

MAX_TRIES = 3
CALM_CLIP = 0.5  # gradient norm after a roll-back
WARM_SHARE = 0.1  # share of the remaining steps
HISTORY, ENOUGH = 20, 5  # steps with which a spike is compared, and the smallest number of them
SPIKE = 10.0  # multiple of the median of the history
# A smaller value is never a spike, because small numbers jump by large factors.
FLOORS = {"loss": 1.0, "policy/approxkl_avg": 0.5}
# A mean log-loss varies less than PPO's loss, but a few hard pairs may cost some nats each.
LOG_LOSS_SPIKE, LOG_LOSS_FLOOR = 3.0, 5.0


class Unstable(Exception):
    """An update that must not count, because a value is not finite or jumped. `step`: where, if known."""

    def __init__(self, message: str, step: int | None = None):
        super().__init__(message)
        self.step = step


@dataclass
class Memory:
    """The amounts that are computed at once.

    micro: rows per forward and backward pass; rows: responses sampled at once; checkpointing: the backward
    pass recomputes activations.
    """

    micro: int
    rows: int
    checkpointing: bool = False

    def take_less(self, whole: int = 0) -> str | None:
        """Reduce memory use; returns what was done, None if nothing is left to reduce.

        whole: the batch that micro-batches have to divide; 0 if they need not.
        """
        if self.micro > 1:
            self.micro //= 2
            while whole % self.micro:
                self.micro -= 1
            self.rows = max(1, self.rows // 2)
            return f"micro-batch halved to {self.micro}, accumulation doubled"
        if not self.checkpointing:
            self.checkpointing = True
            return "activation checkpointing turned on"
        return None


@dataclass
class Stability:
    """Detects an unstable step, and determines learning rate and clipping after a roll-back."""

    tries: int = 0
    warm_from: int = 0
    warm_steps: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)

    def check(self, row: Mapping[str, float], vf_coef: float) -> None:
        """Raise Unstable if the row of a PPO step shows a spike; otherwise remember it."""
        loss = abs(row["loss/policy_avg"] + vf_coef * row["loss/value_avg"])
        self._check({"loss": loss, "policy/approxkl_avg": row["policy/approxkl_avg"]}, FLOORS, SPIKE)

    def check_loss(self, loss: float) -> None:
        """Raise Unstable if the mean log-loss of a step is a spike; otherwise remember it."""
        self._check({"loss": abs(loss)}, {"loss": LOG_LOSS_FLOOR}, LOG_LOSS_SPIKE)

    def _check(self, now: Mapping[str, float], floors: Mapping[str, float], factor: float) -> None:
        for name, value in now.items():
            before = self.history.get(name, [])
            usual = median(before) if len(before) >= ENOUGH else math.inf
            if not math.isfinite(value):
                raise Unstable(f"{name} became {value}")
            if value > max(floors[name], factor * usual):
                raise Unstable(f"{name} jumped to {value:.3g}, usually {usual:.3g}")
        for name, value in now.items():
            self.history[name] = [*self.history.get(name, []), value][-HISTORY:]

    def failed_at_once(self, step: int) -> bool:
        """Whether the first step after a roll-back fails again, so that its checkpoint is not a good one."""
        return 0 < self.tries < MAX_TRIES and step == self.warm_from + 1

    def go_on_from(self, step: int, total: int) -> bool:
        """Record a roll-back to `step` of `total`; False after too many of them."""
        if self.tries >= MAX_TRIES:
            return False
        self.tries += 1
        self.warm_from, self.warm_steps = step, max(1, round(WARM_SHARE * (total - step)))
        return True

    def rate(self, step: int) -> float:
        """Factor on the learning rate of the step after `step`; 1 without any roll-back."""
        warm = (step - self.warm_from + 1) / self.warm_steps if self.warm_steps else 1.0
        return 0.5**self.tries * min(1.0, warm)

    def clip(self, asked: float) -> float:
        """The gradient norm to clip at."""
        return min(asked, CALM_CLIP) if self.tries else asked


# Messages of libraries when main or GPU memory runs out and they do not raise a MemoryError.
_NO_MEMORY = (
    "can't allocate memory",  # torch's allocator
    "not enough memory",  # the same on Windows
    "annot allocate memory",  # the system, as Python, safetensors and mmap quote it
    "out of memory",  # CUDA
    "ALLOC_FAILED",  # cuBLAS and cuDNN
    "std::bad_alloc",  # C++
    "could not create a primitive",  # oneDNN, which has no more specific message
    "could not create a memory",
    "could not execute a primitive",
    "failed to map segment",  # the dynamic loader, if a library does not fit
    "can't start new thread",  # the stack of the thread does not fit
    "error return without exception set",  # an extension that could not allocate and does not say so
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether main or GPU memory ran out, according to the class or the message of an error or of its causes.

    A UserError never counts, because its message already states the problem.
    """
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, UserError):
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        if (isinstance(seen, OSError) and seen.errno == errno.ENOMEM) or any(
            words in str(seen) for words in _NO_MEMORY
        ):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
