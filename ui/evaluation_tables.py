"""The tables of the evaluation tab; they only convert units and mark what is passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from data.policies import PRECISIONS
from evaluation.targets import SEED_REFERENCE
from pipeline.runs.record_file import RunRecord
from ui import calibration, parts, plots
from ui.parts import Mark
from ui.texts import Texts
from ui.theme import COLOURS


def mark(policy: str) -> Mark:
    return parts.policy_mark(policy, COLOURS.get(policy, "#8792a8"))


def policies_table(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """One row per policy: its reward model's score, gold, distance from SFT, and behaviour."""
    names = ("gold", "gold_gain", "score_gain", "win_rate", "kl_token", "kl_sequence", "length", "refusals")
    body = [
        [
            mark(r["policy"]),
            parts.measured(r.get("gold")),
            parts.signed(r.get("gold_gain")),
            parts.signed(r.get("score_gain")),
            parts.with_interval(r.get("win_rate_vs_sft"), r.get("win_rate_vs_sft_ci")),
            parts.measured(r.get("kl_per_token")),
            parts.measured(r.get("kl_per_sequence")),
            parts.measured(r.get("length")),
            parts.percent(r.get("refusal_rate")),
        ]
        for r in rows
    ]
    head = [t("evaluate.policy"), *(t("evaluate." + name) for name in names)]
    return (
        parts.title(t("evaluate.title"))
        + parts.table(head, body)
        + f'<p class="quiet small">{escape(t("evaluate.note", n=rows[0].get("n", "–")))}</p>'
    )


def targets_html(targets: Mapping[str, Sequence[Mapping[str, Any]]], t: Texts) -> str:
    """The goals, one column per policy, with a tick or a cross and the measured value."""
    if not targets:
        return ""
    policies = list(targets)
    names = [row["name"] for row in targets[policies[0]]]
    body = []
    for number, name in enumerate(names):
        rows = [targets[p][number] for p in policies]
        cells = [
            Mark(
                f"{parts.verdict(r['passed'], t)} {escape(parts.measured(r['measured']))}"
                if r["measured"] is not None
                else parts.verdict(None, t)
            )
            for r in rows
        ]
        label = t("target." + name.replace(" ", "_")) if t.has("target." + name.replace(" ", "_")) else name
        body.append([label, rows[0]["target"], *cells])
    return parts.title(t("evaluate.targets")) + parts.table(
        [t("evaluate.target"), t("evaluate.wanted"), *policies], body, text_columns=2
    )


def scorers_html(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """Each policy scored by each reward model: the gain over SFT in standard deviations."""
    if not rows:
        return ""
    body = [
        [
            mark(r["policy"]),
            *(parts.signed(r.get(f"score_gain_{p}")) for p in PRECISIONS),
            parts.signed(r.get("gold_gain")),
        ]
        for r in rows
        if r["policy"] != "sft"
    ]
    head = [t("evaluate.policy"), *(f"RM {p}" for p in PRECISIONS), t("evaluate.gold_gain")]
    return (
        parts.title(t("evaluate.scorers"))
        + parts.table(head, body)
        + (f'<p class="quiet small">{escape(t("evaluate.scorers_note"))}</p>')
    )


def seed_html(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """The project's reference table next to the values measured on this machine."""
    ours = {r["policy"]: r for r in rows}
    body = []
    for reference in SEED_REFERENCE:
        row = ours.get(f"ppo-{reference['precision']}", {})
        memory = row.get("peak_cuda_bytes")
        seconds = plots.finite(row.get("seconds"))
        body.append(
            [
                reference["precision"],
                f"{reference['final_reward']:.2f}",
                parts.signed(row.get("score_gain")),
                f"{reference['kl']:.2f}",
                parts.measured(row.get("kl_per_token")),
                reference["minutes"],
                "–" if seconds is None else f"{seconds / 60:.1f}",
                reference["peak_gb"],
                f"{memory / 1e9:.1f}" if memory else ram(row),
            ]
        )
    here = t("evaluate.here")
    head = [
        t("evaluate.precision"),
        t("evaluate.seed_reward"),
        here,
        "KL",
        here,
        t("evaluate.time"),
        here,
        t("evaluate.memory"),
        here,
    ]
    return (
        parts.title(t("evaluate.seed"))
        + parts.table(head, body)
        + (f'<p class="quiet small">{escape(t("evaluate.seed_note"))}</p>')
    )


def ram(row: Mapping[str, Any]) -> str:
    """Peak resident memory in gigabytes, for a run without a GPU."""
    found = row.get("peak_rss_bytes")
    return f"{found / 1e9:.1f} RAM" if found else "–"


def rewards_html(records: Sequence[RunRecord], preset: str, t: Texts) -> str:
    """The newest reward model of each precision on its test pairs."""
    done = calibration.newest(records, preset)
    return calibration.table({p: done[p].results if p in done else {} for p in PRECISIONS}, t)
