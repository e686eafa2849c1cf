"""What stands between the network and the page: Host and Origin allow-list, body limit, login throttle,
headers.

Gradio checks origins only for loopback hosts, has no login throttle, takes bodies of any size and sends no
Content-Security-Policy, so this ASGI middleware does. It does not authenticate: Gradio's login does.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

KIB = 1024
BODY_LIMIT = 1024 * KIB  # of any call but an upload; a prompt of megabytes never reaches a tokenizer
UPLOAD_LIMIT = 51 * 1024 * KIB  # Gradio itself refuses files over 50 MB
LOGINS, LOGIN_WINDOW = 8, 60.0  # attempts per client address in that many seconds
# Gradio's page needs inline scripts and `new Function` for its event listeners. Nothing may be fetched from
# or sent to another machine, which also makes a remote image in a model's answer inert.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
]


def is_loopback(host: str) -> bool:
    """Whether a bind address or host name can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(netloc: str) -> str:
    """The host of "host:port" or "[::1]:port" in lower case; "" where it cannot be read."""
    try:
        return (urlsplit("//" + netloc).hostname or "").lower()
    except ValueError:
        return ""


@dataclass
class Guard:
    """ASGI middleware. `bound_to` is the address the server listens on; it decides which Host names are ours.

    On a loopback address only loopback names pass. Elsewhere IP literals and this machine's name pass too:
    a page of another site that rebinds its DNS name to us still sends its own name as Host, which is refused.
    """

    app: Any
    bound_to: str
    logins: dict[str, deque] = field(default_factory=lambda: defaultdict(deque))

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                return await self.app(scope, receive, send)
            return await send({"type": "websocket.close", "code": 1008})
        headers = {k.lower(): v.decode("latin-1") for k, v in scope["headers"]}
        refusal = self.refuse(scope, headers)
        if refusal:
            return await answer(send, *refusal)
        await self.limited(scope, receive, send, limit_of(scope["path"]))

    def refuse(self, scope: dict, headers: dict[bytes, str]) -> tuple[int, str] | None:
        """Status and reason where a request is turned away by its head alone."""
        host = headers.get(b"host", "")
        if not self.ours(host_name(host)):
            return 403, "This host name is not allowed."
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "This origin is not allowed."
        if scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/login"):
            client = (scope.get("client") or ("?",))[0]
            if self.too_many_logins(client, time.monotonic()):
                return 429, "Too many logins; wait a minute."
        length = headers.get(b"content-length", "0")
        if not length.isdigit() or int(length) > limit_of(scope["path"]):
            return 413, "The request is too large."
        return None

    def ours(self, name: str) -> bool:
        """Whether a Host name is one that this server goes by."""
        if name == self.bound_to.strip("[]").lower() or is_loopback(name):
            return True
        if is_loopback(self.bound_to):
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in {socket.gethostname().lower(), socket.getfqdn().lower()}
        return True

    def too_many_logins(self, client: str, now: float) -> bool:
        """Count a login of this client and say whether it is one too many."""
        if len(self.logins) > 10_000:
            self.logins.clear()
        times = self.logins[client]
        while times and now - times[0] > LOGIN_WINDOW:
            times.popleft()
        times.append(now)
        return len(times) > LOGINS

    async def limited(self, scope, receive, send, limit: int) -> None:
        """Pass the request on, but cut a body that grows past `limit`, and add the headers to the answer."""
        seen, started, cut = 0, False, False

        async def counted():
            nonlocal seen, cut
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                cut = True
                return {"type": "http.disconnect"}
            return message

        async def with_headers(message: Any) -> None:
            nonlocal started
            if cut and not started:
                return
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        try:
            await self.app(scope, counted, with_headers)
        except Exception:
            if not cut:
                raise
        if cut and not started:
            await answer(send, 413, "The request is too large.")


def limit_of(path: str) -> int:
    """The most bytes that a request to this path may carry."""
    return UPLOAD_LIMIT if path.rstrip("/").endswith("/upload") else BODY_LIMIT


async def answer(send, status: int, text: str) -> None:
    """A short plain-text answer."""
    body = text.encode()
    head = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *HEADERS,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
