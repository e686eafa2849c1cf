"""The files of a base model: their hashes, and checks that they have not changed.

A base that this project trained has a card (`model.json`) with the hashes of its files. The name of a file in
the hub's cache is its hash. Any other base has nothing to compare with until a run has recorded the hashes in
the card of its adapter. A file is hashed once per process.
"""

import hashlib
from pathlib import Path
from typing import Any

from data import sealed
from data.errors import Code, UserError
from data.files import sha256_remembered, sha256_text

CARD = "model.json"
ADVICE = "download, copy or pretrain the base again"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


def weights_files(folder: Path) -> list[Path]:
    """The paths of the configuration and the weights."""
    return [folder / "config.json", *sorted(folder.glob("*.safetensors"))]


def tokenizer_files(folder: Path) -> list[Path]:
    """The paths of the tokenizer's files."""
    return [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]


def used_files(folder: Path) -> list[Path]:
    """The paths of all files of a base that are read."""
    sampling = folder / "generation_config.json"
    return [*weights_files(folder), *tokenizer_files(folder), *([sampling] if sampling.is_file() else [])]


def combined_hash(paths: list[Path]) -> str:
    """One hex SHA-256 over the names and contents of several files; their order does not matter."""
    parts = sorted((path.name, sha256_remembered(path)) for path in paths)
    return sha256_text("".join(f"{name}\0{digest}\n" for name, digest in parts))


def entries(folder: Path) -> dict[str, dict[str, Any]]:
    """{name: {"sha256", "bytes"}} of the files of a base, for a card."""
    return {
        path.name: {"sha256": sha256_remembered(path), "bytes": path.stat().st_size}
        for path in used_files(folder)
    }


def seal(folder: Path) -> None:
    """Write the card of a base that this project trained."""
    sealed.write_card(folder / CARD, {"kind": "base", "files": entries(folder)})


def check(folder: Path) -> None:
    """Raise UserError for a file that differs from the hash in the base's card or in the hub's cache."""
    card = sealed.read_card(folder / CARD, ADVICE) if (folder / CARD).is_file() else {}
    recorded = card.get("files", {})
    for name in recorded:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: is missing; {ADVICE}", code=Code.BASE)
    for path in used_files(folder):
        if recorded:
            sealed.check(path, sha256_remembered(path), recorded, ADVICE)
        elif not _is_the_blob(path):
            raise UserError(
                f"{path}: is damaged (its hash is not the hub's); remove it and download it again",
                code=Code.BASE,
            )


def changed(folder: Path, recorded: dict[str, Any]) -> list[str]:
    """The names of a base's files that differ from the record in the card of an adapter trained on it."""
    now = entries(folder)
    return [
        name
        for name in sorted({*recorded, *now})
        if (recorded.get(name) or {}).get("sha256") != (now.get(name) or {}).get("sha256")
    ]


def _is_the_blob(path: Path) -> bool:
    """Whether the content of a file in the hub's cache has the hash in its name; True for any other file.

    Large files are named after their SHA-256, the others after git's SHA-1 of a blob.
    """
    blob = path.resolve()
    if blob.parent.name != "blobs" or blob == path.absolute():
        return True
    if len(blob.name) == 64:
        return sha256_remembered(path) == blob.name
    data = blob.read_bytes()
    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return len(blob.name) != 40 or git == blob.name
