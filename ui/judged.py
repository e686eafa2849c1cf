"""The judge's view of the policies on the evaluation tab: gain, wins, how answers read, PPO by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ui import parts
from ui.parts import Mark
from ui.texts import Texts
from ui.theme import COLOURS


def judged_html(results: Mapping[str, Any], t: Texts) -> str:
    """The judge's table, and below it PPO's gain by step with the best one; "" without a judge."""
    judge, rows = results.get("judge"), results.get("table") or []
    if not judge or not rows:
        return ""
    names = ("judge_gain", "win_rate", "distinct", "repetition", "cut", "refusals", "evasions")
    body = [
        [
            parts.policy_mark(row["policy"], COLOURS.get(row["policy"], "#8792a8")),
            parts.signed(row.get("score_gain_judge")),
            parts.with_interval(row.get("win_rate_judge"), row.get("win_rate_ci_judge")),
            f"{parts.measured(row.get('distinct_1'))} / {parts.measured(row.get('distinct_2'))}",
            *(parts.percent(row.get(name)) for name in ("repetition", "cut", "refusal_rate", "evasion_rate")),
        ]
        for row in rows
    ]
    accuracy = parts.with_interval(judge.get("accuracy"), judge.get("accuracy_ci"))
    return (
        parts.title(t("judged.title"))
        + parts.table([t("evaluate.policy"), *(t("judged." + name) for name in names)], body)
        + f'<p class="quiet small">{escape(t("judged.note", accuracy=accuracy))}</p>'
        + _by_step(results.get("by_step") or {}, results.get("best_step") or {}, t)
    )


def _by_step(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], best: Mapping[str, int | None], t: Texts
) -> str:
    """One line per step and policy, the judge's best one in bold."""
    body = []
    for policy, points in curves.items():
        for point in points:
            gain = escape(parts.signed(point.get("judge_gain")))
            at_best = point.get("step") == best.get(policy)
            body.append(
                [
                    parts.policy_mark(policy, COLOURS.get(policy, "#8792a8")),
                    point.get("step"),
                    Mark(f"<b>{gain} ({escape(t('judged.best'))})</b>" if at_best else gain),
                    _interval(point.get("judge_gain_ci")),
                    parts.signed(point.get("own_gain")),
                    parts.measured(point.get("kl_per_token")),
                ]
            )
    if not body:
        return ""
    names = ("step", "judge_gain", "interval", "own_gain")
    head = [t("evaluate.policy"), *(t("judged." + name) for name in names), t("evaluate.kl_token")]
    note = f'<p class="quiet small">{escape(t("judged.steps_note"))}</p>'
    return parts.title(t("judged.steps")) + parts.table(head, body) + note


def _interval(pair: Any) -> str:
    return f"{parts.signed(pair[0])} … {parts.signed(pair[1])}" if parts.interval(pair) else "–"
