"""What the arena shows of the votes, as HTML: who was who, the leaderboard, what quantising cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ui import parts
from ui.parts import Services
from ui.texts import Texts
from ui.theme import COLOURS


def places(order: str) -> dict[str, int]:
    """{"B": 1, "A": 2, "D": 2, "C": 4} of "B>A=D>C"; {} of "none"."""
    found: dict[str, int] = {}
    if order != "none":
        for group in order.split(">"):
            place = len(found) + 1
            found |= dict.fromkeys(group.split("="), place)
    return found


def reveal_html(order: str, policies: Mapping[str, str], gold: Mapping[str, float | None], t: Texts) -> str:
    """Who was who, best first; inside the tiny world with the gold reward of each answer."""
    place, graded = places(order), any(value is not None for value in gold.values())
    rows = []
    for letter in sorted(policies, key=lambda x: (place.get(x, 9), x)):
        name = policies[letter]
        rows.append(
            [
                f"{place.get(letter, '–')}",
                letter,
                parts.policy_mark(name, COLOURS.get(name, "#8792a8")),
                *([parts.measured(gold[letter], 2)] if graded else []),
                t("policy." + name) if t.has("policy." + name) else "",
            ]
        )
    head = [t("reveal.place"), t("reveal.answer"), t("reveal.policy")]
    head += [t("reveal.gold")] * graded + [t("reveal.what")]  # the long text last: a phone shows the rest
    table = parts.table(head, rows, text_columns=5)
    note = f'<p class="quiet small">{escape(t("reveal.gold_note"))}</p>' if graded else ""
    return parts.title(t("reveal.title")) + table + note


def leaderboard_html(services: Services, t: Texts, season: str | None = None) -> str:
    """The leaderboard of a season (None = the current one): strength with interval, chance to be best, votes;
    and what quantising cost."""
    board = board_table(services.arena.leaderboard(season), t)
    return board + contrasts_html(services.arena.contrasts(season), t)


def contrasts_html(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """Rows of `Arena.contrasts`, one sentence each: is the first of the two worse by more than the margin?"""
    found = []
    for row in rows:
        test = row["equivalence"]
        if test["verdict"] != "undecided":
            mood, key = ("good", "contrast.yes") if test["not_worse"] else ("warn", "contrast.no")
        elif test["more_needed"] is None:
            mood, key = "warn", "contrast.unlikely"
        else:
            mood, key = "note", "contrast.more"
        margin = f"{100 * test['margin']:.0f}"
        text = t(key, a=row["a"], b=row["b"], margin=margin, n=test["n"], more=test["more_needed"])
        found.append((mood, text))
    return parts.reading(found) if found else ""


def board_table(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """Rows of `Arena.leaderboard` as a table, with a plain word on how much they say."""
    votes = max((row.get("rankings") or 0 for row in rows), default=0)
    if not votes:
        return f'<p class="quiet">{escape(t("board.empty"))}</p>'
    body = [
        [
            place,
            parts.policy_mark(row["policy"], COLOURS.get(row["policy"], "#8792a8")),
            parts.signed(row["score"]),
            f"{parts.signed(row['score_low'])} … {parts.signed(row['score_high'])}",
            parts.percent(row["p_best"]),
            row["best"],
            parts.measured(row["mean_rank"], 2),
            f"{row['wins']} / {row['ties']} / {row['losses']}",
        ]
        for place, row in enumerate(rows, start=1)
    ]
    head = [
        "#",
        t("board.policy"),
        t("board.strength"),
        t("board.interval"),
        t("board.p_best"),
        t("board.best"),
        t("board.rank"),
        t("board.pairs"),
    ]
    word = t("board.few" if votes < 30 else "board.some", votes=votes)
    return parts.table(head, body, text_columns=2) + f'<p class="quiet small">{escape(word)}</p>'
