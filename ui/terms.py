"""Explanations of technical terms where they stand: hover over a term, tap it, or reach it with Tab."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from ui.texts import Texts


@dataclass(frozen=True)
class Term:
    """A term with the patterns that find it in an English and in a Chinese text."""

    key: str
    english: str
    chinese: str


TERMS: tuple[Term, ...] = (
    Term("rlhf", r"\bRLHF\b", "RLHF"),
    Term("sft", r"\bSFT\b", "SFT"),
    Term("ppo", r"\bPPO\b", "PPO"),
    Term("kl", r"\bKL\b", "KL"),
    Term("reward_model", r"\b[Rr]eward models?\b", "奖励模型"),
    Term("policy", r"\b[Pp]olic(?:y|ies)\b", "策略"),
    Term("pair", r"\b[Pp]reference pairs?\b", "偏好对"),
    Term("gold", r"\b[Gg]old reward\b", "标准奖励"),
    Term("bits", r"\bbf16\b", "bf16"),
    Term("tiny_world", r"\btiny world\b", "微型世界"),
)


def explained(text: str, t: Texts) -> str:
    """The escaped text as HTML; the first occurrence of each term has an explanation."""
    found = {term.key: term.chinese if t.language == "zh" else term.english for term in TERMS}
    anyone = re.compile("|".join(f"(?P<{key}>{pattern})" for key, pattern in found.items()))
    seen: set[str] = set()

    def with_tip(match: re.Match[str]) -> str:
        key = str(match.lastgroup)
        if key in seen:
            return match[0]
        seen.add(key)
        tip = f'<span class="tip" role="tooltip">{escape(t(f"term.{key}"))}</span>'
        return f'<button type="button" class="term">{match[0]}{tip}</button>'

    return anyone.sub(with_tip, escape(text, quote=False))
