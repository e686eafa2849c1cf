"""Accounts of the people who may use the page: one file with a name, a role and a hashed password per person.

Passwords are hashed by Argon2id (RFC 9106, with the library's default parameters). Only its owner can read
the file, which contains no password. Changes by another process (`app.py --add-user`) take effect at once.
This module does not store who is logged in; `data.logins` does.
"""

import hmac
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from data.errors import Code, UserError
from data.files import read_json, write_json

ROLES = ("admin", "rater")
SHORTEST, LONGEST = 8, 500  # characters of a password
_NAME = re.compile(r"\w[\w.@-]{0,59}")


@dataclass(frozen=True)
class Account:
    """One person. role: "admin" may do everything, "rater" may ask, vote and read."""

    name: str
    role: str
    password_hash: str

    def may(self, role: str) -> bool:
        """Whether this person has the permissions of `role`."""
        return self.role in ("admin", role)


class Accounts:
    """The accounts in the file at `path`, which need not exist. hasher: one with a lower cost, for tests.

    Every method raises UserError if the file is damaged, so that an unreadable file admits nobody.
    """

    def __init__(self, path: Path, hasher: PasswordHasher | None = None):
        self.path = path
        self._hasher = hasher or PasswordHasher()
        self._one_at_a_time = threading.Lock()  # each check needs 64 MiB while it runs
        self._read: tuple[tuple[int, ...], Mapping[str, Account]] = ((), {})
        self._any = False

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("nobody has this password")

    def all(self) -> Mapping[str, Account]:
        """Every account by its name; the file is read again only if it has changed."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return {}
        state = (found.st_ino, found.st_mtime_ns, found.st_size)
        if state != self._read[0]:
            self._read = state, _parsed(self.path)
        return self._read[1]

    def any_so_far(self) -> bool:
        """Whether there is an account, or was one since this object was made.

        Where the last one is taken away, nobody can log in any more; nothing is opened to everybody by that.
        """
        self._any = self._any or bool(self.all())
        return self._any

    def find(self, name: str | None) -> Account | None:
        return self.all().get(name or "")

    def check(self, name: str, password: str) -> Account | None:
        """The account if the password is right, else None. An unknown name takes the same time."""
        account = self.find(name)
        with self._one_at_a_time:
            try:
                right = bool(
                    self._hasher.verify(account.password_hash if account else self._nobody, password)
                )
            except (VerificationError, InvalidHashError, UnicodeEncodeError):
                right = False
        return account if right else None

    def add(self, name: str, password: str, role: str) -> Account:
        """Store a new account, or a new password and role for a known name. UserError for invalid values."""
        if not _NAME.fullmatch(name):
            raise UserError("a name has 1 to 60 letters, digits, '.', '@', '-' and '_'", code=Code.OPTION)
        if role not in ROLES:
            raise UserError(f"role {role!r}: choose one of {', '.join(ROLES)}", code=Code.OPTION)
        if not SHORTEST <= len(password) <= LONGEST:
            raise UserError(f"a password has {SHORTEST} to {LONGEST} characters", code=Code.OPTION)
        try:
            hashed = self._hasher.hash(password)
        except UnicodeEncodeError as error:
            raise UserError(
                "the password holds half a character (a lone surrogate)", code=Code.OPTION
            ) from error
        account = Account(name, role, hashed)
        self._store({**self.all(), name: account})
        return account

    def remove(self, name: str) -> None:
        """Delete an account; its logins end. UserError if the name is unknown."""
        known = dict(self.all())
        if known.pop(name, None) is None:
            raise UserError(
                f"there is no account {name!r}; there are: {', '.join(sorted(known)) or 'none'}",
                code=Code.OPTION,
            )
        self._store(known)

    def _store(self, accounts: Mapping[str, Account]) -> None:
        rows = [asdict(accounts[name]) for name in sorted(accounts)]
        write_json(self.path, {"accounts": rows}, private=True)


def same(one: str, other: str) -> bool:
    """Whether two secret texts are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _parsed(path: Path) -> dict[str, Account]:
    try:
        accounts = [Account(**row) for row in read_json(path)["accounts"]]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path}: is not a file of accounts; restore it or remove it", code=Code.RECORD
        ) from error
    fields = [text for account in accounts for text in asdict(account).values()]
    if not all(isinstance(text, str) for text in fields) or any(a.role not in ROLES for a in accounts):
        raise UserError(f"{path}: is not a file of accounts; restore it or remove it", code=Code.RECORD)
    return {account.name: account for account in accounts}
