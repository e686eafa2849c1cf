"""PPO's answers by step: whether the judge's score still rises while the score of the policy's own reward
model rises.

Optimisation against a proxy first improves and later harms the true objective (Gao et al. 2023, "Scaling Laws
for Reward Model Overoptimization", arXiv 2210.10760). The points of a curve are SFT (step 0), the snapshots
that PPO kept, and the finished policy, on the same prompts with the same random numbers.
"""

from pathlib import Path

from evaluation.alignment import standardised_gain
from evaluation.answers import gain_interval
from pipeline.runs import snapshots
from pipeline.stages.comparison import JUDGE, Candidate


def candidates(policy: Candidate, folder: Path) -> dict[int, Candidate]:
    """{step: snapshot} of a PPO run's folder, to be answered and scored like the policy itself."""
    return {
        step: Candidate(f"{policy.name}-step-{step}", policy.run, path, policy.served)
        for step, path in snapshots.found(folder).items()
    }


def curve(policy: Candidate, sft: Candidate, seed: int) -> list[dict]:
    """One point per step: step, judge_gain with judge_gain_ci (95 %), own_gain by the policy's own reward
    model (both in sd of SFT), kl_per_token, kl_per_sequence (nats) and length (tokens)."""
    own = policy.run.precision
    last = int(policy.run.results.get("steps") or policy.run.config.get("max_steps") or 0)
    points = []
    for step, one in [(0, sft), *policy.by_step.items(), (last, policy)]:
        known = own in one.scores and own in sft.scores
        points.append(
            {
                "step": step,
                "judge_gain": standardised_gain(one.scores[JUDGE], sft.scores[JUDGE]),
                "judge_gain_ci": gain_interval(one.scores[JUDGE], sft.scores[JUDGE], seed),
                "own_gain": standardised_gain(one.scores[own], sft.scores[own]) if known else None,
                "kl_per_token": one.kl["kl_per_token"],
                "kl_per_sequence": one.kl["kl_per_sequence"],
                "length": one.length,
            }
        )
    return points
