"""The arena's verdicts in plain sentences, with the picture that shows them, and how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from evaluation.contrasts import VOTES_EACH
from evaluation.trust import Share, Trust
from evaluation.verdict import Verdict
from pipeline.arena.statistics import Board
from ui import parts
from ui.texts import Texts
from ui.theme import COLOURS

MOODS = {"better": "good", "equivalent": "good", "not worse": "good", "worse": "warn", "undecided": "note"}


def board_html(board: Board, t: Texts) -> str:
    """The verdicts of a season, most important first, and the picture; nothing without votes."""
    if not board.verdicts:
        return ""
    lines = [(MOODS[found.kind], sentence(found, t)) for found in board.verdicts if _worth_saying(found)]
    if board.without:
        lines.append(("note", without_flagged(board, t)))
    if board.stop.stop:
        lines.append(("good", t(f"verdict.stop_{board.stop.reason}", target=board.stop.target)))
    return parts.reading(lines) + picture(board.verdicts, t)


def sentence(found: Verdict, t: Texts) -> str:
    """One verdict in one sentence, with a second one on whom it speaks for where that is not everybody."""
    facts = {"a": found.a, "b": found.b, "margin": points(found.margin), "wins": found.wins}
    facts |= {"decisive": found.decisive, "raters": found.raters}
    if found.kind == "undecided":
        key = "verdict.no_more" if found.more_rankings is None else "verdict.more_rankings"
        said = t("verdict.undecided", **facts) + t(key, more=about(found.more_rankings), **facts)
    else:
        scope = "rater" if found.scope == "raters" and found.raters == 1 else found.scope
        kind = found.kind.replace(" ", "_")
        if found.small and found.kind in ("better", "worse"):
            kind += "_small"
        said = t(f"verdict.{scope}", **facts) + t(f"verdict.{kind}", **facts)
        said += t("verdict.counts", e=about(found.e), **facts)
        if found.scope == "raters":
            said += " " + t("verdict.these_only")
    if found.more_raters:
        said += " " + t("verdict.more_raters", more=about(found.more_raters), each=VOTES_EACH)
    return said


def without_flagged(board: Board, t: Texts) -> str:
    """What the verdicts become without the flagged raters."""
    before = {(found.a, found.b, found.kind, found.scope) for found in board.verdicts}
    changed = [v for v in board.without if (v.a, v.b, v.kind, v.scope) not in before]
    what = " ".join(sentence(found, t) for found in changed) or t("verdict.same")
    return t("verdict.without", flagged=board.flagged, raters=board.raters, what=what)


def picture(found: Sequence[Verdict], t: Texts) -> str:
    """One track per contrast from 0 to 100 % preference: interval, share of the votes, and the margin."""
    rows = "".join(_track(verdict, t) for verdict in found if verdict.decisive)
    margins = [verdict.margin for verdict in found if verdict.margin is not None]
    if not rows:
        return ""
    legend = t("verdict.legend", margin=points(margins[0])) if margins else ""
    return f'<div class="tracks">{rows}<p class="quiet small">{escape(legend)}</p></div>'


def _track(found: Verdict, t: Texts) -> str:
    share = 100 * found.wins / found.decisive
    low, high = 100 * found.low, 100 * found.high
    numbers = {"share": f"{share:.0f}", "low": f"{low:.0f}", "high": f"{high:.0f}"}
    label = t("verdict.picture", a=found.a, b=found.b, **numbers)
    colour = COLOURS.get(found.a, "#8792a8")
    zone = ""
    if found.margin is not None:
        left, width = 50 - 100 * found.margin, 200 * found.margin
        zone = f'<i class="zone" style="left:{left:.1f}%;width:{width:.1f}%"></i>'
    bar = f'<i class="span" style="left:{low:.1f}%;width:{high - low:.1f}%;background:{colour}"></i>'
    dot = f'<i class="at" style="left:{share:.1f}%;background:{colour}"></i>'
    names = f"<span>{escape(found.b)}</span><span>{escape(found.a)}</span>"
    return (
        f'<div class="track-row" role="img" aria-label="{escape(label, quote=True)}" title="{escape(label)}">'
        f'<div class="track-names">{names}</div>'
        f'<div class="track">{zone}<i class="half"></i>{bar}{dot}</div></div>'
    )


def trust_html(found: Trust, t: Texts) -> str:
    """Biases and agreement in sentences, and a table of the raters; their ids are shortened."""
    panes = ", ".join(f"{pane} {wins}" for pane, wins in found.panes.wins.items())
    lines, unknown = [], []
    if found.panes.p_value is not None:
        mood = "warn" if found.panes.p_value < 0.01 else "good"
        lines.append((mood, t("trust.panes", wins=panes, p=f"{100 * found.panes.p_value:.0f}")))
    if found.longer_wins:
        lines.append(("note", t("trust.length", share=_share(found.longer_wins))))
    if found.alpha is None:
        unknown.append(t("trust.no_alpha"))
    else:
        lines.append(("note", t("trust.alpha", alpha=f"{found.alpha:.2f}")))
    if found.consistency is None:
        unknown.append(t("trust.no_repeats"))
    else:
        lines.append(("note", t("trust.repeats", share=_share(found.consistency))))
    if unknown:
        lines.append(("note", t("trust.unknown", what="; ".join(unknown))))
    rows = [
        [
            check.rater.partition(":")[2][:6],
            ", ".join(t(f"trust.flag.{flag}") for flag in check.flags),
            check.votes,
            parts.number(check.seconds),
            _share(check.consistency) if check.consistency else "–",
        ]
        for check in found.raters
    ]
    head = [t(f"trust.{name}") for name in ("rater", "flags", "votes", "seconds", "consistency")]
    return parts.reading(lines) + parts.table(head, rows, text_columns=2)


def points(margin: float | None) -> str:
    """A margin in whole points."""
    return "" if margin is None else f"{100 * margin:.0f}"


def about(number: float | None) -> str:
    """A number as one says it with "about": 3, 12, 40, 350, 1,200; "> 1,000,000" for what is beyond."""
    if number is None:
        return ""
    if number > 1e6:
        return "> 1,000,000"
    if number < 20:
        return f"{number:.1f}" if number < 1 else f"{number:.0f}"
    return f"{float(f'{number:.2g}'):,.0f}"


def _share(found: Share) -> str:
    return parts.with_interval(found.share, [found.low, found.high])


def _worth_saying(found: Verdict) -> bool:
    """A contrast without a margin is mentioned once it is decided."""
    return found.margin is not None or found.kind != "undecided"
