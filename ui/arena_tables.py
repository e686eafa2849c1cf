"""What the arena shows of the votes, as HTML: who was who, and the leaderboard below the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from data.ranking import Ranking
from evaluation.leaderboard import Standing
from evaluation.ratings import RatedPolicy
from ui import parts, verdicts
from ui.parts import Services
from ui.texts import Texts
from ui.theme import COLOURS


def reveal_html(order: str, policies: Mapping[str, str], gold: Mapping[str, float | None], t: Texts) -> str:
    """Who was who, best first; inside the tiny world with the gold reward of each answer."""
    place, graded = Ranking.parse(order, policies).places(), any(value is not None for value in gold.values())
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


def leaderboard_html(services: Services, t: Texts, season: str | None = None, *, looked: bool = False) -> str:
    """The verdicts of a season (None = the current one) with their picture on top, and the leaderboard:
    strengths, chance to be best, votes. looked: also where it is hidden until the season's target."""
    board, looks = services.arena.board(season), services.arena.looks(season)
    early = ""
    if looks:
        early = parts.advice(t("board.looks", count=len(looks), first=looks[0].rankings))
    if board.hidden and not looked:
        return parts.advice(t("board.hidden", now=board.rankings, target=board.stop.target)) + early
    return (
        early + verdicts.board_html(board, t) + board_table(board.standings, t) + rated_table(board.rated, t)
    )


def rated_table(rows: Sequence[RatedPolicy], t: Texts) -> str:
    """The ratings from 1 to 5, apart from the comparisons; nothing without any."""
    if not rows:
        return ""
    body = [
        [
            parts.policy_mark(row.policy, COLOURS.get(row.policy, "#8792a8")),
            f"{row.mean.value:.2f}",
            "–" if row.mean.low is None else f"{row.mean.low:.2f} … {row.mean.high:.2f}",
            row.mean.n,
            row.raters,
            ", ".join(f"{t('tag.' + tag)} {count}" for tag, count in row.tags),
        ]
        for row in rows
    ]
    head = [t(f"board.{name}") for name in ("policy", "mean", "interval", "ratings", "raters", "reasons")]
    return parts.title(t("board.rated")) + parts.table(head, body, text_columns=1)


def board_table(rows: Sequence[Standing], t: Texts) -> str:
    """The standings as a table, with a plain word on how much they say."""
    votes = max((row.rankings for row in rows), default=0)
    if not votes:
        return f'<p class="quiet">{escape(t("board.empty"))}</p>'
    body = [
        [
            place,
            parts.policy_mark(row.policy, COLOURS.get(row.policy, "#8792a8")),
            parts.signed(row.score),
            f"{parts.signed(row.score_low)} … {parts.signed(row.score_high)}",
            parts.percent(row.p_best),
            row.best,
            parts.measured(row.mean_rank, 2),
            f"{row.wins} / {row.ties} / {row.losses}",
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
