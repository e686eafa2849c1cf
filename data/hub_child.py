"""The process that contacts the hub for `data.hub`, which kills it if it goes silent.

    python -m data.hub_child dataset|model OWNER/NAME [FOLDER]

It writes JSON lines: {"bytes": n} as bytes arrive, and as the last one {"result": "done", "path": ...} or
{"result": the reason, "detail": ...}. It is not meant to be run by hand; `prepare --set source=hub:...`
starts it.
"""

import functools
import glob
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from huggingface_hub import get_cached_repo_tree, is_offline_mode, snapshot_download
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)
from huggingface_hub.utils import tqdm

from data.errors import UserError
from data.hub import select_model, select_rows


def say(**words: Any) -> None:
    print(json.dumps(words), flush=True)


class Progress(tqdm):
    """A progress bar that shows nothing and reports arrived bytes, at most twice per second."""

    _said = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.pop("name", None)
        with open(os.devnull, "w") as nowhere:
            super().__init__(*arguments, **options | {"file": nowhere, "disable": True})
        say(bytes=0)

    def update(self, n: float | None = 1) -> None:
        if n and time.monotonic() - Progress._said > 0.5:
            Progress._said = time.monotonic()
            say(bytes=n)

    def update_transfer(self, n: float | None = 1) -> None:
        self.update(n)


def fetch(kind: str, repo_id: str, folder: str) -> Path:
    """List the repository (with its README), choose the files and fetch them, or take them from the cache."""
    get = functools.partial(snapshot_download, repo_id, repo_type=kind, max_workers=1, tqdm_class=Progress)
    root = Path(get(allow_patterns="README.md"))
    try:
        tree = get_cached_repo_tree(repo_id, repo_type=kind, revision=root.name)
        names = [file.path for file in tree]
    except CachedRepoTreeNotFoundError:  # a cache filled by an older version of the library
        names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    wanted = select_model(names) if kind == "model" else select_rows(names, folder)
    if wanted:
        get(allow_patterns=[glob.escape(name) for name in wanted])
    return root


def main(kind: str, repo_id: str, folder: str = "") -> None:
    say(bytes=0)  # the libraries are loaded; from here on, only the hub can cause silence
    try:
        say(result="done", path=str(fetch(kind, repo_id, folder)))
    except LocalEntryNotFoundError as error:
        # The library tries the cache first and names the reason only in the cause.
        if isinstance(error.__cause__, HfHubHTTPError):
            say(**refusal(error.__cause__))
        else:
            say(result="offline" if is_offline_mode() else "unreachable")
    except HfHubHTTPError as error:
        say(**refusal(error))
    except (HTTPError, XetDownloadError, json.JSONDecodeError) as error:
        say(result="unreachable", detail=f" ({type(error).__name__})")
    except (UserError, HFValidationError) as error:
        say(result="refused", detail=str(error))
    except OSError as error:
        say(result="refused", detail=f"cannot be stored or fetched ({error.strerror or error})")


def refusal(error: HfHubHTTPError) -> dict[str, str]:
    """The meaning of an HTTP error of the hub.

    Without a login the hub also answers 401 for a missing repository.
    """
    status = error.response.status_code
    if isinstance(error, GatedRepoError) or status == 403:
        return {"result": "gated"}
    if status == 401:
        return {"result": "closed"}
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError) or status == 404:
        return {"result": "missing"}
    return {"result": "unreachable", "detail": f" (HTTP {status})"}


if __name__ == "__main__":
    main(*sys.argv[1:])
