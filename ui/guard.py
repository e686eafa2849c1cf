"""What stands between the network and the page.

In this order: names of the host and of the origin, the table of addresses (`ui.routes`), the login and its
role (`ui.access`), the throttle for logins, size and time of the body (`ui.bodies`), room for uploads
(`ui.uploads`), and the owners of sessions and events (`ui.owners`). Whatever passes gets protective headers.
It does not decide who may call a handler: `ui.payloads.CheckedBlocks` does.
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

LOGINS, LOGIN_WINDOW = 8, 60.0  # failed logins of one peer in that many seconds
PEERS = 10_000  # whose failed logins are remembered
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
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}


@dataclass
class Throttle:
    """Counts the failed logins of each peer; those of now count until they have succeeded."""

    failed: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def admits(self, peer: str, now: float) -> bool:
        """Count a login of this peer, unless it is one too many."""
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
        """Take back the count of a login."""
        if self.failed.get(peer):
            self.failed[peer].pop()


@dataclass
class Guard:
    """ASGI middleware. `bound_to` is the address the server listens on; it decides which Host names are ours.

    On a loopback address only loopback names pass. Elsewhere IP literals and this machine's name pass too:
    a page of another site that rebinds its DNS name to us still sends its own name as Host, which is refused.
    `names` pass as well.
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
        # Who is behind a proxy was read from these headers by then; Gradio would believe them of anybody.
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
        """Check a request and pass it on. Raises Refused."""
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
        """Raise Refused for a host or an origin that is not this server."""
        host = headers.get("host", "")
        if not self.ours(host_name(host)):
            raise Refused(403, "This host name is not allowed.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Refused(403, "This origin is not allowed.")

    def ours(self, name: str) -> bool:
        """Whether a Host name is one that this server goes by."""
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
        """Whether there is the login that an address needs. Raises Refused for the wrong role."""
        if not self.access.asks or visit.route.role == "anyone":
            return True
        account = self.access.account(request.cookies)
        if account is None:
            return False
        if not account.may(visit.route.role):
            raise Refused(403, f"This is for the role {visit.route.role}.")
        return True

    async def call(self, request: Request, visit: Visit, receive: Receive, send: Send) -> None:
        """Pass on a call of a handler, once its whole body is here and names no other's session or event."""
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
        """Remember whose event it is that Gradio has just named in its answer."""
        if answer.startswith(b'{"event_id":') and len(answer) < 1024:
            self.owners.give(json.loads(answer)["event_id"], owner)

    def check_owner(self, request: Request, visit: Visit, values: dict) -> None:
        """Raise Refused where a request names a session or an event of another visitor."""
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
        """Who a visitor is to `Owners`: the login, else the rater's cookie, else the peer."""
        if self.access.asks:
            account = self.access.account(request.cookies)
            return f"user:{account.name}" if account else "nobody"
        cookie = request.cookies.get(RATER_COOKIE)
        return f"cookie:{cookie}" if cookie else f"peer:{peer_of(address_of(request))}"

    async def login(self, request: Request, body: Body, send: Send) -> None:
        """Pass on a login, unless its peer has failed too often. Raises Refused."""
        peer = peer_of(address_of(request))
        if not self.throttle.admits(peer, time.monotonic()):
            raise Refused(429, "Too many failed logins; wait a minute.")

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                self.throttle.succeeded(peer)
            await send(message)

        await passed_on(self.app, request.scope, body, noted)


def address_of(request: Request) -> str:
    """The address of the peer, or that of the visitor where a proxy was named."""
    return request.client.host if request.client else "?"
