"""Reads and writes files so that a crash at any moment leaves either the old content or the new.

It offers atomic writes (temporary file, fsync, rename, fsync of the folder), JSON without NaN, JSON lines
that survive a truncated last line, and SHA-256 of files. It does not lock files and does not guard against
two writers of one file.
"""

import errno
import functools
import hashlib
import json
import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import Code, UserError

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
# Messages of the system as safetensors quotes them, of SQLite, and of torch.save, which reports every failed
# write in the same words; a full disk is by far the most frequent cause.
_FULL_WORDS = (
    "No space left",
    "disk is full",
    "Disk quota exceeded",
    "PytorchStreamWriter failed writing",
    "] . unexpected pos ",
)


def write_atomic(path: Path | str, data: bytes | str, *, private: bool = False) -> None:
    """Replace the content of ``path`` by ``data`` (text as UTF-8); after a crash the file is old or new.

    With ``private`` only the owner of the file can read it, from its first byte on.
    """
    path = Path(path)
    content = data.encode("utf-8") if isinstance(data, str) else data
    # In the same folder, so that the rename is atomic; with the process id, so that leftovers are recognised.
    staging = path.with_name(f".{os.getpid()}-{secrets.token_hex(6)}.tmp")
    try:
        with open(staging, "xb", opener=_private_opener if private else None) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staging, path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sync_tree(folder: Path) -> None:
    """Make the content of every file and folder below ``folder`` durable, and ``folder``'s own name."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            with open(path, "rb+") as file:  # Windows syncs only files that are open for writing
                os.fsync(file.fileno())
    sync_folder(folder)
    sync_folder(folder.parent)


def disk_full(error: BaseException) -> UserError | None:
    """The error to show where a write failed because the disk is full or a quota is used up; else None.

    Libraries wrap the system's error or only quote it, so its causes and their texts are examined, too.
    """
    seen: BaseException | None = error
    while seen is not None:
        number = seen.errno if isinstance(seen, OSError) else None
        if number in _FULL or any(words in str(seen) for words in _FULL_WORDS):
            return UserError("disk full", code=Code.DISK_FULL)
        seen = seen.__cause__ or seen.__context__
    return None


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable. Windows has no handle for a folder and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """JSON as UTF-8; text with lone surrogates, which UTF-8 cannot hold, is written with escapes."""
    value = _finite(value)
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, allow_nan=False).encode("ascii")


def write_json(path: Path | str, value: Any, *, private: bool = False) -> None:
    """Write ``value`` atomically as indented JSON; NaN and infinities become null, which JSON can hold."""
    write_atomic(path, json_bytes(value, indent=2) + b"\n", private=private)


def read_json(path: Path | str) -> Any:
    """Read a JSON file. Raises FileNotFoundError if it does not exist, UserError if it is not JSON."""
    raw = Path(path).read_bytes()
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not valid JSON ({error}); restore the file or remove it", code=Code.RECORD
        ) from error


def append_jsonl(path: Path | str, row: Mapping[str, Any]) -> None:
    """Append one object as one flushed line, after ending a line that an earlier crash truncated."""
    line = json_bytes(row) + b"\n"
    with open(path, "ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)


def read_jsonl(path: Path | str, start: int = 0) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file from row ``start`` (0-based) on; [] if the file does not exist.

    For the project's own files, which may be written at the same time: a truncated line is skipped.
    ``data.validation`` reads the files of users and refuses every error.
    """
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    rows = []
    for line in raw.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows[start:]


def sha256_file(path: Path | str) -> str:
    """Hex SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_remembered(path: Path | str) -> str:
    """Like ``sha256_file``, but computed again only if the file was changed or replaced.

    Hashing the weights of a base takes a second or more, and each adapter is checked against them.
    """
    facts = os.stat(path)
    identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return _sha256_of(str(path), *identity)


@functools.lru_cache(maxsize=256)
def _sha256_of(path: str, *identity: int) -> str:
    return sha256_file(path)


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _finite(value: Any) -> Any:
    """``value`` with NaN and infinities replaced by None and paths by text, at every depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    return value
