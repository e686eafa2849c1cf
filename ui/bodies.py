"""Bodies of requests within limits of size and time.

A call's body is read whole before Gradio sees it; an upload is passed on piece by piece. Either way a body
that is too large, or that comes too slowly, ends with one short answer and holds no handle for long.
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
    """A request that is answered with a status and a sentence, and goes no further."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message

    def answer(self) -> PlainTextResponse:
        """The answer, after which the connection is closed: there may be a body that nobody read."""
        return PlainTextResponse(self.message, self.status, headers={"connection": "close"})


def checked_length(headers: Headers, limit: int) -> int | None:
    """The announced length of a body, None where it is not announced. Raises Refused."""
    said = headers.get("content-length")
    if said is None:
        return None
    if not (said.isascii() and said.isdigit()):
        raise Refused(400, "The length of the body cannot be read.")
    if int(said) > limit:
        raise Refused(413, "The request is too large.")
    return int(said)


class Body:
    """What `receive` gives, with limits: `limit` bytes in `seconds`, and never `PIECE_SECONDS` in silence."""

    def __init__(self, receive: Receive, limit: int, seconds: float):
        self._receive, self._left, self._ends = receive, limit, time.monotonic() + seconds
        self._complete = False

    async def __call__(self) -> Message:
        """The next message of the request; after the body, the sign that the visitor has left."""
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
        """All of the body. Raises Refused; also where the visitor left before its end."""
        pieces = []
        while not self._complete:
            message = await self()
            if message["type"] == "http.disconnect":
                raise Refused(400, "The body is not complete.")
            pieces.append(message.get("body", b""))
        return b"".join(pieces)


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, and then what is left of the connection."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


async def passed_on(app: ASGIApp, scope: Scope, body: Body, send: Send) -> None:
    """Run the app on a body that is checked as it comes. Raises Refused where nothing was answered yet.

    The app sees a body that is refused as a visitor who left; what it answers then is not sent.
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
