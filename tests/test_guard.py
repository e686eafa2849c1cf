"""The guard in front of the page: hosts, addresses, sizes, rates, and cookies for language and rater."""

import asyncio
import os
import time

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ui import bodies, guard, peers, routes
from ui.owners import Owners
from ui.uploads import Uploads, upload_folder
from ui.visitors import Visitors

HTML = {"accept": "text/html"}
CALL = "/gradio_api/run/predict"


async def echo(request: Request):
    if request.url.path.endswith("/queue/join"):
        return JSONResponse({"event_id": f"event of {(await request.json())['session_hash']}"})
    if request.url.path == "/login":
        return PlainTextResponse("", 200 if (await request.body()) == b"right" else 401)
    return PlainTextResponse(f"{len(await request.body())} {sorted(request.headers.keys())}")


def guarded(bound_to="127.0.0.1", **more):
    inner = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    return guard.Guard(Visitors(inner), bound_to, **more)


def client(bound_to="127.0.0.1", host="127.0.0.1:7860", app=None, peer="10.0.0.1", **more):
    return TestClient(app or guarded(bound_to, **more), base_url=f"http://{host}", follow_redirects=False,
                      client=(peer, 5000))  # fmt: skip


# host and origin


@pytest.mark.faults(46)
def test_own_host_names_pass_and_others_are_refused():
    assert client().get("/config").status_code == 200
    assert client().get("/config", headers={"host": "localhost:7860"}).status_code == 200
    assert client().get("/config", headers={"host": "evil.example"}).status_code == 403
    assert client().get("/config", headers={"host": "192.168.1.7"}).status_code == 403


def test_a_host_name_that_was_named_passes():
    page = client("10.0.0.5", names={"play.example"})
    assert page.get("/config", headers={"host": "play.example"}).status_code == 200
    assert page.get("/config", headers={"host": "other.example"}).status_code == 403


def test_on_a_lan_address_ip_literals_pass_and_foreign_names_do_not():
    lan = client("0.0.0.0", "192.168.1.7:7860")
    assert lan.get("/config").status_code == 200
    assert lan.get("/config", headers={"host": "rebound.example"}).status_code == 403


@pytest.mark.faults(46)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://[", ""])
def test_foreign_origins_are_refused(origin):
    assert client().post(CALL, headers={"origin": origin}, json={}).status_code == 403


def test_own_origin_passes():
    answer = client().post(CALL, headers={"origin": "http://127.0.0.1:7860"}, json={})
    assert answer.status_code == 200


# addresses


