"""What the curves say, in plain words. Each reading is a list of (mood, text); moods are "good", "note" and
"warn".

These are rules of thumb for a person who looks at a chart for the first time, not statistics: those are in
evaluation/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ui.plots import finite

Reading = list[tuple[str, str]]
Texts = Callable[..., str]
KL_GOAL = 0.2  # nats per token, the target of the project's guidelines


def values(rows: Sequence[dict], *keys: str) -> list[float]:
    """The finite values of the first key that a row carries, in order."""
    found = []
    for row in rows:
        key = next((k for k in keys if k in row), None)
        value = finite(row[key]) if key else None
        if value is not None:
            found.append(value)
    return found


def ends(series: Sequence[float], share: float = 0.15) -> tuple[float, float]:
    """The mean of the first and of the last `share` of a series, so that one noisy step does not decide."""
    count = max(1, int(len(series) * share))
    return sum(series[:count]) / count, sum(series[-count:]) / count


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two series are the same numbers, but for rounding."""
    return len(one) == len(other) and all(abs(a - b) < 1e-4 for a, b in zip(one, other, strict=True))


def read(stage: str, rows: Sequence[dict], t: Texts) -> Reading:
    """The reading of a stage's metrics so far; one note where there is too little to read."""
    if len(rows) < 2:
        return [("note", t("read.wait"))]
    found = {"sft": _loss, "pretrain": _loss, "reward": _reward, "judge": _reward, "ppo": _ppo}[stage](
        rows, t
    )
    norms = values(rows, "grad_norm")
    if norms and max(norms[-5:]) == 0:
        found.append(("warn", t("read.zero_grad")))
    return found or [("note", t("read.wait"))]


def _loss(rows: Sequence[dict], t: Texts) -> Reading:
    found: Reading = []
    train, held_out = values(rows, "loss"), values(rows, "eval_loss")
    if len(train) > 1:
        first, last = ends(train)
        key = "read.loss_falls" if last < first * 0.995 else "read.loss_flat"
        found.append(("good" if last < first else "note", t(key, first=f"{first:.3f}", last=f"{last:.3f}")))
    if len(held_out) > 1:
        best = min(held_out)
        if held_out[-1] > best * 1.02:
            found.append(("warn", t("read.overfit", best=f"{best:.3f}", last=f"{held_out[-1]:.3f}")))
        else:
            found.append(("good", t("read.generalises", last=f"{held_out[-1]:.3f}")))
    return found


def _reward(rows: Sequence[dict], t: Texts) -> Reading:
    found: Reading = []
    accuracy = values(rows, "eval_accuracy") or values(rows, "accuracy")
    if accuracy:
        last = ends(accuracy)[1]
        mood, key = ("good", "read.accuracy_good") if last > 0.6 else ("warn", "read.accuracy_chance")
        found.append((mood, t(key, percent=f"{100 * last:.0f}")))
    margin = values(rows, "eval_margin") or values(rows, "margin")
    if len(margin) > 1:
        first, last = ends(margin)
        found.append(
            ("good" if last > first else "note", t("read.margin", first=f"{first:.2f}", last=f"{last:.2f}"))
        )
    return found + [r for r in _loss(rows, t) if r[0] == "warn"]


def _ppo(rows: Sequence[dict], t: Texts) -> Reading:
    found: Reading = []
    score, gold = values(rows, "objective/scores"), values(rows, "gold/mean")
    up = False
    if len(gold) > 1 and same(score, gold):
        first, last = ends(gold)
        text = t("read.gold_is_reward", first=f"{first:.2f}", last=f"{last:.2f}")
        found.append(("good" if last > first else "note", text))
        score = gold = []
    if len(score) > 1:
        first, last = ends(score)
        up = last > first
        found.append(
            (
                "good" if up else "note",
                t("read.score_up" if up else "read.score_flat", first=f"{first:.2f}", last=f"{last:.2f}"),
            )
        )
    if len(gold) > 1:
        first, last = ends(gold)
        key, mood = ("read.gold_up", "good") if last > first else ("read.gold_flat", "note")
        if up and last < first - 0.03:
            key, mood = "read.overoptimised", "warn"
        found.append((mood, t(key, first=f"{first:.2f}", last=f"{last:.2f}")))
    kl, length = values(rows, "objective/kl"), values(rows, "response/length")
    if kl and length:
        each = ends(kl)[1] / max(1.0, ends(length)[1])
        mood, key = ("good", "read.kl_fine") if each <= KL_GOAL else ("warn", "read.kl_far")
        found.append((mood, t(key, kl=f"{each:.3f}", goal=KL_GOAL)))
    entropy = values(rows, "policy/entropy_avg")
    if len(entropy) > 4 and ends(entropy)[1] < 0.25 * ends(entropy)[0]:
        found.append(("warn", t("read.entropy")))
    clip = values(rows, "policy/clipfrac_avg")
    if clip and ends(clip)[1] > 0.3:
        found.append(("warn", t("read.clip", percent=f"{100 * ends(clip)[1]:.0f}")))
    return found
