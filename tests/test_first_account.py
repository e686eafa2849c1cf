"""The first account is made while the app runs: from then on all log in, and nothing opens the page again."""

import httpx
import pytest
from argon2 import PasswordHasher
from fake_policies import fake_demo
from served_page import FakeClient, served, services_on

from data.accounts import Accounts
from data.logins import Logins
from ui.access import Access

PATIENCE = 120.0  # seconds; the machine may be busy with other things
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "typed or piped"


@pytest.fixture
def accounts(workspace):
    """As another process has them: `app.py --add-user`."""
    return Accounts(workspace.accounts, CHEAP)


@pytest.fixture
def address(workspace, tmp_path):
    mine = Accounts(workspace.accounts, CHEAP)
    access = Access(mine, Logins(workspace.logins, mine))
    with (
        services_on(workspace, fake_demo(tmp_path / "demo"), FakeClient(), access) as services,
        served(services) as url,
    ):
        yield url


def asked(client):
    """The status of a call of the arena, through the queue and to its end."""
    answer = client.post("/gradio_api/call/ask", json={"data": ["Hello", "me"]})
    if answer.status_code == 200:
        told = client.get(f"/gradio_api/call/ask/{answer.json()['event_id']}").text
        assert "event: complete" in told, told
    return answer.status_code


@pytest.mark.faults(51)
def test_the_first_account_holds_at_once_and_its_removal_opens_nothing(address, accounts):
    with httpx.Client(base_url=address, timeout=PATIENCE) as anybody:
        assert (anybody.get("/").status_code, asked(anybody)) == (200, 200)
        accounts.add("ann", PASSWORD, "admin")
        assert (anybody.get("/config").status_code, asked(anybody)) == (401, 401)
        with httpx.Client(base_url=address, timeout=PATIENCE) as ann:
            assert ann.post("/login", data={"username": "ann", "password": "wrong one"}).status_code == 401
            ann.post("/login", data={"username": "ann", "password": PASSWORD}).raise_for_status()
            assert (ann.get("/").status_code, asked(ann)) == (200, 200)
            accounts.remove("ann")
            assert [client.get("/config").status_code for client in (ann, anybody)] == [401, 401]
