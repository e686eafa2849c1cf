"""The middleware between the network and the page.

It checks, in this order: the names of host and origin, the table of addresses (`ui.routes`), the login and
its role (`ui.access`), the login throttle, the size and duration of the body (`ui.bodies`), the space for
uploads (`ui.uploads`), and the owners of sessions and events (`ui.owners`). It adds security headers to every
response. It does not decide who may call a handler; `ui.payloads.CheckedBlocks` does.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.access import RATER_COOKIE, Access
from ui.bodies import CALL_SECONDS, UPLOAD_SECONDS, Body, Refused, again, checked_length, passed_on
from ui.owners import Owners
from ui.peers import host_name, is_loopback, peer_of
from ui.routes import UPLOAD_LIMIT, Visit, find
from ui.uploads import Uploads

LOGINS, LOGIN_WINDOW = 8, 60.0  # failed logins that one peer may have within this many seconds
PEERS = 10_000  # number of peers whose failed logins are remembered
# Gradio's page needs inline scripts and `new Function` for its event listeners. The page may neither fetch
# from nor send to another machine; this also makes a remote image in a model's answer inert.
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
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}


@dataclass
class Throttle:
    """Counts the failed logins per peer; a login in progress counts as failed until it succeeds."""

    failed: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def admits(self, peer: str, now: float) -> bool:
        """Count a login attempt of this peer; returns False, and counts nothing, above the limit."""
        times = self.failed.setdefault(peer, deque())
        self.failed.move_to_end(peer)
        if len(self.failed) > PEERS:
            self.failed.popitem(last=False)
        while times and now - times[0] > LOGIN_WINDOW:
            times.popleft()
        if len(times) >= LOGINS:
            return False
        times.append(now)
        return True

    def succeeded(self, peer: str) -> None:
        """Remove a successful login from the count."""
        if self.failed.get(peer):
            self.failed[peer].pop()


@dataclass
class Guard:
    """ASGI middleware. The address `bound_to`, on which the server listens, decides which Host names pass.

    On a loopback address, only loopback names are accepted. Otherwise IP literals and this machine's name are
    accepted too: a site that rebinds its DNS name to this server still sends its own name as Host, and is
    refused. `names` are accepted as well.
    """

    app: ASGIApp
    bound_to: str
    access: Access = Access()
    names: Collection[str] = ()
    uploads: Uploads | None = None
    throttle: Throttle = field(default_factory=Throttle)
    owners: Owners = field(default_factory=Owners)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        # uvicorn has already read the client address from these headers, for trusted proxies only. Gradio
        # would trust them from anybody.
        known = [(k, v) for k, v in scope["headers"] if not k.startswith((b"x-forwarded-", b"forwarded"))]
        scope = {**scope, "headers": known}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            await self.admit(Request(scope), receive, with_headers)
        except Refused as refusal:
            await refusal.answer()(scope, receive, with_headers)

    async def admit(self, request: Request, receive: Receive, send: Send) -> None:
        """Check a request and forward it. Raises Refused."""
        self.check_host(request.headers)
        visit = find(request.method, request.scope["path"])
        if visit is None:
            raise Refused(404, "Not found.")
        if not self.admitted(request, visit):
            if visit.path == "/" and "text/html" in request.headers.get("accept", ""):
                return await RedirectResponse(visit.prefix + "/login", 303)(request.scope, receive, send)
            raise Refused(401, "Log in first.")
        length = checked_length(request.headers, visit.route.limit)
        if visit.route.is_call:
            return await self.call(request, visit, receive, send)
        self.check_owner(request, visit, {})
        seconds = UPLOAD_SECONDS if visit.route.limit == UPLOAD_LIMIT else CALL_SECONDS
        body = Body(receive, visit.route.limit, seconds)
        if visit.route.limit == UPLOAD_LIMIT and self.uploads:
            with self.uploads.room_for(UPLOAD_LIMIT if length is None else length) as there:
                if not there:
                    raise Refused(507, "There is no room for more uploads; wait some minutes.")
                return await passed_on(self.app, request.scope, body, send)
        if (request.method, visit.path) == ("POST", "/login"):
            return await self.login(request, body, send)
        await passed_on(self.app, request.scope, body, send)

    def check_host(self, headers: Headers) -> None:
        """Raise Refused if Host or Origin names another server."""
        host = headers.get("host", "")
        if not self.ours(host_name(host)):
            raise Refused(403, "This host name is not allowed.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Refused(403, "This origin is not allowed.")

    def ours(self, name: str) -> bool:
        """Whether a Host name belongs to this server."""
        if name == self.bound_to.strip("[]").lower() or name in self.names or is_loopback(name):
            return True
        if is_loopback(self.bound_to):
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in {socket.gethostname().lower(), socket.getfqdn().lower()}
        return True

    def admitted(self, request: Request, visit: Visit) -> bool:
        """Whether the request has the login that the address requires. Raises Refused for the wrong role."""
        if not self.access.asks or visit.route.role == "anyone":
            return True
        account = self.access.account(request.cookies)
        if account is None:
            return False
        if not account.may(visit.route.role):
            raise Refused(403, f"This is for the role {visit.route.role}.")
        return True

    async def call(self, request: Request, visit: Visit, receive: Receive, send: Send) -> None:
        """Forward a handler call after its complete body has arrived and its session and event names are
        checked. Raises Refused."""
        body = await Body(receive, visit.route.limit, CALL_SECONDS).whole()
        try:
            values = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, "The body is not JSON.") from error
        if not isinstance(values, dict):
            raise Refused(400, "The body is no JSON object.")
        self.check_owner(request, visit, values)
        owner, answered = self.owner_of(request), bytearray()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.body" and len(answered) < 1024:
                answered.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self.note_event(bytes(answered), owner)
            await send(message)

        await self.app(request.scope, again(body, receive), noted)

    def note_event(self, answer: bytes, owner: str) -> None:
        """Record the owner of the event id in Gradio's response."""
        if answer.startswith(b'{"event_id":') and len(answer) < 1024:
            self.owners.give(json.loads(answer)["event_id"], owner)

    def check_owner(self, request: Request, visit: Visit, values: dict) -> None:
        """Raise Refused if a request names a session or an event of another visitor."""
        owner = self.owner_of(request)
        sessions = [*request.query_params.getlist("session_hash"), visit.names.get("session")]
        sessions += [values.get("session_hash") if "session_hash" in visit.route.keys else None]
        events = [
            visit.names.get("event"),
            values.get("event_id") if "event_id" in visit.route.keys else None,
        ]
        named = [*sessions, *events]
        if not all(isinstance(name, str | None) and len(name or "") <= 100 for name in named):
            raise Refused(400, "The name of a session cannot be read.")
        if not all(self.owners.claim(name, owner) for name in sessions if name):
            raise Refused(403, "This session belongs to another visitor.")
        if not all(self.owners.owns(name, owner) for name in events if name):
            raise Refused(404, "There is no such event of yours.")

    def owner_of(self, request: Request) -> str:
        """The visitor's name in `Owners`: the login, else the rater cookie, else the peer."""
        if self.access.asks:
            account = self.access.account(request.cookies)
            return f"user:{account.name}" if account else "nobody"
        cookie = request.cookies.get(RATER_COOKIE)
        return f"cookie:{cookie}" if cookie else f"peer:{peer_of(address_of(request))}"

    async def login(self, request: Request, body: Body, send: Send) -> None:
        """Forward a login, unless its peer has failed too often. Raises Refused."""
        peer = peer_of(address_of(request))
        if not self.throttle.admits(peer, time.monotonic()):
            raise Refused(429, "Too many failed logins; wait a minute.")

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                self.throttle.succeeded(peer)
            await send(message)

        await passed_on(self.app, request.scope, body, noted)


def address_of(request: Request) -> str:
    """The address of the peer, or that of the visitor behind a trusted proxy."""
    return request.client.host if request.client else "?"
