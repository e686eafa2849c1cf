"""A data set's folder: rows of preference pairs by split, and the card `dataset.json` with their hashes.

`prepare` writes it (`pipeline.stages.prepare`); every reader uses `read_split`, which refuses a file with
damaged, missing or additional rows.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data import sealed
from data.errors import Code, UserError
from data.files import json_bytes, write_atomic

CARD = "dataset.json"
ADVICE = "make the data set again with `prepare`, or restore a backup"
_TEXTS = ("prompt", "chosen", "rejected")


def split_path(folder: Path, split: str) -> Path:
    """The file with the rows of a split."""
    return folder / f"{split}_prefs.jsonl"


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the card; `card["splits"]` holds `file`, `pairs` and `sha256` per split."""
    sealed.write_card(folder / CARD, card)


def write_splits(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """Write a data set of the given rows with a minimal card; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {}
    for split, rows in splits.items():
        path, data = split_path(folder, split), b"".join(json_bytes(dict(row)) + b"\n" for row in rows)
        write_atomic(path, data)
        facts[split] = {"file": path.name, "pairs": len(rows), **sealed.entry(data)}
    write_card(folder, {"name": folder.name, "splits": facts})
    return folder


def read_card(folder: Path) -> dict[str, Any]:
    """The card. Raises UserError if it is missing or damaged."""
    card = sealed.read_card(folder / CARD, ADVICE)
    splits = card.get("splits")
    if not isinstance(splits, dict) or not all(isinstance(facts, dict) for facts in splits.values()):
        raise UserError(f"{folder / CARD}: is damaged; {ADVICE}", code=Code.DATASET)
    return card


def read_split(folder: Path, split: str) -> list[dict[str, Any]]:
    """The rows {"prompt", "chosen", "rejected", ...} of a split.

    Raises UserError with the file if the data set has no such split or the file is not what `prepare` wrote,
    and with the line for a row that is not a pair.
    """
    path = split_path(folder, split)
    facts = read_card(folder)["splits"].get(split)
    if facts is None:
        raise UserError(f"{path}: the data set has no such split; {ADVICE}", code=Code.DATASET)
    data = sealed.read_file(path, {path.name: facts}, ADVICE)
    return [_row(line, f"{path}, line {n}") for n, line in enumerate(data.splitlines(), 1) if line.strip()]


def check(folder: Path) -> None:
    """Raise UserError for the first file of a data set that is damaged."""
    for split in read_card(folder)["splits"]:
        read_split(folder, split)


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in _TEXTS):
        raise UserError(f"{where}: is not a preference pair; {ADVICE}", code=Code.DATASET)
    return row
