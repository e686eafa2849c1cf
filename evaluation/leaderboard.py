"""The leaderboard: Bradley-Terry strengths of the policies, with intervals clustered by rater and by prompt.

One vote on four answers implies six comparisons, but these are a single decision of one person, and all
decisions of a person share that person's taste. The covariance of the strengths is therefore computed from
sums over raters and over prompts (two-way clusters: Cameron, Gelbach and Miller 2011, J. Bus. Econ. Stat. 29,
238-249). An interval from R raters uses the quantiles of Student's t with R - 1 degrees of freedom, as their
section 2 and Bell and McCaffrey (2002) advise for few clusters. A bootstrap that multiplies resampled raters
by resampled prompts (Owen 2007, Ann. Appl. Stat. 1, 386-411) counts the noise of a single vote three times.

The intervals are valid at a single look only, so they are descriptive; `evaluation.verdict` decides.

    table = VoteTable.of(ballots)
    leaderboard(table)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from evaluation.ballots import VoteTable

DRAWS = 4000
STEPS = 100  # of Newton's method; 5 to 20 are usual
LONGEST_STEP = 3.0


@dataclass(frozen=True)
class Standing:
    """One policy on the leaderboard.

    score: its log-worth; all scores are centred at 0, and a lead of d is a preference of sigmoid(d).
    score_low, score_high: the 95 % interval. p_best: the probability that it leads. rankings: the votes on
    it. wins, ties, losses, identical: its comparisons with the others. best: the votes with it alone in first
    place. all_bad: the rounds in which every answer was bad. mean_rank: 1 = best; None without ranks.
    """

    policy: str
    score: float
    score_low: float
    score_high: float
    p_best: float
    rankings: int
    wins: int
    ties: int
    losses: int
    identical: int
    best: int
    all_bad: int
    mean_rank: float | None


@dataclass(frozen=True)
class Fit:
    """Strengths [K] of the policies of a table, their covariance [K, K], and its degrees of freedom.

    The degrees of freedom are infinite for a single rater; the result then describes this rater only.
    """

    policies: tuple[str, ...]
    scores: np.ndarray
    covariance: np.ndarray
    freedom: float

    def half_width(self, weights: np.ndarray, confidence: float = 0.95) -> float:
        """Half the width of the interval of a weighted sum of the strengths."""
        variance = float(weights @ self.covariance @ weights)
        return float(student.ppf(0.5 + confidence / 2, self.freedom)) * variance**0.5

    def difference(self, a: str, b: str) -> tuple[float, float, float]:
        """(lead of a over b, low, high), 95 %."""
        weights = np.array([float(name == a) - float(name == b) for name in self.policies])
        lead, half = float(weights @ self.scores), self.half_width(weights)
        return lead, lead - half, lead + half


def comparison_counts(table: VoteTable) -> np.ndarray:
    """[K, K] wins of row over column; ties, all bad and identical texts are half a win each way."""
    return np.tensordot(table.occurrences.astype(float), _credits(table), axes=1)


def strengths(counts: np.ndarray) -> np.ndarray:
    """Bradley-Terry strengths [..., K] from wins of row over column [..., K, K], ties half a win each way.

    The result is centred log-worths: a policy with a lead of d is preferred with probability sigmoid(d). Each
    pair starts with two imaginary votes, one each way, so that the lead stays finite and moderate if there
    are few votes or a policy won all of them. Newton's method maximises the concave log-likelihood for all
    leading dimensions at once.
    """
    wins = _with_imaginary(counts)
    games = wins + np.swapaxes(wins, -1, -2)
    scores = np.zeros(wins.shape[:-1])
    for _ in range(STEPS):
        chance = expit(scores[..., :, None] - scores[..., None, :])
        slope = (wins - games * chance).sum(axis=-1)
        step = np.linalg.solve(_curvature(games, chance) + 1, slope[..., None])[..., 0]
        scores = scores + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    return scores - scores.mean(axis=-1, keepdims=True)


def fit(table: VoteTable) -> Fit:
    """Strengths and their two-way cluster-robust covariance.

    Covariance = H^-1 (S_rater + S_prompt - S_both + J) H^-1 with H the curvature, S_x the sum over clusters x
    of the outer product of their scores, S_rater and S_prompt with the factor n / (n - 1), and J the
    information of the imaginary votes, which keeps a policy with few votes uncertain.
    """
    counts = comparison_counts(table)
    scores = strengths(counts)
    chance = expit(scores[:, None] - scores[None, :])
    games = _with_imaginary(counts)
    bread = np.linalg.pinv(_curvature(games + games.T, chance))
    credits = _credits(table)
    met = credits + np.swapaxes(credits, 1, 2)
    residuals = (credits - met * chance).sum(axis=2)[table.pattern]
    raters, prompts = len(np.unique(table.rater)), len(np.unique(table.prompt))
    both = table.rater * (table.prompt.max(initial=0) + 1) + table.prompt
    meat = _scatter(residuals, table.prompt)
    if raters > 1:
        meat += _scatter(residuals, table.rater) - _scatter(residuals, both, corrected=False)
    imaginary = _curvature(2 - 2 * np.eye(len(scores)), np.full_like(chance, 0.5))
    covariance = bread @ (_positive(meat) + imaginary) @ bread
    return Fit(table.policies, scores, covariance, max(1, min(raters, prompts) - 1) if raters > 1 else np.inf)


def leaderboard(table: VoteTable, *, seed: int = 42) -> list[Standing]:
    """One row per policy, strongest first; [] without votes."""
    if not len(table):
        return []
    found = fit(table)
    p_best = _chances_to_lead(found, seed)
    half = [found.half_width(row) for row in np.eye(len(found.policies))]
    rows = [
        Standing(
            policy,
            float(found.scores[i]),
            float(found.scores[i] - half[i]),
            float(found.scores[i] + half[i]),
            float(p_best[i]),
            **_tally(table, i),
        )
        for i, policy in enumerate(found.policies)
    ]
    return sorted(rows, key=lambda row: (-row.score, row.policy))


def _chances_to_lead(found: Fit, seed: int) -> np.ndarray:
    """[K], the share of draws from the strengths' distribution in which each policy leads."""
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(found.covariance)
    spread = vectors * np.sqrt(values.clip(0))
    drawn = rng.standard_normal((DRAWS, len(values))) @ spread.T
    if np.isfinite(found.freedom):
        drawn *= np.sqrt(found.freedom / rng.chisquare(found.freedom, DRAWS))[:, None]
    leaders = (found.scores + drawn).argmax(axis=1)
    return np.bincount(leaders, minlength=len(values)) / DRAWS


