"""Names for raters, rounds and votes in files that leave the workspace.

A pseudonym is an HMAC-SHA256 (RFC 2104) under a key of the workspace. It is the same in all exports of a
workspace. Without the key nobody can find the cookie, login or round behind it, not even by guessing. This
matters because a cookie votes as its rater, and whoever knows a round's id can vote on it.
"""

import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import Code, UserError
from data.files import write_atomic

KEY_BYTES = 32
# The keys of a vote's row that hold an identifier, and of what.
HIDDEN = {name: name for name in ("rater", "round", "vote", "conversation")} | {"repeat_of": "round"}


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
                f"{path}: is not a key of {KEY_BYTES} bytes; remove it (pseudonyms will change)",
                code=Code.RECORD,
            )

    def name(self, kind: str, identifier: str) -> str:
        """For example "rater-5b0c…": the kind and 16 hexadecimal digits, which differ between kinds."""
        digest = hmac.digest(self._key, f"{kind}\0{identifier}".encode(), "sha256")
        return f"{kind}-{digest.hex()[:16]}"

    def row(self, vote: Mapping[str, Any]) -> dict[str, Any]:
        """A row of `VoteStore.votes` with pseudonyms in place of its identifiers, at every depth."""
        return {key: self._hidden(key, value) for key, value in vote.items()}

    def _hidden(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.row(value)
        return self.name(HIDDEN[key], value) if key in HIDDEN and value is not None else value
