"""The project's reference figures, and its targets against a measured PPO run.

Every run's record has them, and so does the page: this module loads nothing but the standard library.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

# The reference figures of the project's plan (distilgpt2 on an 8 GB GPU): final reward, KL in nats per token,
# minutes of PPO and peak GB of GPU memory. They are quoted next to measured figures and never combined with
# them.
SEED_REFERENCE = (
    {"precision": "bf16", "final_reward": 0.35, "kl": 0.15, "minutes": 35, "peak_gb": 4.7},
    {"precision": "int8", "final_reward": 0.31, "kl": 0.18, "minutes": 40, "peak_gb": 3.2},
    {"precision": "int4", "final_reward": 0.28, "kl": 0.22, "minutes": 45, "peak_gb": 2.1},
)
SEED_SFT_REWARD = 0.12
SEED_TARGET_REWARD = 0.30


def seed_targets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The project's targets against one PPO run: rows of name, target, measured, passed, note.

    `results` may contain score_gain, kl_per_token, seconds, peak_cuda_bytes, peak_rss_bytes. What is missing
    or None is reported as not measured, with passed None. The reward target (0.30 where SFT had 0.12) is read
    as a gain: a reward model's raw score has no zero and no unit, so the gain is in standard deviations of
    the SFT scores.
    """
    gain_target = round(SEED_TARGET_REWARD - SEED_SFT_REWARD, 2)
    cuda, rss = results.get("peak_cuda_bytes"), results.get("peak_rss_bytes")
    memory_note = "peak GPU memory"
    if not cuda:
        memory_note = "no GPU in this run" + (f"; peak resident memory {rss / 1e9:.1f} GB" if rss else "")
    seconds = results.get("seconds")
    return [
        _target(
            "reward gain over SFT",
            f"> {gain_target}",
            results.get("score_gain"),
            lambda value: value > gain_target,
            f"{SEED_TARGET_REWARD} against {SEED_SFT_REWARD}, as a gain in sd of the SFT scores",
        ),
        _target(
            "KL to SFT", "< 0.2", results.get("kl_per_token"), lambda value: value < 0.2, "nats per token, k1"
        ),
        _target(
            "training time",
            "< 60 min",
            None if seconds is None else seconds / 60,
            lambda value: value < 60,
            "minutes, the PPO run",
        ),
        _target(
            "peak GPU memory", "< 8 GB", cuda / 1e9 if cuda else None, lambda value: value < 8, memory_note
        ),
    ]


def _target(
    name: str, target: str, measured: float | None, holds: Callable[[float], bool], note: str
) -> dict[str, Any]:
    known = float(measured) if measured is not None and math.isfinite(measured) else None
    return {
        "name": name,
        "target": target,
        "measured": known,
        "passed": None if known is None else bool(holds(known)),
        "note": note if known is not None or "no GPU" in note else f"not measured; {note}",
    }
