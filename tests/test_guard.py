"""The guard before the page: who may call, how much, how often; and languages and raters by cookie."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from data.errors import UserError
from ui import guard
from ui.server import Visitors, credentials

HTML = {"accept": "text/html"}


async def echo(request: Request):
    return PlainTextResponse(str(len(await request.body())))


def client(bound_to="127.0.0.1", host="127.0.0.1:7860"):
    inner = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    return TestClient(guard.Guard(Visitors(inner), bound_to=bound_to), base_url=f"http://{host}",
                      follow_redirects=False)  # fmt: skip


@pytest.mark.faults(46)
def test_own_host_names_pass_and_others_are_refused():
    assert client().get("/x").status_code == 200
    assert client().get("/x", headers={"host": "localhost:7860"}).status_code == 200
    assert client().get("/x", headers={"host": "evil.example"}).status_code == 403
    assert client().get("/x", headers={"host": "192.168.1.7"}).status_code == 403


def test_on_a_lan_address_ip_literals_pass_and_foreign_names_do_not():
    lan = client("0.0.0.0", "192.168.1.7:7860")
    assert lan.get("/x").status_code == 200
    assert lan.get("/x", headers={"host": "rebound.example"}).status_code == 403


@pytest.mark.faults(46)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_foreign_origins_are_refused(origin):
    assert client().post("/x", headers={"origin": origin}).status_code == 403


def test_own_origin_passes():
    assert client().post("/x", headers={"origin": "http://127.0.0.1:7860"}).status_code == 200


@pytest.mark.faults(27)
def test_large_bodies_are_refused_before_they_are_read_and_uploads_may_be_larger():
    big = b"x" * (guard.BODY_LIMIT + 1)
    assert client().post("/gradio_api/queue/join", content=big).status_code == 413
    assert client().post("/gradio_api/upload", content=big).text == str(len(big))


def test_a_body_without_a_length_is_cut_at_the_limit():
    chunks = (b"x" * 65536 for _ in range(40))
    assert client().post("/x", content=chunks).status_code == 413


@pytest.mark.faults(46)
def test_a_flood_of_logins_is_slowed_down():
    page = client()
    answers = [page.post("/login").status_code for _ in range(guard.LOGINS + 3)]
    assert answers[: guard.LOGINS] == [200] * guard.LOGINS
    assert set(answers[guard.LOGINS :]) == {429}


def test_logins_are_possible_again_after_the_window():
    watch = guard.Guard(None, bound_to="127.0.0.1")
    for _ in range(guard.LOGINS):
        assert not watch.too_many_logins("a", 0.0)
    assert watch.too_many_logins("a", 1.0)
    assert not watch.too_many_logins("b", 1.0)
    assert not watch.too_many_logins("a", guard.LOGIN_WINDOW + 2.0)


def test_answers_carry_the_protective_headers():
    headers = client().get("/x").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_websockets_are_not_spoken():
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
    assert page.get("/", headers=chinese).status_code == 200  # by its cookie


def test_scripts_are_never_redirected():
    assert client().get("/", headers={"accept-language": "zh-CN", "accept": "*/*"}).status_code == 200


def test_a_visitor_gets_one_rater_id():
    page = client()
    first = page.get("/", headers=HTML)
    assert "rater=" in first.headers["set-cookie"] and "HttpOnly" in first.headers["set-cookie"]
    assert "set-cookie" not in page.get("/", headers=HTML).headers


def test_credentials_from_text_and_from_a_file(tmp_path):
    check = credentials("ann:secret")
    assert check("ann", "secret")
    assert not check("ann", "wrong") and not check("bob", "secret")
    (tmp_path / "users").write_text("# users\nann:one\nbob:two:with colon\n")
    check = credentials(str(tmp_path / "users"))
    assert check("ann", "one") and check("bob", "two:with colon") and not check("bob", "one")


@pytest.mark.parametrize("value", ["nopassword", ":x", "ann:"])
def test_unusable_credentials_are_refused(value):
    with pytest.raises(UserError):
        credentials(value)
