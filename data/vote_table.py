"""Votes as a table for spreadsheets; cells that a spreadsheet would execute become plain text.

This table is for people. For training data use `VoteStore.preference_pairs`.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

VOTE_COLUMNS = (
    "vote",
    "round",
    "rater",
    "created",
    "mode",
    "order",
    "rating",
    "tags",
    "comment",
    "language",
    "turn",
    "message",
)
ANSWER_COLUMNS = ("policy", "text", "tokens", "finish")
FORMULA_STARTS = tuple("=+-@|%")


def votes_csv(votes: Sequence[Mapping[str, Any]]) -> str:
    """CSV of the votes (rows as `VoteStore.votes` returns them), one line per answer."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow((*VOTE_COLUMNS, "letter", *ANSWER_COLUMNS))
    for vote in votes:
        row = dict(vote) | {"tags": " ".join(vote["tags"])}
        head = [row[column] for column in VOTE_COLUMNS]
        for letter, answer in vote["answers"].items():
            tail = [answer[column] for column in ANSWER_COLUMNS]
            writer.writerow([plain_cell(cell) for cell in (*head, letter, *tail)])
    return out.getvalue()


def plain_cell(value: Any) -> Any:
    """The value; text that a spreadsheet could interpret as a formula is prefixed by an apostrophe."""
    if isinstance(value, str) and value.lstrip().startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
