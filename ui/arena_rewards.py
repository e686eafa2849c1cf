"""The reward models in the arena: their scores beside the answers after a vote, and how they compare with
people."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from data.policies import PRECISIONS
from evaluation.measured import Measured
from evaluation.people_and_reward import AgainstPeople
from ui import parts
from ui.texts import Texts
from ui.theme import COLOURS


def scores_html(scores: Mapping[str, Mapping[str, float]], t: Texts) -> str:
    """Each policy's answer as the reward models score it; the highest score of a model is marked."""
    models = [precision for precision in PRECISIONS if precision in scores]
    best = {precision: max(scores[precision].values()) for precision in models}
    policies = sorted({policy for given in scores.values() for policy in given})
    rows = [
        [
            parts.policy_mark(policy, COLOURS.get(policy, "#8792a8")),
            *(_score(scores[precision].get(policy), best[precision]) for precision in models),
        ]
        for policy in policies
    ]
    head = [t("reveal.policy"), *(t("rewards.of", precision=precision) for precision in models)]
    note = f'<p class="quiet small">{escape(t("rewards.note"))}</p>'
    return parts.title(t("rewards.title")) + parts.table(head, rows) + note


def compared_html(found: Mapping[str, AgainstPeople], t: Texts) -> str:
    """One row per reward model: how often it orders two answers as people do, and where it fails."""
    if not found:
        return f'<p class="quiet">{escape(t("rewards.nothing"))}</p>'
    rows = [
        [
            parts.policy_mark(precision, COLOURS.get(precision, "#8792a8")),
            _measured(against.accuracy),
            against.accuracy.n,
            parts.measured(against.ece, 2),
            _measured(against.wrong),
            _measured(against.exploited),
        ]
        for precision, against in found.items()
    ]
    head = [t(f"rewards.{name}") for name in ("model", "accuracy", "n", "ece", "wrong", "exploited")]
    note = f'<p class="quiet small">{escape(t("rewards.explained"))}</p>'
    return parts.table(head, rows) + note


def _score(score: float | None, best: float) -> str:
    if score is None:
        return "–"
    return parts.Mark(f"<b>{parts.signed(score)}</b>") if score == best else parts.signed(score)


def _measured(found: Measured | None) -> str:
    if found is None:
        return "–"
    return parts.with_interval(found.value, [found.low, found.high])
