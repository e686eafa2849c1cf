"""The web server around the page: one Gradio app a language on one FastAPI app, guarded by `ui.guard`.

English is served at /, Chinese at /zh. A first visit goes where the browser's language says; the switch on
the page sets a cookie and wins from then on. A visitor gets a random rater id as a cookie, so that votes of
one person belong together where nobody logs in. Nothing is started here: `app.py` runs the server.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import gradio as gr
from fastapi import FastAPI

from data.errors import UserError
from ui import theme
from ui.guard import Guard

LANGUAGES = {"en": "/", "zh": "/zh"}
YEAR = 365 * 24 * 3600


def credentials(value: str | None) -> Callable[[str, str], bool] | None:
    """The login check of `--auth`: "user:password", or a file with one such line a user. UserError where
    unusable."""
    if not value:
        return None
    path = Path(value)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else [value]
    users = dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
    if not users or not all(name and password for name, password in users.items()):
        raise UserError("--auth: give user:password, or a file with one user:password a line")

    def check(name: str, password: str) -> bool:
        known = users.get(name, secrets.token_hex(16))
        return hmac.compare_digest(known.encode(), password.encode()) and name in users

    return check


def build(
    pages: dict[str, gr.Blocks],
    *,
    workspace_root: Path,
    host: str,
    port: int,
    language: str = "auto",
    auth: Callable[[str, str], bool] | None = None,
) -> Guard:
    """Mount the pages (by language) and put the guard in front. Returns the ASGI app."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mounted = []
    for code, path in sorted(
        LANGUAGES.items(), key=lambda item: -len(item[1])
    ):  # "/" would swallow the others
        page = pages[code].queue(max_size=64)
        gr.mount_gradio_app(
            server,
            page,
            path=path,
            server_name=host,
            server_port=port,
            auth=auth,
            allowed_paths=[],
            blocked_paths=[str(workspace_root)],
            show_error=False,
            max_file_size="50mb",
            ssr_mode=False,
            enable_monitoring=False,
            run_history=False,
            pwa=False,
            mcp_server=False,
            footer_links=["api"],
            theme=theme.theme(),
            css=theme.css(),
            head=theme.head(),
        )
        mounted.append(cast(Any, server.routes[-1]).app)
    for other in mounted[1:]:  # one login serves both languages
        other.tokens, other.cookie_id = mounted[0].tokens, mounted[0].cookie_id
    return Guard(Visitors(server, language), bound_to=host)


@dataclass
class Visitors:
    """ASGI middleware: sends a first visit to its language, and hands out rater ids."""

    app: FastAPI
    language: str = "auto"

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in {"/", "/zh", "/zh/"}:
            return await self.app(scope, receive, send)
        headers = {k.lower(): v.decode("latin-1") for k, v in scope["headers"]}
        cookies = read_cookies(headers.get(b"cookie", ""))
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [None])[0]
        new = []
        if asked in LANGUAGES:
            new.append(f"lang={asked}; Path=/; Max-Age={YEAR}; SameSite=Lax")
        if "rater" not in cookies:
            new.append(f"rater={secrets.token_hex(8)}; Path=/; Max-Age={YEAR}; SameSite=Lax; HttpOnly")
        target = self.elsewhere(scope["path"], asked, cookies.get("lang"), headers)

        set_cookies = [(b"set-cookie", cookie.encode()) for cookie in new]

        async def with_cookies(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *set_cookies]}
            await send(message)

        if target:
            head = [(b"location", target.encode()), (b"content-length", b"0")]
            await with_cookies({"type": "http.response.start", "status": 307, "headers": head})
            return await send({"type": "http.response.body", "body": b""})
        await self.app(scope, receive, with_cookies)

    def elsewhere(
        self, path: str, asked: str | None, chosen: str | None, headers: dict[bytes, str]
    ) -> str | None:
        """Where to send a visit to the bare address; None where it is right."""
        if path == "/zh":
            return "/zh/"
        if path != "/" or asked == "en" or "text/html" not in headers.get(b"accept", ""):
            return None
        language = asked or chosen or (self.language if self.language != "auto" else preferred(headers))
        return "/zh/" if language == "zh" else None


def preferred(headers: dict[bytes, str]) -> str:
    """ "zh" where a Chinese comes first in Accept-Language, else "en"."""
    first = headers.get(b"accept-language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def read_cookies(header: str) -> dict[str, str]:
    """The cookies of a request; {} where the header is broken."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
