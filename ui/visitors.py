"""The visitor's language and rater id, both cookies: an ASGI middleware, and the rules for the language.

A first visit follows the browser's language; the switch on the page sets a cookie, which has priority from
then on. A visitor gets a random rater id as a cookie, so that the votes of one person belong together
without a login; scripts get it with the page's configuration, which they read first.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.access import RATER_COOKIE

LANGUAGES = {"en": "/", "zh": "/zh"}
PAGES = {"/", "/zh", "/zh/"}
YEAR = 365 * 24 * 3600


@dataclass
class Visitors:
    """Redirects a first visit to its language and sets the rater id."""

    app: ASGIApp
    language: str = "auto"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or path not in {*PAGES, "/config", "/zh/config"}
        ):
            return await self.app(scope, receive, send)
        request = Request(scope)
        cookies = new_cookies(request)

        async def with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start":
                for cookie in cookies:
                    MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        target = elsewhere(request, self.language)
        answer = RedirectResponse(target, status_code=307) if target else self.app
        await answer(scope, receive, with_cookies)


def new_cookies(request: Request) -> list[str]:
    """The cookies that this visit sets: the chosen language, and a rater id if there is none."""
    response, secure = Response(), request.url.scheme == "https"
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        response.set_cookie("lang", asked, max_age=YEAR, secure=secure, samesite="lax")
    if RATER_COOKIE not in request.cookies:
        rater = secrets.token_hex(16)
        response.set_cookie(RATER_COOKIE, rater, max_age=YEAR, secure=secure, httponly=True, samesite="lax")
    return response.headers.getlist("set-cookie")


def elsewhere(request: Request, language: str) -> str | None:
    """The redirect target of a visit to the bare address, or None. language: "auto" or a fixed one."""
    if request.url.path == "/zh":
        return "/zh/"
    asked = request.query_params.get("lang")
    if request.url.path != "/" or asked == "en" or "text/html" not in request.headers.get("accept", ""):
        return None
    return "/zh/" if language_of(request, language) == "zh" else None


def language_of(request: Request, language: str = "auto") -> str:
    """The visitor's language: from the query, else the cookie, else the server's or the browser's."""
    said = [request.query_params.get("lang"), request.cookies.get("lang"), language]
    return next((one for one in said if one in LANGUAGES), preferred(request))


def preferred(request: Request) -> str:
    """ "zh" if Accept-Language starts with a Chinese, else "en"."""
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"
