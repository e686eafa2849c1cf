"""Gold over the distance from SFT: R(d) = d * (alpha - beta * log d), with d = sqrt(KL).

This is the law that Gao, Schulman and Hilton 2023 ("Scaling Laws for Reward Model Overoptimization", arXiv
2210.10760) found for reinforcement learning: R is the gain in gold over SFT, KL is in nats per sequence, log
is natural. alpha is the gain per distance near d = 1, beta how quickly optimisation stops paying.

The law is linear in alpha and beta, so least squares fit them. It is fitted on the nearer half of the range
of d and judged on the farther half, because a curve with two parameters fits almost any half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import Code, UserError


@dataclass(frozen=True)
class Curve:
    """A fitted law. alpha, beta: in gold per unit of d (root of nats).

    split: the d at which the range was halved. n_fit, n_test: points on each side. rmse_fit, rmse_test: root
    mean squared error of the prediction, in gold. rmse_line: that of the straight line R = a * d, fitted on
    the same points, on the farther half: the law predicts something only where its error is smaller.
    """

    alpha: float
    beta: float
    split: float
    n_fit: int
    n_test: int
    rmse_fit: float
    rmse_test: float
    rmse_line: float

    def gain(self, d: ArrayLike) -> NDArray[np.float64]:
        """R(d) for distances [N]; 0 at d = 0."""
        return _columns(np.asarray(d, dtype=np.float64)) @ np.array([self.alpha, self.beta])

    @property
    def predicts(self) -> bool:
        """Whether the law predicts the farther half better than the straight line does."""
        return self.rmse_test < self.rmse_line

    @property
    def best_distance(self) -> float | None:
        """The d at which the gain is largest, exp(alpha / beta - 1); None where it never falls again."""
        return math.exp(min(self.alpha / self.beta - 1, 700.0)) if self.beta > 0 else None


def fit(kl: ArrayLike, gain: ArrayLike) -> Curve:
    """Fit the law to N policies. kl: [N] nats per sequence. gain: [N] mean gold minus that of SFT.

    Policies at a KL of zero or below (an estimate can be slightly negative) carry no information and are left
    out. Raises UserError for fewer than three policies in the nearer half, or none in the farther half.
    """
    kl, gain = np.asarray(kl, dtype=np.float64), np.asarray(gain, dtype=np.float64)
    if kl.shape != gain.shape or kl.ndim != 1 or not (np.isfinite(kl).all() and np.isfinite(gain).all()):
        raise ValueError("one finite KL and one finite gain per policy are needed")
    d, gain = np.sqrt(kl[kl > 0]), gain[kl > 0]
    split = float(d.max()) / 2 if len(d) else 0.0
    near = d <= split
    if near.sum() < 3 or near.all():
        raise UserError(
            f"the curve of gold over KL needs at least 3 policies in the nearer half of the range of "
            f"sqrt(KL) and 1 in the farther half; there are {int(near.sum())} and {int((~near).sum())}",
            code=Code.REQUEST,
        )
    alpha, beta = np.linalg.lstsq(_columns(d[near]), gain[near], rcond=None)[0]
    line = float(d[near] @ gain[near] / (d[near] @ d[near]))
    predicted = _columns(d) @ np.array([alpha, beta])
    return Curve(
        float(alpha),
        float(beta),
        split,
        int(near.sum()),
        int((~near).sum()),
        rmse_fit=_rmse(predicted[near] - gain[near]),
        rmse_test=_rmse(predicted[~near] - gain[~near]),
        rmse_line=_rmse(line * d[~near] - gain[~near]),
    )


def best_of_steps(
    rows: Sequence[Mapping[str, Any]], steps: Iterable[int], width: int = 5
) -> dict[int, float]:
    """{step: mean gold of the rollouts of this step and up to `width` - 1 before it} for the steps that have
    it.

    rows: of metrics.jsonl. One rollout has few prompts, so a single step says little. {} where gold is
    unknown.
    """
    gold = {int(row["step"]): float(row["gold/mean"]) for row in rows if row.get("gold/mean") is not None}
    found = {}
    for step in steps:
        near = [gold[s] for s in range(step - width + 1, step + 1) if s in gold]
        if step in gold:
            found[step] = sum(near) / len(near)
    return found


def _columns(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, 2]: d and -d log d, which is 0 at d = 0."""
    return np.stack([d, -d * np.log(np.where(d > 0, d, 1.0))], axis=-1)


def _rmse(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(errors**2)))
