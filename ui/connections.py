"""Limits on connections: per peer, in total, and on the time until the head of a request has arrived.

`Listener` counts accepted connections before any TLS handshake; `protocol` is uvicorn's HTTP protocol with a
time limit for the head of each request. At the limit, an idle connection is closed in favour of a new one, so
half-open connections cannot lock other visitors out.

On Windows the event loop does not use `Listener` to accept connections; there only the time limit applies.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from ui.peers import peer_of

HEAD_SECONDS = 10.0
BACKLOG = 128  # most connections accepted in one turn of the event loop
FEWEST, MOST = 64, 1_000


class Accepted(socket.socket):
    """An accepted connection that calls back when it is closed."""

    def __init__(self, plain: socket.socket, address: Any, closed: Callable[[Accepted], None]):
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.address = address
        self.peer = peer_of(str(address[0]))
        self.busy = False  # whether a request is in progress
        self.leaving = False  # whether `make_room` was called
        self._tell_closed = closed

    def close(self) -> None:
        super().close()
        self._tell_closed(self)

    def make_room(self) -> None:
        """Shut the connection down; the event loop closes it in its next turn."""
        self.leaving = True
        with contextlib.suppress(OSError):  # the peer has already disconnected
            self.shutdown(socket.SHUT_RDWR)


class Connections:
    """The open connections. `proxies`: addresses to which only the total limit applies."""

    def __init__(self, total: int, of_one: int, proxies: Collection[str] = ()):
        self._total, self._of_one = total, of_one
        self._proxies = {peer_of(address) for address in proxies}
        self._open: dict[Any, Accepted] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Accepted) -> bool:
        """Admit a new connection; at a limit, an idle one is closed for it. False if none is idle."""
        staying = [other for other in self._open.values() if not other.leaving]
        own = [other for other in staying if other.peer == connection.peer]
        limit = self._total if connection.peer in self._proxies else self._of_one
        for group, most in ((own, limit), (staying, self._total)):
            if sum(not other.leaving for other in group) >= most:
                idle = next((other for other in group if not other.busy and not other.leaving), None)
                if idle is None or len(self._open) >= self._total + BACKLOG:
                    return False
                idle.make_room()
        self._open[connection.address] = connection
        return True

    def left(self, connection: Accepted) -> None:
        """Remove a closed connection."""
        if self._open.get(connection.address) is connection:
            del self._open[connection.address]

    def mark(self, address: Any, busy: bool) -> None:
        """Record whether the connection from this address has a request in progress."""
        if address in self._open:
            self._open[address].busy = busy


class Listener(socket.socket):
    """A listening socket that admits connections within the limits of `connections`."""

    def __init__(self, plain: socket.socket, connections: Connections):
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.connections = connections

    def accept(self) -> tuple[socket.socket, Any]:
        """Like `socket.socket.accept`. Raises ConnectionAbortedError above the limit; asyncio then tries
        again later."""
        plain, address = super().accept()
        connection = Accepted(plain, address, self.connections.left)
        if not self.connections.admit(connection):
            connection.close()
            raise ConnectionAbortedError("too many connections")
        return connection, address


def within_handles(proxies: Collection[str] = ()) -> Connections:
    """Limits from this process's file handles: half of them for all connections, half of these per peer."""
    total = MOST
    with contextlib.suppress(ImportError):  # Windows
        import resource

        total = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    total = max(FEWEST, min(MOST, total))
    return Connections(total, total // 2, proxies)


def protocol(connections: Connections, head_seconds: float = HEAD_SECONDS) -> type[H11Protocol]:
    """uvicorn's HTTP protocol, with `head_seconds` for the head of each request on these connections."""

    class Timed(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop()

        def _watch(self) -> None:
            busy = self.cycle is not None and not self.cycle.response_complete
            connections.mark(self.transport.get_extra_info("peername"), busy)
            if busy:
                self._stop()
            elif self._timer is None and not self.transport.is_closing():
                self._timer = self.loop.call_later(head_seconds, self.transport.abort)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Timed
