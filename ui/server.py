"""The web server around the page: one Gradio app per language on one FastAPI app, behind `ui.guard`.

English is served at /, Chinese at /zh (`ui.visitors`). `app.py` runs the server; this module starts nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request

from data.errors import Code, UserError
from ui import theme
from ui.access import Access
from ui.connections import BACKLOG, Connections, protocol
from ui.guard import Guard
from ui.login import Login
from ui.sessions import forget_ended
from ui.uploads import Uploads
from ui.visitors import LANGUAGES, Visitors


def build(
    pages: dict[str, gr.Blocks],
    *,
    workspace_root: Path,
    host: str,
    port: int,
    language: str = "auto",
    access: Access | None = None,
    names: Collection[str] = (),
    upload_folder: Path | None = None,
) -> Guard:
    """Mount the pages (by language) behind the guard. Returns the ASGI app.

    names: further Host names of this server. upload_folder: where Gradio keeps files; without it their total
    size is not limited.
    """
    access = access or Access()
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if access.accounts is not None and access.logins is not None:
        server.routes.extend(Login(access.accounts, access.logins).routes())
    for code, path in sorted(LANGUAGES.items(), key=lambda item: -len(item[1])):  # "/" matches every path
        gr.mount_gradio_app(
            server,
            pages[code].queue(max_size=64, api_open=False, default_concurrency_limit=1),
            path=path,
            server_name=host,
            server_port=port,
            auth_dependency=login_of(access) if access.accounts is not None else None,
            root_path="",
            allowed_paths=[],
            blocked_paths=[str(workspace_root)],
            show_error=False,
            max_file_size="50mb",
            ssr_mode=False,
            enable_monitoring=False,
            run_history=False,
            pwa=False,
            mcp_server=False,
            footer_links=[],
            favicon_path=theme.favicon() if path == "/" else None,
            theme=theme.theme(),
            css=theme.css(),
            head=theme.head(),
        )
        forget_ended(server, pages[code])
    uploads = Uploads(upload_folder) if upload_folder else None
    return Guard(Visitors(server, language), host, access, frozenset(names), uploads)


def login_of(access: Access):
    """The function that gives Gradio the name of a visitor.

    Its result None refuses the visitor; "" is a visitor without a name, where there are no accounts.
    """

    def name(request: Request) -> str | None:
        if not access.asks:
            return ""
        account = access.account(request.cookies)
        return account.name if account else None

    return name


def configuration(
    application: Guard,
    connections: Connections,
    *,
    proxies: Collection[str] = (),
    certfile: Path | None = None,
    keyfile: Path | None = None,
) -> uvicorn.Config:
    """uvicorn's settings. All are explicit, so that no environment variable decides one.

    proxies: addresses whose X-Forwarded-For is trusted. Raises UserError for an unusable certificate.
    """
    if certfile:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certfile, keyfile)
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                f"--certfile {certfile}, --keyfile {keyfile}: cannot be used ({error})", code=Code.OPTION
            ) from error
    return uvicorn.Config(
        application,
        http=protocol(connections),
        ws="none",
        loop="asyncio",
        workers=1,
        backlog=BACKLOG,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )
