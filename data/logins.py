"""The current logins: one random token per browser, stored as a hash in a private file.

Logins survive a restart of the app. A login ends when the user logs out, after `LASTS_SECONDS`, when the
password changes and when the account is removed. Only the browser's cookie holds the token itself.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from data.accounts import Account, Accounts, same
from data.errors import Code, UserError
from data.files import read_json, sha256_text, write_json

LASTS_SECONDS = 7 * 24 * 3600
MOST_OF_ONE = 20  # logins per account; a further one ends the oldest


@dataclass(frozen=True)
class _Login:
    name: str
    password: str  # a short hash of the password's hash, so that a new password ends the login
    ends: float  # seconds since 1970


class Logins:
    """The logins in the file at `path`, of the people in `accounts`. Many threads may use one object.

    Raises UserError if the file cannot be read. now: the clock, in seconds since 1970.
    """

    def __init__(self, path: Path, accounts: Accounts, now: Callable[[], float] = time.time):
        self._path, self._accounts, self._now = path, accounts, now
        self._lock = threading.Lock()
        try:
            rows = read_json(path)["logins"] if path.exists() else {}
            self._logins = {key: _Login(**row) for key, row in rows.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: is not a file of logins; remove it (everybody logs in again)", code=Code.RECORD
            ) from error

    def begin(self, account: Account) -> str:
        """A new token for this account; its hash is on disk when this returns."""
        token = secrets.token_urlsafe(32)
        login = _Login(account.name, _mark(account), self._now() + LASTS_SECONDS)
        with self._lock:
            valid = {key: one for key, one in self._logins.items() if self._account(one) is not None}
            own = [key for key, one in valid.items() if one.name == account.name]
            for key in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
                del valid[key]
            self._store({**valid, sha256_text(token): login})
        return token

    def who(self, token: str | None) -> Account | None:
        """The account of this token, with its current role; None if the login is unknown or has ended."""
        login = self._logins.get(sha256_text(token)) if token else None
        return self._account(login) if login else None

    def end(self, token: str) -> None:
        """Log out; repeated calls have no further effect."""
        with self._lock:
            if sha256_text(token) in self._logins:
                self._store({k: one for k, one in self._logins.items() if k != sha256_text(token)})

    def _account(self, login: _Login) -> Account | None:
        account = self._accounts.find(login.name)
        if account is None or login.ends < self._now() or login.password != _mark(account):
            return None
        return account

    def _store(self, logins: dict[str, _Login]) -> None:
        write_json(self._path, {"logins": {key: asdict(one) for key, one in logins.items()}}, private=True)
        self._logins = logins


def form_key(token: str) -> str:
    """The key that a form of this login must send, so that another site's form is refused."""
    return hashlib.sha256(b"form\0" + token.encode()).hexdigest()


def is_form_key(key: object, token: str) -> bool:
    return isinstance(key, str) and same(key, form_key(token))


def _mark(account: Account) -> str:
    return sha256_text(account.password_hash)[:16]
