"""The workspace, the folder of everything that a user makes. Every path below it comes from this module.

It names the folders, checks the names that users choose, and converts paths to relative ones and back. It
does not read or write records. It keeps no global: a ``Workspace`` is passed in.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from data.errors import Code, UserError
from data.files import disk_full

_NAME = re.compile(r"\w[\w.\-]*", re.UNICODE)
_NAME_BYTES = 120
# Device names of Windows, which are reserved with any extension; a workspace may be copied to Windows.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def check_name(name: str) -> str:
    """``name`` if it is valid as a folder's name on every system; raises UserError otherwise."""
    shown = ascii(name)[:60]
    advice = "use letters, digits, '-', '_' and '.', at most 120 bytes, starting with a letter or digit"
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith("."):
        raise UserError(f"name {shown}: not allowed; {advice}", code=Code.NAME)
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise UserError(f"name {shown}: not valid Unicode; {advice}", code=Code.NAME) from error
    if length > _NAME_BYTES:
        raise UserError(f"name {shown}...: too long; {advice}", code=Code.NAME)
    if name.split(".")[0].lower() in _RESERVED:
        raise UserError(f"name {shown}: reserved on Windows; choose another one", code=Code.NAME)
    return name


@dataclass(frozen=True)
class Workspace:
    """The folder of one user's data sets, runs, votes and experiments. ``root`` is made absolute."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).expanduser().resolve())

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def arena(self) -> Path:
        return self.root / "arena"

    @property
    def experiments(self) -> Path:
        return self.root / "experiments"

    @property
    def models(self) -> Path:
        """Base models that the user puts here: folders and GGUF files. It need not exist."""
        return self.root / "models"

    @property
    def exports(self) -> Path:
        """Exported models. It need not exist."""
        return self.root / "exports"

    @property
    def studies(self) -> Path:
        return self.root / "studies"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def votes_db(self) -> Path:
        return self.arena / "arena.sqlite"

    @property
    def accounts(self) -> Path:
        return self.root / "accounts.json"

    @property
    def labels(self) -> Path:
        """The names and tags that a user gives to runs (`pipeline.runs.labels`)."""
        return self.root / "labels.json"

    @property
    def logins(self) -> Path:
        return self.root / "logins.json"

    def create(self) -> "Workspace":
        """Create the missing folders. Raises UserError if the workspace cannot be written to."""
        try:
            for folder in (self.datasets, self.runs, self.arena, self.experiments, self.cache):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
        except OSError as error:
            if full := disk_full(error):
                raise full from error
            raise UserError(
                f"workspace {self.root}: cannot be written to ({error.strerror or error})",
                code=Code.WORKSPACE,
            ) from error
        return self

    # The following methods return paths that contain a name. Each raises UserError for an invalid name; the
    # path need not exist.

    def dataset(self, name: str) -> Path:
        """The folder of the data set ``name``."""
        return _child(self.datasets, name)

    def run(self, run_id: str) -> Path:
        """The folder of a run."""
        return _child(self.runs, run_id)

    def experiment(self, name: str) -> Path:
        """The experiment record ``name`` of a PPO run."""
        return _child(self.experiments, name, ".json")

    def export(self, name: str) -> Path:
        """The folder of an exported model."""
        return _child(self.exports, name)

    def study(self, name: str) -> Path:
        """The folder of a study."""
        return _child(self.studies, name)

    def votes_export(self, name: str) -> Path:
        """The file ``name`` of exported votes."""
        return _child(self.arena, name, ".jsonl")

    def upload(self, name: str) -> Path:
        """The copy of an uploaded file of pairs."""
        return _child(self.cache / "uploads", name, ".jsonl")

    def relative(self, path: Path | str) -> str:
        """``path`` relative to the root, with forward slashes, as in records. UserError if it is outside."""
        path = Path(path)
        try:
            return (path if path.is_absolute() else self.root / path).relative_to(self.root).as_posix()
        except ValueError as error:
            raise UserError(f"{path}: not inside the workspace {self.root}", code=Code.NAME) from error

    def resolve(self, relative: str) -> Path:
        """The absolute path of a relative path in a record. UserError if it leads out of the workspace."""
        if "\0" in relative or Path(relative).is_absolute():
            raise UserError(f"path {ascii(relative)[:80]}: must be relative to the workspace", code=Code.NAME)
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root):
            raise UserError(f"path {ascii(relative)[:80]}: leads out of the workspace", code=Code.NAME)
        return path


def _child(folder: Path, name: str, suffix: str = "") -> Path:
    path = folder / (check_name(name) + suffix)
    if path.is_symlink():
        raise UserError(f"{path}: is a symbolic link; choose another name or remove the link", code=Code.NAME)
    return path
