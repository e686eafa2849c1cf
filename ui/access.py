"""Access rights on the page: the account behind a request, its role, and the rater whose vote it is.

Without accounts, everybody who can reach the page has every right; `app.py` then listens on loopback only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

import gradio as gr

from data.accounts import Account, Accounts
from data.errors import Code, UserError
from data.logins import Logins, form_key

LOGIN_COOKIE, RATER_COOKIE, NAME_COOKIE = "edgerlhf_login", "rater", "rater_name"
NAME_CHARACTERS = 40
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """The accounts of a workspace and their logins; both are None if there can be no accounts."""

    accounts: Accounts | None = None
    logins: Logins | None = None

    @property
    def asks(self) -> bool:
        """Whether everybody has to log in: from the first account on, also where it is made meanwhile."""
        return self.accounts is not None and self.accounts.any_so_far()

    def account(self, cookies: Mapping[str, str]) -> Account | None:
        """The account that these cookies belong to; None without a login or without accounts."""
        return self.logins.who(cookies.get(LOGIN_COOKIE)) if self.logins else None

    def may(self, request: gr.Request | None, role: str) -> bool:
        """Whether the caller of a handler has the rights of `role`."""
        if self.accounts is None or not self.asks:
            return True
        account = self.accounts.find(getattr(request, "username", None))
        return account is not None and account.may(role)

    def check(self, request: gr.Request | None, role: str) -> None:
        """Raise UserError if the caller of a handler lacks the rights of `role`."""
        if not self.may(request, role):
            who = getattr(request, "username", None)
            raise UserError(
                f"this is for the role {role}, which {who} does not have" if who else "log in first",
                code=Code.REQUEST,
            )

    def logout_key(self, request: gr.Request) -> str | None:
        """The key that this visitor's logout form must send; None if nobody is logged in."""
        cookies = request.cookies or {}
        return form_key(cookies[LOGIN_COOKIE]) if self.account(cookies) else None


def for_raters(handler: Handler) -> Handler:
    """Mark a handler that raters may call; `ui.events` describes the default."""
    handler.role = "rater"  # type: ignore[attr-defined]  # a mark on a function
    return handler


def rater_of(request: gr.Request | None) -> str:
    """The rater of a vote: the login if there is one, else the id in the cookie that the server set, with the
    name that the page set where several people rate on one device."""
    if request is None:
        return "anonymous"
    name = getattr(request, "username", None)
    if name:
        return f"user:{name}"
    cookies = getattr(request, "cookies", None) or {}
    cookie, who = cookies.get(RATER_COOKIE), name_on_device(cookies)
    rater = f"cookie:{cookie}" if cookie else f"session:{request.session_hash or 'none'}"
    return f"{rater}:{who}" if who else rater


def name_on_device(cookies: Mapping[str, str]) -> str:
    """The name under which somebody rates on a device that several people share; "" without one."""
    name = unquote(cookies.get(NAME_COOKIE) or "").strip()
    return name[:NAME_CHARACTERS] if name.isprintable() else ""


def api_rater(request: gr.Request | None, claimed: str) -> str:
    """The rater of a script's round: the login, whatever name is claimed; without accounts, the claimed name.

    A claimed name gets its own prefix, so that it can never equal a login or a visitor of the page.
    """
    if getattr(request, "username", None):
        return rater_of(request)
    return f"api:{claimed.strip()}" if isinstance(claimed, str) and claimed.strip() else ""


def api_voter(request: gr.Request | None, owner: str) -> str | None:
    """The rater of a vote through the API on a round of `owner`, a pseudonym; None: the round's rater.

    Without accounts, the id of a script's round is a key of 128 random bits that only the script knows:
    whoever presents it votes as the round's rater. A round of the page accepts votes from its visitor only.
    """
    if not getattr(request, "username", None) and owner.startswith("api:"):
        return None
    return rater_of(request)
