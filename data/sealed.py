"""Cards: JSON files with facts about the files in the same folder and their SHA-256, which reveal damage.

A card (`model.json`, `dataset.json`) holds the size and hash of every file that belongs to the result, and a
hash of itself. Every reader gets a file's content through `read_file`, which refuses content that differs
from what was written. Cards of earlier versions have no hashes (`is_sealed`), and their files are read
unchecked. A card protects against damage, not against somebody who writes a new card.

    write_card(folder / "model.json", {"precision": "bf16", "files": {name: entry(data)}})
    card = read_card(folder / "model.json", "train it again")
    data = read_file(folder / name, card["files"], "train it again")
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import Code, UserError
from data.files import json_bytes, read_json, sha256_text, write_json

# Two keys, so that damage to the name of one does not turn the card into one without hashes.
OWN, MARK = "card_sha256", "sealed"


def entry(data: bytes) -> dict[str, Any]:
    """A card's entry for a file with this content."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write a card with its own hash."""
    # The hash covers the card as it is read back, with NaN as null and tuples as lists.
    written = json.loads(json_bytes({**card, MARK: True}))
    write_json(path, written | {OWN: _own_hash(written)})


def read_card(path: Path, advice: str) -> dict[str, Any]:
    """A card. Raises UserError, with `advice`, if it is missing, damaged or not a JSON object."""
    try:
        card = read_json(path)
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; {advice}", code=Code.MODEL) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})", code=Code.MODEL) from None
    if not isinstance(card, dict) or (is_sealed(card) and card.get(OWN) != _own_hash(card)):
        raise UserError(f"{path}: is damaged; {advice}", code=Code.MODEL)
    return card


def read_file(path: Path, entries: Mapping[str, Any] | None, advice: str) -> bytes:
    """The content of a file, read once and checked against its entry in the card.

    `entries` is None for a card without hashes. Raises UserError if the file is missing, not in the card, or
    not what was written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; {advice}", code=Code.MODEL) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})", code=Code.MODEL) from None
    if entries is not None:
        check(path, hashlib.sha256(data).hexdigest(), entries, advice)
    return data


def check_folder(card_path: Path, advice: str) -> None:
    """Raise UserError for the first file that differs from its entry in the card."""
    entries = read_card(card_path, advice).get("files", {})
    for name in entries:
        read_file(card_path.parent / name, entries, advice)


def check(path: Path, sha256: str, entries: Mapping[str, Any], advice: str) -> None:
    """Raise UserError if a file's hash is not the one in the card."""
    wanted = entries.get(path.name)
    if not isinstance(wanted, Mapping) or wanted.get("sha256") != sha256:
        raise UserError(
            f"{path}: is damaged (its SHA-256 is not the one that was recorded); {advice}", code=Code.MODEL
        )


def is_sealed(card: Mapping[str, Any]) -> bool:
    """Whether the card comes from a version that records hashes."""
    return OWN in card or MARK in card


def _own_hash(card: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in card.items() if key != OWN}
    return sha256_text(json.dumps(rest, sort_keys=True))
