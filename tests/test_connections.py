"""Half-open connections make room, one peer cannot take all connections, and a late request head ends one."""

import asyncio
import contextlib
import socket
import ssl
import subprocess

import httpx
import pytest
import uvicorn
from served_page import serving
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from waiting import NEVER, eventually

from data.errors import UserError
from ui import server
from ui.connections import Connections, protocol


class Fake:
    """A fake connection without a socket."""

    def __init__(self, peer, port):
        self.peer, self.address = peer, (peer, port)
        self.busy = self.leaving = False

    def make_room(self):
        self.leaving = True


def opened(connections, peer, count, busy=False):
    made = [Fake(peer, port) for port in range(count)]
    for one in made:
        assert connections.admit(one)
        connections.mark(one.address, busy)
    return made


def test_the_oldest_idle_connection_of_a_peer_makes_room():
    connections = Connections(total=10, of_one=3)
    first, second, third = opened(connections, "a", 3)
    connections.mark(first.address, busy=True)
    assert connections.admit(Fake("a", 99))
    assert (first.leaving, second.leaving, third.leaving) == (False, True, False)


def test_busy_connections_do_not_make_room_and_other_peers_keep_theirs():
    connections = Connections(total=10, of_one=3)
    opened(connections, "a", 3, busy=True)
    idle = opened(connections, "b", 1)
    assert not connections.admit(Fake("a", 99))
    assert not idle[0].leaving and connections.admit(Fake("b", 99))


def test_the_total_number_of_connections_is_limited_too():
    connections = Connections(total=4, of_one=3)
    opened(connections, "a", 2, busy=True)
    idle = opened(connections, "b", 2)
    assert connections.admit(Fake("c", 1)) and idle[0].leaving
    connections.mark(("c", 1), busy=True)
    assert connections.admit(Fake("d", 1)) and idle[1].leaving
    connections.mark(("d", 1), busy=True)
    assert not connections.admit(Fake("e", 1))


def test_a_named_proxy_may_use_the_complete_total():
    connections = Connections(total=6, of_one=2, proxies=["10.0.0.1"])
    opened(connections, "10.0.0.1", 6, busy=True)
    assert not connections.admit(Fake("10.0.0.1", 99))


def test_closed_connections_are_no_longer_counted():
    connections = Connections(total=4, of_one=2)
    for one in opened(connections, "a", 2, busy=True):
        connections.left(one)
        connections.left(one)
    assert len(connections) == 0 and connections.admit(Fake("a", 1))


# with real sockets


async def hello(request):
    await asyncio.sleep(float(request.query_params.get("seconds", 0)))
    return PlainTextResponse("hello")


@contextlib.contextmanager
def a_server(connections, head_seconds=10 * NEVER, **more):
    """The port of a server. The time limit of a head is never reached unless a test sets it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = Starlette(routes=[Route("/", hello)])
    config = uvicorn.Config(
        app, http=protocol(connections, head_seconds), loop="asyncio", backlog=128, log_level="error", **more
    )
    with serving(config, listener, connections):
        yield port


@contextlib.contextmanager
def half_open(port, count, said=b"GET / HTTP/1.1\r\nHost: x\r\n"):
    """Open connections whose request is never completed."""
    made = []
    try:
        for _ in range(count):
            made.append(socket.create_connection(("127.0.0.1", port), timeout=NEVER))
            with contextlib.suppress(OSError):  # the server has already closed it to make room
                made[-1].sendall(said)
        yield made
    finally:
        for one in made:
            one.close()


def ended(connection):
    """Wait until the server has closed a connection. Raises TimeoutError where it does not."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(1024):
            pass
    return True


@pytest.mark.faults(52)
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_half_open_connections_block_no_other_visitor(said):
    """1,100 half-open connections with 1,024 handles once blocked the page for 70 seconds.

    The test opens five times as many connections as one peer may have.
    """
    connections = Connections(total=40, of_one=20)
    with a_server(connections) as port, half_open(port, 100, said) as made:
        for _ in range(3):
            assert httpx.get(f"http://127.0.0.1:{port}/", timeout=NEVER).text == "hello"
        assert all(ended(one) for one in made[:60])
        assert len(connections) <= 40


@pytest.mark.faults(52)
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_request_head_that_never_arrives_ends_the_connection(said):
    connections = Connections(total=40, of_one=20)
    with a_server(connections, head_seconds=0.2) as port, half_open(port, 3, said) as made:
        assert all(ended(one) for one in made)
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=NEVER).text == "hello"


# On a busy machine even a head that is sent immediately can arrive too late; the tests then send it again.


def test_the_second_head_of_a_connection_has_a_time_limit_too():
    def answered():
        with half_open(port, 1, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT") as (one,):
            return one.makefile("rb").read()  # until the server has closed the connection

    with a_server(Connections(total=40, of_one=20), head_seconds=0.2, timeout_keep_alive=600) as port:
        answer = eventually(answered)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"hello")


def test_the_time_limit_of_the_head_does_not_apply_to_the_answer():
    def answered():
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/?seconds=0.3", timeout=NEVER).text

    with a_server(Connections(total=40, of_one=20), head_seconds=0.1) as port:
        assert eventually(answered) == "hello"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    names = [folder / "cert.pem", folder / "key.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
               "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
               "-out", str(names[0]), "-keyout", str(names[1])]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return names


def test_pages_are_served_over_tls_and_unfinished_handshakes_block_no_other_visitor(certificate):
    connections = Connections(total=40, of_one=20)
    certfile, keyfile = certificate
    more = {"ssl_certfile": certfile, "ssl_keyfile": keyfile}
    trusted = ssl.create_default_context(cafile=str(certfile))
    with a_server(connections, **more) as port, half_open(port, 60, b"\x16\x03\x01"):
        answer = httpx.get(f"https://127.0.0.1:{port}/", verify=trusted, timeout=NEVER)
        assert answer.text == "hello" and len(connections) <= 40


@pytest.mark.parametrize("swapped", [False, True])
def test_an_unusable_certificate_is_named(certificate, tmp_path, swapped):
    (tmp_path / "cert.pem").write_text("no certificate")
    certfile, keyfile = certificate[::-1] if swapped else (tmp_path / "cert.pem", certificate[1])
    with pytest.raises(UserError, match="--certfile"):
        server.configuration(None, Connections(1, 1), certfile=certfile, keyfile=keyfile)
