"""The curves of a run in plain words. Each reading is a list of (mood, text); the moods are "good", "note"
and "warn".

These are rules of thumb for a person who sees such a chart for the first time. The statistics are in
evaluation/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, pstdev

from ui.plots import finite

Reading = list[tuple[str, str]]
Texts = Callable[..., str]
KL_GOAL = 0.2  # nats per token, the target of the project's guidelines


def values(rows: Sequence[dict], *keys: str) -> list[float]:
    """The finite values, in order, of the first of `keys` that each row contains."""
    found = []
    for row in rows:
        key = next((k for k in keys if k in row), None)
        value = finite(row[key]) if key else None
        if value is not None:
            found.append(value)
    return found


def ends(series: Sequence[float], share: float = 0.15) -> tuple[float, float]:
    """The means of the first and of the last `share` of a series, so that one noisy step does not decide."""
    count = max(1, int(len(series) * share))
    return fmean(series[:count]), fmean(series[-count:])


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two series are equal up to rounding."""
    return len(one) == len(other) and all(abs(a - b) < 1e-4 for a, b in zip(one, other, strict=True))


def read(stage: str, rows: Sequence[dict], t: Texts) -> Reading:
    """The reading of a stage's metrics so far; a single note if there are too few rows."""
    if len(rows) < 2:
        return [("note", t("read.wait"))]
    found = {"sft": _loss, "pretrain": _loss, "reward": _reward, "judge": _reward, "ppo": _ppo}[stage](
        rows, t
    )
    norms = values(rows, "grad_norm")
    if norms and max(norms[-5:]) == 0:
        found.append(("warn", t("read.zero_grad")))
    return found or [("note", t("read.wait"))]


def smoothed(series: Sequence[float]) -> list[float]:
    """The mean over a window of an eighth of the series, ending at each value."""
    width = max(1, len(series) // 8)
    return [fmean(series[max(0, end - width) : end]) for end in range(1, len(series) + 1)]


def settled_at(series: Sequence[float], first: float, last: float) -> int:
    """The index from which the smoothed series stays within a tenth of its whole fall above `last`."""
    near = last + 0.1 * (first - last)
    over = [index for index, value in enumerate(smoothed(series)) if value > near]
    return over[-1] + 1 if over else 0


def _loss(rows: Sequence[dict], t: Texts) -> Reading:
    found: Reading = []
    train, held_out = values(rows, "loss"), values(rows, "eval_loss")
    if len(train) > 1:
        found.append(
            _fall(train, [row.get("step", 0) for row in rows if finite(row.get("loss")) is not None], t)
        )
    if len(held_out) > 1:
        best = min(held_out)
        if held_out[-1] > best * 1.02:
            found.append(("warn", t("read.overfit", best=f"{best:.3f}", last=f"{held_out[-1]:.3f}")))
        else:
            found.append(("good", t("read.generalises", last=f"{held_out[-1]:.3f}")))
    return found


def _fall(loss: Sequence[float], steps: Sequence[int], t: Texts) -> tuple[str, str]:
    """Whether the loss fell over the whole run. The first values count alone, because a loss falls fastest
    at the start; the end is a mean, and noise is judged by the spread of its values."""
    first, last = fmean(loss[:2]), ends(loss)[1]
    tail = loss[-max(2, len(loss) // 4) :]
    noise = max(0.005 * abs(first), 2 * pstdev(tail) / len(tail) ** 0.5)
    told = {"first": f"{first:.3f}", "last": f"{last:.3f}"}
    if last > first + noise:
        return "warn", t("read.loss_rises", **told)
    if first - last <= noise:
        return "note", t("read.loss_flat", **told)
    index = settled_at(loss, first, last)
    if len(loss) >= 8 and index < 0.75 * len(loss):
        return "good", t("read.loss_settled", **told, step=steps[index])
    return "good", t("read.loss_falls", **told)


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
