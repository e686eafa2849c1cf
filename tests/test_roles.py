"""Every address and every handler has a role and refuses callers without it; raters cannot be forged.

The page is served with three accounts: ann is an admin, rob and roy are raters.
"""

import csv
import io
import re

import httpx
import pytest
from fake_policies import fake_demo
from gradio.routes import App
from gradio_client import Client
from gradio_client.exceptions import AppError, AuthenticationError
from served_page import PASSWORDS, FakeClient, served, services_on, with_accounts
from starlette.routing import Mount
from waiting import NEVER

from data.workspace import Workspace
from ui import page, routes, server
from ui.payloads import role_of

# The handlers that are called through a queue, by role; all others are bound with QUIET and only read.
RATERS = {"on_ask", "on_follow", "on_regenerate", "on_go_on", "on_next", "on_vote", "on_skip", "on_retract"}
RATERS |= {"on_own_retract", "on_look", "on_rewards", "ask", "vote", "leaderboard", "list_of_runs"}
ADMINS = {
    "launch", "run_missing", "stop", "start", "cancel", "begin", "end", "keep_label", "delete_now", "take",
    "on_send",
}  # fmt: skip


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roles")
    workspace = Workspace(folder / "workspace").create()
    access = with_accounts(workspace)
    with services_on(workspace, fake_demo(folder / "demo"), FakeClient(), access) as made:
        yield made


@pytest.fixture(scope="module")
def address(services):
    with served(services) as url:
        yield url


@pytest.fixture(scope="module")
def people(address):
    """One HTTP client per person: nobody, ann (admin), rob and roy (raters)."""
    found = {name: httpx.Client(base_url=address, timeout=NEVER) for name in ("nobody", *PASSWORDS)}
    for name, password in PASSWORDS.items():
        answer = found[name].post("/login", data={"username": name, "password": password})
        assert answer.json() == {"success": True}
    yield found
    for one in found.values():
        one.close()


@pytest.fixture(scope="module")
def scripts(address):
    """One gradio_client per account."""
    return {name: script(address, auth=(name, password)) for name, password in PASSWORDS.items()}


def script(address, **more):
    return Client(address, verbose=False, httpx_kwargs={"timeout": NEVER}, **more)


@pytest.fixture(scope="module")
def built(services):
    """The page per language, as the server builds it, but not served."""
    return {language: page.build(services, language) for language in server.LANGUAGES}


@pytest.fixture(scope="module")
def handlers(built):
    return {index: fn for index, fn in built["en"].fns.items() if fn.fn is not None}


def name_of(fn):
    return getattr(fn.fn, "__name__", "")


# every handler


def test_every_handler_has_a_role(handlers):
    """A new handler that is called through a queue must be added to RATERS or ADMINS."""
    roles = {(name_of(fn), role_of(fn)) for fn in handlers.values() if fn.queue and name_of(fn) != "<lambda>"}
    assert roles == {(name, "rater") for name in RATERS} | {(name, "admin") for name in ADMINS}
    for fn in handlers.values():
        # without a queue it only reads; with one it uploads, exports or cancels
        if name_of(fn) == "<lambda>":
            assert role_of(fn) == ("admin" if fn.queue else "rater")
    assert {role_of(fn) for fn in handlers.values()} == {"admin", "rater"}


def call(client, index, fn, session):
    """Call one handler as the browser does; returns the status and the complete text of the response."""
    body = {"data": [None] * len(fn.inputs), "fn_index": index, "session_hash": session}
    if not fn.queue:
        answer = client.post("/gradio_api/run/predict", json=body)
        return answer.status_code, answer.text
    answer = client.post("/gradio_api/queue/join", json=body)
    if answer.status_code != 200:
        return answer.status_code, answer.text
    with client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as stream:
        return 200, "".join(stream.iter_text())


@pytest.mark.faults(51)
def test_no_handler_answers_without_a_login(people, handlers):
    for index, fn in handlers.items():
        status, _ = call(people["nobody"], index, fn, f"nobody {index}")
        assert status == 401, name_of(fn)


@pytest.mark.faults(51)
def test_no_handler_for_admins_answers_a_rater(services, people, handlers):
    tried = 0
    for index, fn in handlers.items():
        if role_of(fn) == "admin":
            status, text = call(people["rob"], index, fn, f"rob {index}")
            assert "for the role admin" in text, f"{name_of(fn)}: {status} {text[:300]}"
            tried += 1
    assert tried >= 15
    assert list(services.workspace.runs.iterdir()) == []


