"""`backup --to FILE`, `restore FILE`, `verify [FILE]`: save a workspace in one file, and check its integrity.

A backup is a tar file (gzipped if its name ends in .gz or .tgz) with the workspace's files; its last member
lists their SHA-256 hashes. The votes are copied through SQLite's backup API, so that the app can accept votes
during a backup. Every other file is either replaced atomically or only appended to, so that a copy is
consistent at any moment. Caches, locks, unfinished files and exported models, which `export` makes again, are
excluded. No torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Literal, cast
from urllib.parse import quote

from data import datasets, sealed
from data.errors import Code, UserError
from data.files import json_bytes, read_json, sync_folder, sync_tree
from data.workspace import Workspace
from pipeline.runs import checkpoints
from pipeline.runs.reader import read_record
from pipeline.runs.record import now

MANIFEST = "backup.json"
ADVICE = "restore a backup, or create it again"
_CHUNK = 1 << 20
_BROKEN = (tarfile.TarError, EOFError, zlib.error, OSError, ValueError)


@dataclass
class Report:
    """What was written or checked. problems: one line per file that is damaged or missing."""

    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def told(report: Report, what: str) -> int:
    """Print what was done and every problem. Raises UserError if there is a problem."""
    for problem in report.problems:
        print(problem)
    size = f", {report.bytes / 1e6:.1f} MB" if report.bytes else ""
    print(f"{what}: {report.files} files{size}, {len(report.problems)} problems", flush=True)
    if report.problems:
        raise UserError(
            f"{len(report.problems)} files are damaged or missing (named above); {ADVICE}", code=Code.RECORD
        )
    return 0


def backup(workspace: Workspace, to: Path) -> Report:
    """Write the workspace to the file `to`, which must not exist. On an error no file is left behind.

    The report's problems name damaged files; the backup contains them unchanged. Raises UserError.
    """
    to = Path(to).expanduser().absolute()
    if not workspace.root.is_dir():
        raise UserError(f"{workspace.root}: no such workspace; name one with --workspace", code=Code.OPTION)
    if to.exists():
        raise UserError(f"{to}: already exists; choose another file with --to", code=Code.OPTION)
    if to.is_relative_to(workspace.root):
        raise UserError(
            f"{to}: is in the workspace itself; choose a place outside it with --to", code=Code.OPTION
        )
    report = Report(problems=verify(workspace).problems)
    staging = to.with_name(f".{to.name}-{os.getpid()}.partial")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        # Only the owner may read a backup, because the workspace may hold files that are private.
        with open(os.open(staging, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb") as file:
            mode: Literal["w:gz", "w"] = "w:gz" if to.suffix in (".gz", ".tgz") else "w"
            with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:
                _fill(archive, workspace, report)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staging, to)
        sync_folder(to.parent)
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"{to}: the backup cannot be written ({error}); free space or try again", code=Code.OPTION
        ) from error
    finally:
        staging.unlink(missing_ok=True)
    return report


def restore(file: Path, workspace: Workspace) -> Report:
    """Create the workspace from a backup. Its folder must be empty or not exist. Raises UserError."""
    root = workspace.root
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(
            f"{root}: already exists and is not empty; choose a new folder with --workspace", code=Code.OPTION
        )
    staging = Workspace(root.with_name(f".{root.name}-{os.getpid()}.partial"))
    try:
        staging.root.mkdir(parents=True)

        def write(member: tarfile.TarInfo, content: IO[bytes]) -> None:
            path = staging.resolve(member.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "xb") as copy:
                shutil.copyfileobj(content, copy, _CHUNK)
            path.chmod(member.mode & 0o777)

        report = _read(file, write)
        if report.problems:
            raise UserError(f"{file}: nothing is restored: {report.problems[0]}", code=Code.OPTION)
        staging.create()
        sync_tree(staging.root)
        if root.exists():
            root.rmdir()
        os.replace(staging.root, root)
        sync_folder(root.parent)
    except OSError as error:
        raise UserError(f"{root}: cannot be written ({error})", code=Code.WORKSPACE) from error
    finally:
        shutil.rmtree(staging.root, ignore_errors=True)
    return report


def verify_backup(file: Path) -> Report:
    """Read a complete backup and compare every file with its hash."""
    return _read(file, lambda member, content: None)


def verify(workspace: Workspace) -> Report:
    """Check all that has a hash or a format: votes, data sets, records, models, checkpoints, experiments."""
    report = Report()

    def look(what: Callable[[], object]) -> None:
        report.files += 1
        try:
            what()
        except UserError as error:
            report.problems.append(str(error))

    if workspace.votes_db.exists():
        look(partial(_check_votes, workspace.votes_db))
    for folder in _folders(workspace.datasets):
        look(partial(datasets.check, folder))
    for folder in _folders(workspace.runs):
        look(partial(read_record, workspace, folder.name))
        cards = (folder / "model" / "model.json", *sorted(folder.glob("snapshots/*/model.json")))
        for card in (card for card in cards if card.exists()):
            look(partial(sealed.check_folder, card, ADVICE))
        for path in checkpoints.broken(folder / "checkpoints"):
            report.problems.append(f"{path}: is incomplete or damaged; a resume skips it")
    for path in sorted(workspace.experiments.glob("*.json")):
        look(partial(read_json, path))
    return report


def _fill(archive: tarfile.TarFile, workspace: Workspace, report: Report) -> None:
    entries = {}
    for name, path in _files(workspace):
        try:
            file = open(path, "rb")  # noqa: SIM115
        except FileNotFoundError:  # a checkpoint that a running training has replaced by a newer one
            continue
        with file:
            entries[name] = _add(archive, name, file, report)
    if workspace.votes_db.exists():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "votes"
            _copy_votes(workspace.votes_db, copy)
            with open(copy, "rb") as file:
                name = workspace.relative(workspace.votes_db)
                entries[name] = _add(archive, name, file, report)
    manifest = json_bytes({"format": 1, "created": now(), "files": entries}, indent=1)
    info = tarfile.TarInfo(MANIFEST)
    info.size = len(manifest)
    archive.addfile(info, io.BytesIO(manifest))


def _add(archive: tarfile.TarFile, name: str, file: IO[bytes], report: Report) -> dict[str, object]:
    """Add a file with its present length, because it may grow during the copy."""
    facts = os.fstat(file.fileno())
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = facts.st_size, int(facts.st_mtime), facts.st_mode & 0o777
    content = _Hashed(file)
    archive.addfile(info, cast(IO[bytes], content))  # addfile only calls read()
    report.files += 1
    report.bytes += info.size
    return {"sha256": content.sha256.hexdigest(), "bytes": info.size}


def _read(file: Path, take: Callable[[tarfile.TarInfo, IO[bytes]], None]) -> Report:
    """Pass each file of a backup to `take`, and compare all files with the list at the end of the backup."""
    report, seen = Report(), {}
    wanted = None
    try:
        with tarfile.open(file, "r:*") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    raise tarfile.TarError(f"{ascii(member.name)[:80]} is not a file")
                if member.name == MANIFEST:
                    wanted = json.loads(content.read())["files"]
                    continue
                hashed = _Hashed(content)
                take(member, cast(IO[bytes], hashed))
                while hashed.read(_CHUNK):
                    pass
                seen[member.name] = hashed.sha256.hexdigest()
                report.files += 1
                report.bytes += member.size
    except FileNotFoundError:
        raise UserError(f"{file}: no such file", code=Code.OPTION) from None
    except (*_BROKEN, KeyError, TypeError) as error:
        raise UserError(
            f"{file}: is damaged or not a backup ({error}); choose another file", code=Code.OPTION
        ) from error
    if wanted is None:
        raise UserError(
            f"{file}: is truncated or not a backup: it has no {MANIFEST}; choose another file",
            code=Code.OPTION,
        )
    for name in sorted({*wanted, *seen}):
        if name not in seen:
            report.problems.append(f"{name}: is missing from the backup")
        elif name not in wanted or wanted[name]["sha256"] != seen[name]:
            report.problems.append(f"{name}: is damaged in the backup")
    return report


class _Hashed(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]):
        self.file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.sha256.update(data)
        return data


def _files(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    """Yield (name in the backup, path) of every file that a backup contains, except the votes."""
    left_out = (workspace.cache, workspace.exports)
    for parent, folders, files in os.walk(workspace.root):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and here / name not in left_out
        )
        for name in sorted(files):
            path = here / name
            temporary = name.startswith(".") or name.endswith((".lock", ".lock.json"))
            votes = path.name.startswith(workspace.votes_db.name) and path.parent == workspace.arena
            if not (temporary or votes or path.is_symlink()):
                yield workspace.relative(path), path


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder, sorted, without unfinished ones."""
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _open_votes(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=20)


def _copy_votes(path: Path, copy: Path) -> None:
    with closing(_open_votes(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _check_votes(path: Path) -> None:
    try:
        with closing(_open_votes(path)) as votes:
            found = [row[0] for row in votes.execute("PRAGMA integrity_check(1)")]
            loose = votes.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise UserError(
            f"{path}: cannot be read as a database ({error}); {ADVICE}", code=Code.DATABASE
        ) from error
    if found != ["ok"] or loose:
        raise UserError(
            f"{path}: is damaged ({found[0] if found != ['ok'] else loose}); {ADVICE}", code=Code.DATABASE
        )
