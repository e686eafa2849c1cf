"""`python -m pipeline card RUN`: make the report card of a reward model and print it.

The card is also written to the run's folder, from which the page shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from data.workspace import Workspace
from pipeline.runs import locks
from pipeline.runs.quiet import quiet

if TYPE_CHECKING:
    from evaluation.reward_card import Card, Estimate

REASONS = {
    "kinds": "the data have no kinds of request",
    "subjects": "the data do not tell subjects apart, or there are none of these",
    "gold": "there is no gold reward outside the tiny world",
    "equal": "SFT's answers to a prompt have no pairs of equal and of different gold",
    "variation": "SFT's answers to a prompt do not differ in it",
}


def make(workspace: Workspace, run_id: str, prompts: int = 64) -> str:
    """The card of a done reward run, as a table. Raises UserError."""
    with locks.hold(locks.training_lock(workspace), stage="card"):
        quiet()
        from pipeline.stages.reward_card import write_cards
        from pipeline.training.seeding import make_deterministic

        make_deterministic(42)
        (card,) = write_cards(workspace, [run_id], prompts)
    return table(card)


def table(card: Card) -> str:
    """The card as lines of a name and a value with its standard error."""
    best = card.best_of
    rows = [
        ("accuracy on the test pairs", _shown(card.accuracy, "pairs")),
        ("best reachable accuracy", "–" if card.bayes is None else f"{card.bayes:.3f}"),
        *((f"  {kind}", _shown(value, "pairs")) for kind, value in (card.by_kind or {}).items()),
        ("accuracy, subjects seen in training", _shown(card.seen, "pairs")),
        ("accuracy, new subjects", _shown(card.unseen, "pairs")),
        ("specificity (0.5 is chance)", _shown(card.specificity, "pairs of equal gold")),
        ("variance of SFT's scores", f"{card.variance:.3f}"),
        ("  of it within a prompt", "–" if card.within is None else f"{card.within:.3f}"),
        ("score per 10 words, sd", _shown(card.length, "answers")),
        ("score per courtesy, sd", _shown(card.politeness, "answers")),
        ("gold gained by best of 4", _shown(best.gain if best else None, "prompts")),
        ("  of what is reachable", "–" if not best or best.share is None else f"{best.share:.3f}"),
        ("alone against in a batch, sd", f"{card.batch.largest:.2g}"),
        ("  pairs that change sides", f"{card.batch.flipped:.3f} of {card.batch.pairs}"),
        ("calibration error (ECE)", f"{card.ece:.3f}"),
    ]  # fmt: skip
    lines = [f"{name:<36} {value}" for name, value in rows]
    reasons = dict.fromkeys(card.absent.values())
    return "\n".join([*lines, *(f"not shown: {REASONS[reason]}" for reason in reasons)])


def _shown(value: Estimate | None, what: str) -> str:
    if value is None:
        return "–"
    se = "" if value.se is None else f" ± {value.se:.3f}"
    return f"{value.value:.3f}{se} (standard error, {value.n} {what})"