@pytest.mark.slow
@pytest.mark.faults
def test_handlers_that_read_answer_a_rater_and_change_nothing(services, people, handlers):
    before = sorted(services.workspace.root.rglob("*"))
    for index, fn in handlers.items():
        if not fn.queue:
            _, text = call(people["rob"], index, fn, f"reader {index}")
            assert "for the role" not in text
    assert sorted(services.workspace.root.rglob("*")) == before


def test_a_call_that_claims_to_be_a_batch_is_refused(people, handlers):
    index = next(index for index, fn in handlers.items() if not fn.queue and not fn.inputs)
    body = {"data": [], "fn_index": index, "session_hash": "batch", "batched": True}
    assert people["ann"].post("/gradio_api/run/predict", json=body).status_code >= 400


# every address


def mounted(services, built):
    """Yields every (method, address) mounted behind the guard, with "x" in place of its parameters."""
    guard = server.build(
        built, workspace_root=services.workspace.root, host="127.0.0.1", port=1, access=services.access
    )
    waiting = [("", route) for route in guard.app.app.routes]
    while waiting:
        prefix, route = waiting.pop()
        inner = getattr(route, "app", None)
        included = getattr(route, "original_router", None)
        if isinstance(route, Mount) and isinstance(inner, App):
            waiting += [(route.path.rstrip("/"), one) for one in inner.routes]
        elif included is not None:
            waiting += [(prefix, one) for one in included.routes]
        elif getattr(route, "methods", None):
            filled = re.sub(r"\{[^}]*\}", "x", route.path)
            yield from ((method, prefix + filled) for method in sorted(route.methods))


@pytest.fixture(scope="module")
def addresses(services, built):
    return sorted(set(mounted(services, built)))


def test_the_table_of_addresses_has_no_unused_row(addresses):
    served_rows = {visit.route for method, path in addresses if (visit := routes.find(method, path))}
    unused = [route.pattern.pattern for route in routes.ROUTES if route not in served_rows]
    assert unused == []


@pytest.mark.faults(51)
def test_every_address_refuses_who_may_not_call_it(people, addresses):
    refused = {"nobody": 0, "rob": 0}
    for method, path in addresses:
        visit = routes.find(method, path)
        if visit is None:
            assert people["ann"].request(method, path).status_code == 404, f"{method} {path}"
        elif visit.route.role != "anyone":
            assert people["nobody"].request(method, path).status_code == 401, f"{method} {path}"
            refused["nobody"] += 1
            if visit.route.role == "admin":
                assert people["rob"].request(method, path).status_code == 403, f"{method} {path}"
                refused["rob"] += 1
    assert refused["nobody"] >= 40 and refused["rob"] >= 6


def test_pages_without_a_login_reveal_nothing_of_the_workspace(people, addresses):
    """Only the login page, Gradio's own files and the theme are served without a login."""
    for method, path in addresses:
        visit = routes.find(method, path)
        if visit is not None and visit.route.role == "anyone" and method == "GET":
            answer = people["nobody"].get(path)
            assert "ppo" not in answer.text and "workspace" not in answer.text


# logging in and out


def browser_of(address):
    html = {"accept": "text/html"}
    return httpx.Client(base_url=address, headers=html, follow_redirects=True, timeout=NEVER)


def test_a_browser_is_redirected_to_the_login_and_back(address):
    with browser_of(address) as browser:
        for path, word in (("/?lang=en", "Log in"), ("/zh/", "登录")):
            answer = browser.get(path)
            assert answer.url.path.endswith("/login") and word in answer.text
        wrong = browser.post("/login", data={"username": "rob", "password": "<b>wrong"})
        assert wrong.status_code == 401 and "alert" in wrong.text and "<b>wrong" not in wrong.text
        right = browser.post("/login", data={"username": "rob", "password": PASSWORDS["rob"]})
        assert right.url.path == "/" and right.status_code == 200 and '"username":"rob"' in right.text


def test_a_script_with_a_wrong_password_gets_an_error(address):
    with pytest.raises(AuthenticationError):
        script(address, auth=("rob", "wrong"))


