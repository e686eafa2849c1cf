"""Size and time limits for request bodies.

The body of a call is read completely before Gradio sees it; an upload is forwarded piece by piece. In both
cases, a body that is too large or too slow gets one short response and occupies no connection for long.
"""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PIECE_SECONDS = 15.0  # between two pieces of a body
CALL_SECONDS = 30.0  # for the whole body of a call
UPLOAD_SECONDS = 600.0  # for the whole of an upload


class Refused(Exception):
    """A request that is rejected with a status and one sentence."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message

    def answer(self) -> PlainTextResponse:
        """The response. It closes the connection, because part of the body may be unread."""
        return PlainTextResponse(self.message, self.status, headers={"connection": "close"})


def checked_length(headers: Headers, limit: int) -> int | None:
    """The body length from the Content-Length header, None without one. Raises Refused."""
    said = headers.get("content-length")
    if said is None:
        return None
    if not (said.isascii() and said.isdigit()):
        raise Refused(400, "The length of the body cannot be read.")
    if int(said) > limit:
        raise Refused(413, "The request is too large.")
    return int(said)


class Body:
    """`receive` with limits: at most `limit` bytes within `seconds`, and `PIECE_SECONDS` between pieces."""

    def __init__(self, receive: Receive, limit: int, seconds: float):
        self._receive, self._left, self._ends = receive, limit, time.monotonic() + seconds
        self._complete = False

    async def __call__(self) -> Message:
        """The next message of the request; after the body, the disconnect message."""
        if self._complete:
            return await self._receive()
        seconds = min(PIECE_SECONDS, self._ends - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, seconds))
        except TimeoutError as error:
            raise Refused(408, "The request came too slowly.") from error
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise Refused(413, "The request is too large.")
        self._complete = not message.get("more_body", False)
        return message

    async def whole(self) -> bytes:
        """The complete body. Raises Refused, also if the visitor disconnects before its end."""
        pieces = []
        while not self._complete:
            message = await self()
            if message["type"] == "http.disconnect":
                raise Refused(400, "The body is not complete.")
            pieces.append(message.get("body", b""))
        return b"".join(pieces)


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that replays a body that was read already, then continues with the connection."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


async def passed_on(app: ASGIApp, scope: Scope, body: Body, send: Send) -> None:
    """Run the app on a body that is checked while it arrives. Raises Refused if no response has started.

    If a body is refused, the app sees a disconnect, and its response is dropped.
    """
    refused: list[Refused] = []
    started = False

    async def receive() -> Message:
        if not refused:
            try:
                return await body()
            except Refused as refusal:
                refused.append(refusal)
        return {"type": "http.disconnect"}

    async def send_unless_refused(message: Message) -> None:
        nonlocal started
        if not refused or started:
            started = True
            await send(message)

    try:
        await app(scope, receive, send_unless_refused)
    except Exception:
        if not refused:
            raise
    if refused and not started:
        raise refused[0]
