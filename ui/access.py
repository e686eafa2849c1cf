"""Who may do what on the page: the login behind a request, its role, and the rater for whom a vote counts.

Without accounts everybody who can reach the page may do everything; `app.py` then listens on loopback only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr

from data.accounts import Account, Accounts
from data.errors import Code, UserError
from data.logins import Logins, form_key

LOGIN_COOKIE, RATER_COOKIE = "edgerlhf_login", "rater"
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """The accounts of a workspace and who is logged in; both None where there can be no accounts."""

    accounts: Accounts | None = None
    logins: Logins | None = None

    @property
    def asks(self) -> bool:
        """Whether everybody has to log in: from the first account on, also where it is made meanwhile."""
        return self.accounts is not None and self.accounts.any_so_far()

    def account(self, cookies: Mapping[str, str]) -> Account | None:
        """The account that these cookies log in; None without a login, or without accounts."""
        return self.logins.who(cookies.get(LOGIN_COOKIE)) if self.logins else None

    def may(self, request: gr.Request | None, role: str) -> bool:
        """Whether the caller of a handler may do what is open to `role`."""
        if self.accounts is None or not self.asks:
            return True
        account = self.accounts.find(getattr(request, "username", None))
        return account is not None and account.may(role)

    def check(self, request: gr.Request | None, role: str) -> None:
        """Raise UserError where the caller of a handler may not do what is open to `role`."""
        if not self.may(request, role):
            who = getattr(request, "username", None)
            raise UserError(
                f"this is for the role {role}, which {who} does not have" if who else "log in first",
                code=Code.REQUEST,
            )

    def logout_key(self, request: gr.Request) -> str | None:
        """What the logout form of this visitor has to send along; None where nobody is logged in."""
        cookies = request.cookies or {}
        return form_key(cookies[LOGIN_COOKIE]) if self.account(cookies) else None


def for_raters(handler: Handler) -> Handler:
    """Mark a handler that raters may call; `ui.events` says what holds without a mark."""
    handler.role = "rater"  # type: ignore[attr-defined]  # a mark on a function
    return handler


def rater_of(request: gr.Request | None) -> str:
    """Whose vote it is: the login where there is one, else the id that the server put into a cookie."""
    if request is None:
        return "anonymous"
    name = getattr(request, "username", None)
    if name:
        return f"user:{name}"
    cookie = (getattr(request, "cookies", None) or {}).get(RATER_COOKIE)
    return f"cookie:{cookie}" if cookie else f"session:{request.session_hash or 'none'}"


def api_rater(request: gr.Request | None, claimed: str) -> str:
    """Whose round a script asks for: the login, whatever is claimed; without accounts the claimed name.

    A claimed name gets a prefix of its own, so that it is never a login or a visitor of the page.
    """
    if getattr(request, "username", None):
        return rater_of(request)
    return f"api:{claimed.strip()}" if isinstance(claimed, str) and claimed.strip() else ""


def api_voter(request: gr.Request | None, owner: str) -> str | None:
    """Who votes through the API on a round of `owner`, a pseudonym; None for its rater, whoever that is.

    Without accounts, the id of a round that a script asked for is a key of 128 random bits, told to nobody
    else: who presents it votes as the round's rater. A round of the page takes votes from its visitor only.
    """
    if not getattr(request, "username", None) and owner.startswith("api:"):
        return None
    return rater_of(request)