@pytest.mark.faults
def test_logging_out_needs_the_key_of_the_page_and_ends_the_login(address, handlers):
    with httpx.Client(base_url=address, timeout=NEVER) as browser:
        browser.post("/login", data={"username": "roy", "password": PASSWORDS["roy"]})
        token = browser.cookies["edgerlhf_login"]
        for key in ("", "0" * 64):
            assert browser.post("/logout", data={"key": key}).status_code == 403
        assert browser.get("/logout").status_code == 404
        assert browser.get("/config").status_code == 200
        who = next(index for index, fn in handlers.items() if name_of(fn) == "who")
        body = {"data": [], "fn_index": who, "session_hash": "leaving"}
        form = browser.post("/gradio_api/run/predict", json=body).json()["data"][0]
        assert "roy" in str(form)
        key = re.search(r'name="key" value="(\w+)"', str(form))[1]
        assert browser.post("/logout", data={"key": key}).status_code == 303
        assert browser.get("/config", headers={"cookie": f"edgerlhf_login={token}"}).status_code == 401


# raters


ROW = {"round", "answers"}


def asked(script, rater="ann"):
    return script.predict("What is the capital of France?", rater, api_name="/ask")


@pytest.mark.faults(50)
def test_the_rater_is_the_login_whatever_the_request_claims(scripts, services):
    round_id = asked(scripts["rob"], rater="user:ann")["round"]
    scripts["rob"].predict(round_id, "A>B>C>D", "", "", api_name="/vote")
    assert services.arena.store.owns("user:rob", round_id)
    assert services.arena.store.votes()[-1]["rater"] == services.arena.store.pseudonyms.rater("user:rob")


@pytest.mark.faults(26, 50)
def test_nobody_votes_on_another_raters_round(scripts, services):
    mine = asked(scripts["rob"])
    assert set(mine) == ROW
    before = services.arena.store.counts()
    for other in ("roy", "ann"):
        with pytest.raises(AppError, match="another rater's"):
            scripts[other].predict(mine["round"], "A>B>C>D", "", "", api_name="/vote")
    assert services.arena.store.counts() == before
    scripts["rob"].predict(mine["round"], "A>B>C>D", "", "", api_name="/vote")


@pytest.mark.faults
def test_nobody_reads_the_stream_or_the_session_of_another(people):
    rob, roy = people["rob"], people["roy"]
    rob.post("/gradio_api/call/ask", json={"data": ["Hello", "x"], "session_hash": "robs"})
    event = rob.post("/gradio_api/call/ask", json={"data": ["Hello", "x"]}).json()["event_id"]
    assert roy.get(f"/gradio_api/call/ask/{event}").status_code == 404
    for path in ("/gradio_api/queue/data?session_hash=robs", "/gradio_api/heartbeat/robs"):
        assert roy.get(path).status_code == 403
    assert "complete" in rob.get(f"/gradio_api/call/ask/{event}").text


@pytest.mark.faults
def test_an_export_names_no_login_and_no_round(scripts, services):
    round_id = asked(scripts["rob"])["round"]
    scripts["rob"].predict(round_id, "A>B>C>D", "", "", api_name="/vote")
    rows = list(csv.DictReader(io.StringIO(services.arena.csv())))
    assert rows and not any(text in services.arena.csv() for text in (round_id, "user:rob", "rob"))
    assert {row["rater"].split("-")[0] for row in rows} == {"rater"}
    raters = {vote["rater"] for vote in services.arena.store.votes()}
    assert len({row["rater"] for row in rows}) == len(raters)


# without accounts


@pytest.fixture(scope="module")
def open_services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open")
    workspace = Workspace(folder / "workspace").create()
    with services_on(workspace, fake_demo(folder / "demo"), FakeClient()) as made:
        yield made


@pytest.fixture(scope="module")
def anybody(open_services):
    """A script that calls a page without accounts."""
    with served(open_services) as url:
        yield script(url)


@pytest.mark.faults(50)
@pytest.mark.parametrize("claimed", ["user:ann", "cookie:abc", "session:s", "anonymous"])
def test_without_accounts_a_script_cannot_pose_as_a_visitor_or_a_login(open_services, anybody, claimed):
    round_id = asked(anybody, claimed)["round"]
    assert open_services.arena.store.owns(f"api:{claimed}", round_id)


@pytest.mark.faults
def test_without_accounts_a_round_of_the_page_takes_no_vote_from_a_script(open_services, anybody):
    *_, view = open_services.arena.ask("Hello", "cookie:abc")
    with pytest.raises(AppError, match="another rater's"):
        anybody.predict(view.round, "A>B>C>D", "", "", api_name="/vote")
    own = asked(anybody)["round"]
    assert len(own) * 4 >= 128  # bits: knowing the id of a round permits voting on it
    assert anybody.predict(own, "A>B>C>D", "", "", api_name="/vote")["policies"]
