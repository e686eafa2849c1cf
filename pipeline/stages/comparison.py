"""The comparison table of `evaluate`: each policy's results as one flat row of plain numbers.

The module uses the answers, scores and KL that `pipeline.stages.evaluate` computes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.alignment import length_controlled_win_rate, standardised_gain, win_rate
from evaluation.answers import distinct_n, gain_interval, repetition
from evaluation.reward_metrics import rank_correlation
from evaluation.safety import is_evasion, is_refusal, refusal_summary
from pipeline.runs.record_file import RunRecord

JUDGE = "judge"  # the name of the judge among the scorers; reward models are named by their precision
GOLD_PARTS = ("helpful", "honest", "harmless", "well_put")


@dataclass
class Candidate:
    """One policy under test with its results. Lists and arrays have one entry per prompt.

    run: its run record. served: precision of its base. answers, harmful: `measure.Responses` to the held-out
    prompts and to the safety probe. scores: by the reward model's precision, and by JUDGE. gold: see
    `measure.gold_parts`. by_step: its snapshots, which answer the held-out prompts only.
    """

    name: str
    run: RunRecord
    folder: Path
    served: str
    answers: Any = None
    harmful: Any = None
    kl: dict = field(default_factory=dict)
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    gold: list[dict | None] = field(default_factory=list)
    by_step: dict[int, "Candidate"] = field(default_factory=dict)

    @property
    def length(self) -> float:
        """Mean number of tokens per answer."""
        return float(np.mean(self.answers.lengths()))

    def scores_of(self, scorer: str) -> np.ndarray:
        """Scores by a reward model, named by its precision, or by "gold" (NaN outside the tiny world)."""
        if scorer == "gold":
            return np.array([np.nan if parts is None else parts["total"] for parts in self.gold])
        return self.scores[scorer]


def row(policy: Candidate, sft: Candidate) -> dict:
    """One flat row of the table. Columns of a reward model end in its precision, the judge's in "judge";
    score_mean, score_gain and win_rate_vs_sft are by the policy's own reward model (SFT has none); gold is
    None outside the world."""
    own = policy.run.precision if policy is not sft else None
    config, resources = policy.run.config, policy.run.resources
    columns = {
        "policy": policy.name,
        "run": policy.run.id,
        "precision": policy.run.precision,
        "mode": config.get("mode"),
        "served_precision": policy.served,
        "n": len(policy.answers.texts),
        "length": policy.length,
        "ended": float(np.mean(policy.answers.ended)),
        **policy.kl,
        "score_mean": None, "score_gain": None, "score_gain_ci": None,
        "win_rate_vs_sft": None, "win_rate_vs_sft_ci": None,
    }  # fmt: skip
    for precision, scores in policy.scores.items():
        won = win_rate(scores, sft.scores[precision]) if policy is not sft else None
        by_scorer = {
            "score": float(scores.mean()),
            "score_gain": standardised_gain(scores, sft.scores[precision]),
            "score_gain_ci": gain_interval(scores, sft.scores[precision]) if won else None,
            "win_rate": won["win_rate"] if won else None,
            "win_rate_ci": won["ci"] if won else None,
            "length_controlled_win_rate": length_controlled_win_rate(
                scores, sft.scores[precision], policy.answers.lengths(), sft.answers.lengths()
            ) if won else None,
        }  # fmt: skip
        columns |= {f"{name}_{precision}": value for name, value in by_scorer.items()}
        if precision == own:
            columns |= {
                "score_mean": by_scorer["score"],
                "score_gain": by_scorer["score_gain"],
                "score_gain_ci": by_scorer["score_gain_ci"],
                "win_rate_vs_sft": by_scorer["win_rate"],
                "win_rate_vs_sft_ci": by_scorer["win_rate_ci"],
            }
    columns |= _gold_columns(policy, sft)
    refused = refusal_summary([is_refusal(text) for text in policy.harmful.texts])
    return columns | {
        "refusal_rate": refused["refusal_rate"],
        "refusal_ci": refused["ci"] if refused["n"] else None,
        "refusal_rate_all_prompts": float(np.mean([is_refusal(text) for text in policy.answers.texts])),
        "evasion_rate": _share(map(is_evasion, policy.harmful.texts)),
        "evasion_rate_all_prompts": _share(map(is_evasion, policy.answers.texts)),
        "distinct_1": distinct_n(policy.answers.texts, 1),
        "distinct_2": distinct_n(policy.answers.texts, 2),
        "repetition": repetition(policy.answers.texts),
        "cut": 1.0 - float(np.mean(policy.answers.ended)),
        "seconds": policy.run.seconds,
        "peak_rss_bytes": resources.peak_rss_bytes,
        "peak_cuda_bytes": resources.peak_cuda_bytes,
        "adapter_bytes": resources.adapter_bytes,
    }


def _share(flags: Iterable[bool]) -> float | None:
    known = list(flags)
    return sum(known) / len(known) if known else None


def _gold_columns(policy: Candidate, sft: Candidate) -> dict:
    names = ("gold", "gold_sd", "gold_gain", "gold_win_rate", "gold_win_rate_ci")
    columns = dict.fromkeys((*names, *(f"gold_{part}" for part in GOLD_PARTS)))
    known = [(a, b) for a, b in zip(policy.gold, sft.gold, strict=True) if a and b]
    if not known:
        return columns
    totals = np.array([mine["total"] for mine, _ in known])
    sft_totals = np.array([theirs["total"] for _, theirs in known])
    columns |= {"gold": float(totals.mean()), "gold_sd": float(totals.std())}
    columns |= {f"gold_{p}": float(np.mean([mine[p] for mine, _ in known])) for p in GOLD_PARTS}
    if policy is not sft:
        won = win_rate(totals, sft_totals)
        columns |= {
            "gold_gain": float(totals.mean() - sft_totals.mean()),
            "gold_win_rate": won["win_rate"],
            "gold_win_rate_ci": won["ci"],
        }
    return columns


def reward_agreement(policies: list[Candidate]) -> list[dict]:
    """The agreement of the reward models with each other, and with gold, on the same answers.

    One row per pair of scorers a, b (reward models, and gold): rank_correlation (Spearman, over all answers
    of all policies), same_preference (share of prompts on which both place a PPO answer on the same side of
    the SFT answer), and n.
    """
    scorers = [*policies[0].scores, *(["gold"] if any(policies[0].gold) else [])]
    rows = []
    for a, b in combinations(scorers, 2):
        left, right = (np.concatenate([policy.scores_of(scorer) for policy in policies]) for scorer in (a, b))
        known = np.isfinite(left) & np.isfinite(right)
        per_policy = [
            (ahead_a == ahead_b)[np.isfinite(ahead_a) & np.isfinite(ahead_b)]
            for policy in policies[1:]
            for ahead_a, ahead_b in [[_ahead(policy, policies[0], scorer) for scorer in (a, b)]]
        ]
        same = np.concatenate(per_policy) if per_policy else np.empty(0)
        rows.append(
            {
                "a": a,
                "b": b,
                "rank_correlation": rank_correlation(left[known], right[known]),
                "same_preference": float(same.mean()) if same.size else None,
                "n": int(known.sum()),
            }
        )
    return rows


def _ahead(policy: Candidate, sft: Candidate, scorer: str) -> np.ndarray:
    """Per prompt 1, 0 or -1: whether the policy's answer scores above the SFT model's; NaN without a
    score."""
    return np.sign(policy.scores_of(scorer) - sft.scores_of(scorer))
