"""Pseudonyms for raters in the database, and for raters, rounds and votes in files that leave the workspace.

A pseudonym is an HMAC-SHA256 (RFC 2104) under a key of the workspace. It is the same everywhere in a
workspace and its exports. Without the key nobody can find the cookie, login or round behind it, not even by
guessing. This matters because a cookie votes as its rater, and whoever knows a round's id can vote on it.
"""

import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import Code, UserError
from data.files import write_atomic

KEY_BYTES = 32
KEY_FILE = "pseudonyms.key"  # beside the database
# The keys of a vote's row that hold an identifier as it is, and of what.
HIDDEN = {"round": "round", "repeat_of": "round", "vote": "vote", "conversation": "conversation"}
RATER_KINDS = ("api", "cookie", "session", "user")  # how a rater is known: the part before the colon


class Pseudonyms:
    """Pseudonyms under the key in the file at `path`, which is created if it does not exist.

    Raises UserError if the file exists but does not hold a key.
    """

    def __init__(self, path: Path):
        if not path.exists():
            write_atomic(path, secrets.token_bytes(KEY_BYTES), private=True)
        self._key = path.read_bytes()
        if len(self._key) != KEY_BYTES:
            raise UserError(
                f"{path}: is not a key of {KEY_BYTES} bytes; restore it from a backup", code=Code.RECORD
            )

    @property
    def mark(self) -> str:
        """What tells this key from another one, and tells nothing else of it."""
        return self.name("key", "")

    def name(self, kind: str, identifier: str) -> str:
        """For example "round-5b0c…": the kind and 16 hexadecimal digits, which differ between kinds."""
        digest = hmac.digest(self._key, f"{kind}\0{identifier}".encode(), "sha256")
        return f"{kind}-{digest.hex()[:16]}"

    def rater(self, identifier: str) -> str:
        """What the database keeps of a rater, for example "cookie:5b0c…".

        The kind stays readable, because a round of a script takes votes otherwise than one of the page.
        """
        kind = identifier.partition(":")[0]
        digest = self.name("rater", identifier).removeprefix("rater-")
        return f"{kind if kind in RATER_KINDS else 'rater'}:{digest}"

    def row(self, vote: Mapping[str, Any]) -> dict[str, Any]:
        """A row of `VoteStore.votes` with pseudonyms in place of its identifiers, at every depth."""
        return {key: self._hidden(key, value) for key, value in vote.items()}

    def _hidden(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.row(value)
        if key == "rater":  # a pseudonym already; its kind is nobody's business
            return f"rater-{str(value).partition(':')[2]}"
        return self.name(HIDDEN[key], value) if key in HIDDEN and value is not None else value