@pytest.mark.faults
@pytest.mark.parametrize(
    "method, path",
    [
        *[("POST", f"/gradio_api/{name}") for name in ("vibe-edit", "vibe-code/", "vibe-starter-queries")],
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/stream/x"),
        ("GET", "/gradio_api/stream/s/r/1/playlist.m3u8"),
        ("GET", "/gradio_api/proxy=https://example.org/"),
        ("GET", "/gradio_api/file=https://example.org/x"),
        ("GET", "/gradio_api/file/etc/passwd"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/profiling/traces"),
        ("GET", "/gradio_api/deep_link?session_hash=x"),
        ("GET", "/gradio_api/token"),
        ("GET", "/gradio_api/custom_component/a/client/b/c"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/monitoring"),
        ("GET", "/pwa_icon"),
        ("GET", "/logout"),
        ("POST", "/anything/upload"),
        ("POST", "/zh/zh/gradio_api/upload"),
        ("PUT", "/config"),
    ],
)
def test_addresses_that_the_page_does_not_use_are_not_served(method, path):
    for prefix in ("", "/zh"):
        assert client().request(method, prefix + path).status_code == 404


def test_addresses_that_the_page_uses_are_served_in_both_languages():
    for prefix in ("", "/zh"):
        assert client().get(f"{prefix}/gradio_api/info").status_code == 200
        assert client().post(f"{prefix}{CALL}", json={}).status_code == 200


# bodies


@pytest.mark.faults(27)
def test_large_bodies_are_refused_before_they_are_read_and_uploads_may_be_larger():
    big = b"x" * (routes.CALL_LIMIT + 1)
    assert client().post("/gradio_api/queue/join", content=big).status_code == 413
    assert client().post("/gradio_api/upload", content=big).text.startswith(str(len(big)))
    assert client().post("/login", content=b"x" * (routes.FORM_LIMIT + 1)).status_code == 413


@pytest.mark.faults
def test_the_limit_of_a_body_depends_on_the_complete_address_and_not_on_its_ending():
    """50 MB of JSON sent to /call/upload or /run/upload once blocked the page for 22 seconds."""
    big = b"[" * (routes.CALL_LIMIT + 1)
    for path in ("/gradio_api/call/upload", "/gradio_api/run/upload", "/zh/gradio_api/run/upload"):
        assert client().post(path, content=big).status_code == 413


@pytest.mark.parametrize("path", [CALL, "/gradio_api/upload", "/login", "/config"])
def test_a_body_without_a_length_is_cut_at_the_limit(path):
    chunks = (b"x" * 65536 for _ in range(routes.UPLOAD_LIMIT // 65536 + 20))
    method = "GET" if path == "/config" else "POST"
    assert client().request(method, path, content=chunks).status_code == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
def test_a_call_whose_body_is_not_a_json_object_is_refused(body):
    assert client().post(CALL, content=body).status_code == 400


@pytest.mark.faults
@pytest.mark.parametrize("path", [CALL, "/gradio_api/upload"])
def test_a_body_that_stops_half_way_ends_with_an_answer(path, monkeypatch):
    monkeypatch.setattr(bodies, "PIECE_SECONDS", 0.05)
    sent, pieces = [], [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive():
        return pieces.pop() if pieces else await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "client": ("10.0.0.1", 1),
             "headers": [(b"host", b"localhost")], "scheme": "http", "server": ("localhost", 80),
             "root_path": ""}  # fmt: skip
    asyncio.run(guarded()(scope, receive, send))
    assert sent[0]["status"] == 408


@pytest.mark.faults
def test_a_body_that_arrives_too_slowly_ends_at_its_time_limit():
    async def receive():
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(bodies.Refused) as refused:
        asyncio.run(bodies.Body(receive, limit=1000, seconds=0.05).whole())
    assert refused.value.status == 408


# uploads


def a_file(folder, name, size, age, now):
    file = folder / name / "rows.jsonl"
    file.parent.mkdir()
    file.write_bytes(b"x" * size)
    os.utime(file, (now - age, now - age))
    return file


def test_expired_uploads_are_removed_and_the_oldest_make_room(tmp_path):
    now, uploads = time.time(), Uploads(tmp_path, total=100)
    stale = a_file(tmp_path, "stale", 10, 2 * 3600, now)
    older, newer = (a_file(tmp_path, str(age), 40, age, now) for age in (1200, 600))
    assert uploads.sweep(now) == 80
    assert not stale.exists() and not stale.parent.exists()
    with uploads.room_for(50) as there:
        assert there and not older.exists() and newer.exists()
        with uploads.room_for(50) as more:  # the first fifty bytes are still being uploaded
            assert more is True and not newer.exists()
            with uploads.room_for(1) as too_much:
                assert too_much is False


def test_a_recent_upload_is_not_removed_to_make_room(tmp_path):
    uploads = Uploads(tmp_path, total=100)
    fresh = a_file(tmp_path, "fresh", 60, 10, time.time())
    page = client(uploads=uploads)
    assert page.post("/gradio_api/upload", content=b"x" * 50).status_code == 507
    assert page.post("/gradio_api/upload", content=b"x" * 40).status_code == 200
    assert fresh.exists()


def test_the_folder_for_uploads_is_private_empty_and_removed(tmp_path):
    with upload_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "left").write_text("by a killed app")
        with upload_folder(tmp_path / "other") as other:
            assert other != folder
    assert not folder.exists()


# logins


def login(page, password="wrong", **headers):
    return page.post("/login", content=password, headers=headers).status_code


@pytest.mark.faults(46)
def test_a_flood_of_logins_is_slowed_down_and_only_of_the_peer_that_sends_it():
    app = guarded()
    one, other = client(app=app, peer="10.0.0.1"), client(app=app, peer="10.0.0.2")
    assert [login(one) for _ in range(guard.LOGINS)] == [401] * guard.LOGINS
    assert {login(one) for _ in range(20)} == {429}
    assert login(one, "right") == 429
    assert login(other, "right") == 200


def test_logins_that_succeed_do_not_count():
    page = client()
    assert {login(page, "right") for _ in range(3 * guard.LOGINS)} == {200}


def test_logins_are_possible_again_after_the_window():
    throttle = guard.Throttle()
    assert all(throttle.admits("a", 0.0) for _ in range(guard.LOGINS))
    assert not throttle.admits("a", 1.0)
    assert throttle.admits("b", 1.0)
    assert throttle.admits("a", guard.LOGIN_WINDOW + 2.0)


def test_a_flood_of_peers_does_not_displace_the_newest_one(monkeypatch):
    monkeypatch.setattr(guard, "PEERS", 3)
    throttle = guard.Throttle()
    for peer in "abcdefg":
        for _ in range(guard.LOGINS):
            throttle.admits(peer, 0.0)
    assert len(throttle.failed) == 3 and not throttle.admits("g", 1.0)


@pytest.mark.faults
def test_a_header_that_claims_another_address_does_not_help():
    page = client()
    tries = [login(page, **{"x-forwarded-for": f"10.9.9.{n}"}) for n in range(guard.LOGINS + 3)]
    assert tries[guard.LOGINS :] == [429] * 3


def test_behind_a_named_proxy_the_visitor_counts_and_behind_another_the_proxy():
    for proxy, statuses in (("10.0.0.1", {401}), ("10.7.7.7", {401, 429})):
        app = ProxyHeadersMiddleware(guarded(), trusted_hosts=[proxy])
        page = client(app=app, peer="10.0.0.1")
        tries = [login(page, **{"x-forwarded-for": f"10.9.9.{n}"}) for n in range(guard.LOGINS + 3)]
        assert set(tries) == statuses


def test_headers_of_proxies_never_reach_gradio():
    """Gradio would put a host claimed in such a header into its answers to all visitors."""
    claimed = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    assert "forwarded" not in client().get("/gradio_api/info", headers=claimed).text


def test_which_addresses_count_as_one_peer():
    assert peers.peer_of("10.0.0.1") == "10.0.0.1" == peers.peer_of("::ffff:10.0.0.1")
    assert peers.peer_of("2001:db8::1") == peers.peer_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert peers.peer_of("testclient") == "testclient"


# sessions and events


@pytest.fixture
def two():
    """Two visitors of one page."""
    app = guarded()
    visitors = [client(app=app), client(app=app)]
    for visitor in visitors:
        visitor.get("/", headers=HTML)
    return visitors


@pytest.mark.faults
def test_a_session_belongs_to_the_visitor_who_used_it_first(two):
    ann, rob = two
    assert ann.post("/gradio_api/queue/join", json={"session_hash": "s"}).status_code == 200
    for visitor, status in ((ann, 200), (rob, 403)):
        for path in ("/gradio_api/queue/data?session_hash=s", "/gradio_api/heartbeat/s"):
            assert visitor.get(path).status_code == status
        for path in ("/gradio_api/queue/join", CALL, "/gradio_api/call/ask", "/zh/gradio_api/queue/join"):
            assert visitor.post(path, json={"session_hash": "s"}).status_code == status
    assert rob.get("/gradio_api/queue/data?session_hash=own&session_hash=s").status_code == 403


@pytest.mark.faults
def test_an_event_belongs_to_the_visitor_who_received_its_name(two):
    ann, rob = two
    event = ann.post("/gradio_api/queue/join", json={"session_hash": "s"}).json()["event_id"]
    cancel = {"session_hash": "s", "event_id": event, "fn_index": 0}
    assert rob.post("/gradio_api/cancel", json=cancel | {"session_hash": "own"}).status_code == 404
    assert rob.post("/gradio_api/reset", json={"event_id": event}).status_code == 404
    assert rob.get(f"/gradio_api/call/ask/{event}").status_code == 404
    assert ann.get("/gradio_api/call/ask/unknown").status_code == 404
    assert ann.get(f"/gradio_api/call/ask/{event}").status_code == 200
    assert ann.post("/gradio_api/reset", json={"event_id": event}).status_code == 200
    assert ann.post("/gradio_api/cancel", json=cancel).status_code == 200


@pytest.mark.parametrize("name", [3, ["s"], {"a": 1}, "s" * 101])
def test_an_invalid_session_name_is_refused(two, name):
    assert two[0].post(CALL, json={"session_hash": name}).status_code == 400


def test_without_a_cookie_a_session_belongs_to_the_peer():
    app = guarded()
    one, other = client(app=app, peer="10.0.0.1"), client(app=app, peer="10.0.0.2")
    answers = [page.post(CALL, json={"session_hash": "s"}).status_code for page in (one, one, other)]
    assert answers == [200, 200, 403]


def test_a_visitor_with_many_sessions_loses_only_the_oldest_of_these():
    owners = Owners(most=10, most_of_one=3)
    owners.claim("kept", "ann")
    for n in range(50):
        assert owners.claim(f"s{n}", "rob")
    assert owners.owns("kept", "ann") and owners.owns("s49", "rob")
    assert not owners.owns("s46", "rob")
    for n in range(50):
        owners.claim(f"n{n}", f"new {n}")
    assert not owners.owns("kept", "ann") and owners.owns("n49", "new 49")


# answers, languages, raters


@pytest.mark.parametrize("path", ["/config", "/nowhere"])
def test_answers_and_refusals_carry_the_protective_headers(path):
    headers = client().get(path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_websockets_are_refused():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guard.Guard(None, "127.0.0.1")({"type": "websocket"}, None, send))
    assert sent[0]["type"] == "websocket.close"


def test_first_visit_follows_the_browsers_language():
    chinese = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8", **HTML}
    answer = client().get("/", headers=chinese)
    assert (answer.status_code, answer.headers["location"]) == (307, "/zh/")
    assert client().get("/", headers={"accept-language": "en-US,zh;q=0.5", **HTML}).status_code == 200


def test_the_switch_wins_over_the_browsers_language():
    page = client()
    chinese = {"accept-language": "zh-CN", **HTML}
    assert page.get("/?lang=en", headers=chinese).status_code == 200
    assert page.get("/", headers=chinese).status_code == 200  # the cookie decides


def test_scripts_are_never_redirected():
    assert client().get("/", headers={"accept-language": "zh-CN", "accept": "*/*"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/config"])
def test_a_visitor_gets_one_rater_id_that_nobody_can_guess(path):
    page = client()
    first = page.get(path, headers=HTML)
    assert "HttpOnly" in first.headers["set-cookie"] and "Secure" not in first.headers["set-cookie"]
    assert len(page.cookies["rater"]) * 4 >= 128
    assert "set-cookie" not in page.get(path, headers=HTML).headers


def test_over_tls_cookies_are_secure():
    page = TestClient(guarded(), base_url="https://127.0.0.1:7860")
    assert "Secure" in page.get("/", headers=HTML).headers["set-cookie"]