def _with_imaginary(counts: np.ndarray) -> np.ndarray:
    return counts + 1 - np.eye(counts.shape[-1])


def _curvature(games: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """[..., K, K], minus the second derivative of the log-likelihood."""
    weight = games * chance * (1 - chance)
    return weight.sum(axis=-1)[..., None] * np.eye(games.shape[-1]) - weight


def _credits(table: VoteTable) -> np.ndarray:
    """[P, K, K], the contribution of each outcome to the wins of row over column."""
    pair = table.present[:, :, None] & table.present[:, None, :] & ~np.eye(len(table.policies), dtype=bool)
    return np.where(pair, (table.signs + 1) / 2, 0.0)


def _scatter(residuals: np.ndarray, clusters: np.ndarray, corrected: bool = True) -> np.ndarray:
    """Sum over n clusters of the outer product of their residuals [N, K]; times n / (n - 1) if corrected."""
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.stack([np.bincount(codes, weights=column) for column in residuals.T], axis=1)
    count = len(sums)
    return sums.T @ sums * (count / (count - 1) if corrected and count > 1 else 1.0)


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest matrix without negative variances; a difference of two scatters can have some."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values.clip(0)) @ vectors.T


def _tally(table: VoteTable, policy: int) -> dict[str, Any]:
    times = table.occurrences * table.present[:, policy]
    others = table.present.copy()
    others[:, policy] = False
    rated = others & ~table.bad[:, None]
    signs, same = table.signs[:, policy], table.same[:, policy]

    def count(mask: np.ndarray) -> int:
        return int((mask.sum(axis=1) * times).sum())

    ranks = np.where(table.bad, 0.0, np.nan_to_num(table.mean_place[:, policy]))
    ranked = int((times * ~table.bad).sum())
    return {
        "rankings": int(times.sum()),
        "wins": count(rated & (signs > 0)),
        "ties": count(rated & (signs == 0) & ~same),
        "losses": count(rated & (signs < 0)),
        "identical": count(rated & same),
        "best": int((times * (table.best == policy)).sum()),
        "all_bad": int((times * table.bad).sum()),
        "mean_rank": float((times * ranks).sum() / ranked) if ranked else None,
    }
