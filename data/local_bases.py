"""Base models that lie on this machine, for the choices that the page offers: folders, GGUF files, the hub's
cache.

A folder counts as a base if it has a config.json of a language model and safetensors weights. Nothing is
opened except config.json, so a listed base may still be refused when it is loaded (`data.bases`,
`models.loading`). Runs that trained a base are found by their records, not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import constants

from data.errors import UserError
from data.files import read_json

Kind = Literal["folder", "gguf", "cache"]
NOT_FOR_TEXT = "ForSequenceClassification"  # an exported reward model


@dataclass(frozen=True)
class LocalBase:
    """A base model on this machine.

    value: what the setting base_model takes: a path, or OWNER/NAME for a model in the hub's cache. bytes: of
    the weights.
    """

    value: str
    name: str
    kind: Kind
    bytes: int


def base_at(path: Path) -> LocalBase | None:
    """The base in a folder or GGUF file; None if there is none."""
    try:
        if path.is_file() and path.suffix.lower() == ".gguf":
            return LocalBase(str(path), path.name, "gguf", path.stat().st_size)
        size = _weights(path)
    except OSError:
        return None
    return LocalBase(str(path), path.name, "folder", size) if size else None


def bases_below(folder: Path) -> list[LocalBase]:
    """The bases directly in a folder, in the order of their names; [] if the folder does not exist."""
    return _found(sorted(folder.iterdir()) if folder.is_dir() else [])


def cached_bases() -> list[LocalBase]:
    """The models in the hub's cache that are complete enough to be used without a network."""
    found = []
    for repository in sorted(Path(constants.HF_HUB_CACHE).glob("models--*")):
        revisions = [folder for folder in repository.glob("snapshots/*") if base_at(folder)]
        if revisions:
            name = repository.name.removeprefix("models--").replace("--", "/", 1)
            found.append(LocalBase(name, name, "cache", max(map(_weights, revisions))))
    return found


def cached_datasets() -> list[str]:
    """The names OWNER/NAME of the data sets in the hub's cache."""
    folders = sorted(Path(constants.HF_HUB_CACHE).glob("datasets--*/snapshots"))
    return [folder.parent.name.removeprefix("datasets--").replace("--", "/", 1) for folder in folders]


def _found(paths: Iterable[Path]) -> list[LocalBase]:
    return [base for path in paths if not path.name.startswith(".") and (base := base_at(path))]


def _weights(folder: Path) -> int:
    """The bytes of a language model's weights in a folder; 0 if it holds none."""
    try:
        config = read_json(folder / "config.json")
    except (OSError, UserError):
        return 0
    if not isinstance(config, dict) or any(NOT_FOR_TEXT in str(a) for a in config.get("architectures") or ()):
        return 0
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
