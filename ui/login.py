"""The login page, login and logout, for a workspace with accounts.

A browser gets a page without scripts; a program such as gradio_client posts the same form and reads the
status. `data.accounts` checks passwords; it runs in a thread, because the check is slow on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from data.accounts import Accounts
from data.logins import LASTS_SECONDS, Logins, is_form_key
from ui.access import LOGIN_COOKIE
from ui.texts import Texts
from ui.visitors import LANGUAGES

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; margin: 0;
       color: #1f2937; background: #f8fafc; }
main { width: min(22rem, 90vw); }
label { display: block; margin-top: 1rem; }
input, button { box-sizing: border-box; width: 100%; min-height: 44px; font: inherit; padding: .5rem .75rem;
                border: 1px solid #64748b; border-radius: 8px; }
button { margin-top: 1.5rem; border: 0; background: #4338ca; color: #fff; cursor: pointer; }
[role=alert] { color: #b91c1c; }
@media (prefers-color-scheme: dark) {
  body { color: #e5e7eb; background: #0f172a; } input { background: #1e293b; color: inherit; }
  [role=alert] { color: #fca5a5; }
}
"""


@dataclass(frozen=True)
class Login:
    """The three handlers, per language."""

    accounts: Accounts
    logins: Logins

    def routes(self) -> list[Route]:
        found = []
        for code, path in LANGUAGES.items():
            prefix = path.rstrip("/")
            t = Texts(code)

            async def page(request: Request, t: Texts = t) -> Response:
                return login_page(t)

            async def enter(request: Request, t: Texts = t, path: str = path) -> Response:
                return await self.enter(request, t, path)

            async def leave(request: Request, prefix: str = prefix) -> Response:
                return await self.leave(request, prefix)

            found += [
                Route(prefix + "/login", page, methods=["GET"]),
                Route(prefix + "/login", enter, methods=["POST"]),
                Route(prefix + "/logout", leave, methods=["POST"]),
            ]
        return found

    async def enter(self, request: Request, t: Texts, path: str) -> Response:
        """Check name and password; the response to a correct pair sets the login cookie."""
        form = await request.form()
        name, password = str(form.get("username", "")), str(form.get("password", ""))
        account = await run_in_threadpool(self.accounts.check, name, password)
        browser = "text/html" in request.headers.get("accept", "")
        if account is None:
            return login_page(t, wrong=True) if browser else JSONResponse({"detail": "wrong"}, 401)
        token = await run_in_threadpool(self.logins.begin, account)
        target = path if path.endswith("/") else path + "/"
        answer = RedirectResponse(target, 303) if browser else JSONResponse({"success": True})
        answer.set_cookie(
            LOGIN_COOKIE,
            token,
            max_age=LASTS_SECONDS,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return answer

    async def leave(self, request: Request, prefix: str) -> Response:
        """End a login. The form sends a key that no other site can know."""
        token = request.cookies.get(LOGIN_COOKIE, "")
        form = await request.form()
        if not is_form_key(form.get("key"), token):
            return PlainTextResponse("Log out with the button on the page.", 403)
        await run_in_threadpool(self.logins.end, token)
        answer = RedirectResponse(prefix + "/login", 303)
        answer.delete_cookie(LOGIN_COOKIE, httponly=True, samesite="lax")
        return answer


def login_page(t: Texts, wrong: bool = False) -> HTMLResponse:
    """The login form in one language; its status is 401 after a wrong password."""
    language = {"en": "en", "zh": "zh-CN"}[t.language]
    alert = f'<p role="alert">{escape(t("login.wrong"))}</p>' if wrong else ""
    fields = "".join(
        f'<label>{escape(t("login." + name))}<input name="{name}" type="{kind}" required '
        f'autocomplete="{complete}"></label>'
        for name, kind, complete in (
            ("username", "text", "username"),
            ("password", "password", "current-password"),
        )
    )
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>EdgeRLHF Playground</title><style>{STYLE}</style></head><body><main>"
        f"<h1>EdgeRLHF Playground</h1>{alert}"
        f'<form method="post">{fields}<button>{escape(t("login.enter"))}</button></form>'
        "</main></body></html>",
        401 if wrong else 200,
    )


def logout_form(t: Texts, path: str, name: str, key: str) -> str:
    """The name of the account and a logout button, as HTML for the page."""
    return (
        f'<form class="account" method="post" action="{path.rstrip("/")}/logout"><span>{escape(name)}</span>'
        f'<input type="hidden" name="key" value="{escape(key, quote=True)}">'
        f"<button>{escape(t('login.leave'))}</button></form>"
    )
