"""The names and tags that a user gives to runs: labels.json in the workspace.

A run's own record belongs to the process that executes it, so labels have a file of their own. The app and
the command line both write it, under a lock. A damaged file counts as empty: labels are a convenience, and no
run may become unreadable because of them. No torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from filelock import FileLock, Timeout

from data.errors import Code, UserError
from data.files import read_json, write_json
from data.workspace import Workspace

LONGEST, MOST_TAGS = 60, 8


@dataclass(frozen=True)
class Label:
    """name: "" for the name that the run was started with."""

    name: str = ""
    tags: tuple[str, ...] = ()


def read(workspace: Workspace) -> dict[str, Label]:
    """{run id: label}; {} without a file or with a damaged one."""
    try:
        content = read_json(workspace.labels)
        return {run: Label(str(row["name"]), tuple(map(str, row["tags"]))) for run, row in content.items()}
    except (OSError, UserError, AttributeError, KeyError, TypeError):
        return {}


def change(
    workspace: Workspace, run_id: str, name: str | None = None, tags: Sequence[str] | None = None
) -> Label:
    """Set the name or the tags of a run; None leaves them as they are. Returns the new label.

    Raises UserError for an unknown run or a text that is too long.
    """
    if not (workspace.run(run_id) / "run.json").is_file():
        raise UserError(f"{run_id}: no such run in {workspace.root}", code=Code.RUN)
    wanted_tags = None if tags is None else _tags(tags)
    with _locked(workspace):
        known = read(workspace)
        old = known.get(run_id, Label())
        new = Label(
            old.name if name is None else _short(name), old.tags if wanted_tags is None else wanted_tags
        )
        _write(workspace, known | {run_id: new})
    return new


def forget(workspace: Workspace, run_id: str) -> None:
    """Remove the label of a run that is deleted."""
    if run_id in read(workspace):
        with _locked(workspace):
            _write(workspace, {run: label for run, label in read(workspace).items() if run != run_id})


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    cleaned = dict.fromkeys(_short(tag).lstrip("#") for tag in tags)
    found = tuple(tag for tag in cleaned if tag)
    if len(found) > MOST_TAGS:
        raise UserError(f"{len(found)} tags: at most {MOST_TAGS} are possible", code=Code.SETTING)
    return found


def _short(text: str) -> str:
    """The text on one line. Raises UserError if it is too long."""
    line = " ".join(text.split())
    if len(line) > LONGEST:
        raise UserError(f"{ascii(line[:20])}...: longer than {LONGEST} characters", code=Code.SETTING)
    return line.encode("utf-8", "backslashreplace").decode()


def _write(workspace: Workspace, known: dict[str, Label]) -> None:
    kept = {run: label for run, label in known.items() if label != Label()}
    write_json(workspace.labels, {run: asdict(label) for run, label in kept.items()})


@contextlib.contextmanager
def _locked(workspace: Workspace) -> Iterator[None]:
    """Hold the lock of labels.json, for the milliseconds of a change."""
    lock = FileLock(workspace.labels.with_name("labels.json.lock"), timeout=5)
    try:
        lock.acquire()
    except Timeout:
        raise UserError("the names of runs are being changed; try again", code=Code.BUSY) from None
    try:
        yield
    finally:
        lock.release()
