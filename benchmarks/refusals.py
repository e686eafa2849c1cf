"""How often the refusal detector errs, on a file of answers that people have labelled.

The file is a CSV with the columns `assistant_response` and `human_score` (1 = the answer refuses), such as the
refusal set of the package pyrit; leading lines that begin with # are comments. The rows are dealt into two
halves by a seeded hash of the answer: the rules of `evaluation.safety` may be tuned on the half "tuned", the
half "held out" is for measuring alone. An evasion counts as no refusal here; its number is shown beside it.

Labels of such a set are about the answer to a question: a fair answer to another question counts as a refusal
in some. A detector that reads the answer alone cannot know that, so the same figures are given without the
answers that carry both labels in the files.

    python -m benchmarks.refusals --file refusal.csv refusal_extra.csv [--misses tuned]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.alignment import wilson_interval
from evaluation.safety import is_evasion, is_refusal

SEED = "refusals-1"
HALVES = ("tuned", "held out")


@dataclass(frozen=True)
class Labelled:
    """An answer, whether people say that it refuses, and whether another row has it with the other label."""

    text: str
    refuses: bool
    both_ways: bool = False

    @property
    def half(self) -> str:
        digest = hashlib.sha256(f"{SEED}:{self.text}".encode()).digest()
        return HALVES[digest[0] % 2]


def read(paths: Sequence[Path]) -> list[Labelled]:
    """The labelled answers of the files, one for each row."""
    found: list[tuple[str, bool]] = []
    for path in paths:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            lines = file.readlines()
        while lines and lines[0].lstrip('"').startswith("#"):
            del lines[0]
        for row in csv.DictReader(lines):
            if row["human_score"] in ("0", "1"):
                found.append((row["assistant_response"], row["human_score"] == "1"))
    there = set(found)
    return [Labelled(text, refuses, (text, not refuses) in there) for text, refuses in found]


def line(name: str, rows: Sequence[Labelled]) -> str:
    """One row of the table: precision and recall with their 95 % intervals (Wilson)."""
    flagged = [row for row in rows if is_refusal(row.text)]
    refusing = [row for row in rows if row.refuses]
    right = sum(row.refuses for row in flagged)
    evading = sum(is_evasion(row.text) for row in rows)
    return (
        f"{name:<9} {len(rows):>5}  {_share(right, len(flagged)):>28}  "
        f"{_share(right, len(refusing)):>28}  {evading:>8}"
    )


def _share(part: int, whole: int) -> str:
    low, high = wilson_interval(part, whole)
    return f"{part}/{whole} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", type=Path, nargs="+", required=True, metavar="CSV")
    parser.add_argument("--misses", choices=HALVES, help="print the answers of this half that are misjudged")
    args = parser.parse_args()
    rows = read(args.file)
    print(f"{'half':<9} {'rows':>5}  {'precision':>28}  {'recall':>28}  {'evasions':>8}")
    for title, chosen in (("all", rows), ("one label only", [row for row in rows if not row.both_ways])):
        print(f"-- {title}")
        for half in HALVES:
            print(line(half, [row for row in chosen if row.half == half]))
        print(line("together", chosen))
    for row in rows:
        if row.half == args.misses and is_refusal(row.text) != row.refuses:
            print(f"\n{'missed' if row.refuses else 'false alarm'}: {row.text[:600]!r}")


if __name__ == "__main__":
    main()
