"""The lengths of a data set's rows in a base's tokens, without torch.

An estimate of memory needs the longest rows in the data, not the longest rows that the settings allow. Only
the few longest lines are tokenised. The few tokens that a chat template adds are not counted.

    row_lengths(workspace.dataset("tiny") / "train_prefs.jsonl", base_folder)
"""

from __future__ import annotations

import heapq
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOKED_AT = 50_000  # number of lines read from a large data set
MEASURED = 48  # number of these that are tokenised: the longest


@dataclass(frozen=True)
class RowLengths:
    """Tokens of prompt, chosen and rejected of some rows, EOS included in both responses."""

    rows: tuple[tuple[int, int, int], ...]

    def prompt(self, room: int) -> int:
        """Tokens of the longest prompt, cut to at most `room`."""
        return min(room, max(prompt for prompt, _, _ in self.rows))

    def answered(self, most: int) -> int:
        """Tokens of the longest prompt with its chosen response, cut to `most`."""
        return max(sum(_fit(prompt, chosen, most)) for prompt, chosen, _ in self.rows)

    def response(self, most: int) -> int:
        """Tokens of the longest chosen response if it and its prompt are cut to `most`."""
        return max(_fit(prompt, chosen, most)[1] for prompt, chosen, _ in self.rows)

    def either(self, most: int) -> int:
        """Tokens of the longest prompt with one of its responses, cut to `most`."""
        return max(sum(_fit(p, response, most)) for p, *both in self.rows for response in both)

    def pair(self, most: int) -> int:
        """Tokens of the longest prompt followed by both responses; a prompt that is cut differently counts
        twice."""
        return max(_pair(*row, most) for row in self.rows)


def full_rows(most: int) -> RowLengths:
    """Rows of `most` tokens, half of them the response; used if no data is available."""
    return RowLengths(((most - most // 2, most // 2, most // 2),))


def row_lengths(path: Path, base: Path) -> RowLengths | None:
    """Lengths of the longest rows of a JSON-lines file of pairs; None if it or the tokenizer is missing."""
    words = base / "tokenizer.json"
    if not (path.is_file() and words.is_file()):
        return None
    from tokenizers import Tokenizer

    with path.open("rb") as lines:
        longest = heapq.nlargest(MEASURED, itertools.islice(lines, LOOKED_AT), key=len)
    try:
        rows = [json.loads(line) for line in longest if line.strip()]
        tokenizer = Tokenizer.from_file(str(words))
        return RowLengths(tuple(_count(tokenizer, row) for row in rows)) if rows else None
    except Exception:  # the library has no error class; the stage itself reports a damaged row or tokenizer
        return None


def _count(tokenizer: Any, row: dict[str, Any]) -> tuple[int, int, int]:
    def tokens(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    # A response follows a space and ends with EOS.
    prompt, chosen, rejected = row["prompt"], row.get("chosen", ""), row.get("rejected", "")
    return tokens(prompt), tokens(" " + chosen.strip()) + 1, tokens(" " + rejected.strip()) + 1


def _fit(prompt: int, response: int, most: int) -> tuple[int, int]:
    """Cut as models.prompting does: the prompt first, down to a quarter of `most`."""
    response = min(response, max(most - min(prompt, max(most // 4, 1)), 1))
    return min(prompt, most - response), response


def _pair(prompt: int, chosen: int, rejected: int, most: int) -> int:
    (first, chosen), (second, rejected) = (_fit(prompt, response, most) for response in (chosen, rejected))
    return chosen + rejected + (first if first == second else first + second)
