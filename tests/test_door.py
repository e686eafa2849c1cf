"""`app.py` from outside: accounts through its command line, invalid flags, and environment variables."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from waiting import NEVER

import app
from data.accounts import Accounts
from data.errors import UserError
from data.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "typed or piped, never an argument"


def run_app(workspace, *flags, typed=""):
    command = [sys.executable, "app.py", "--workspace", str(workspace), *flags]
    return subprocess.run(command, cwd=ROOT, input=typed, capture_output=True, text=True, timeout=NEVER)


# accounts


@pytest.mark.faults(51)
def test_accounts_are_made_with_a_password_from_stdin(tmp_path):
    """The first account is an admin, so that somebody can train; later accounts are raters."""
    for name, more in (("ann", []), ("rob", []), ("eve", ["--role", "admin"])):
        ended = run_app(tmp_path, "--add-user", name, *more, typed=PASSWORD + "\n")
        assert ended.returncode == 0 and PASSWORD not in ended.stdout + ended.stderr
    accounts = Accounts(tmp_path / "accounts.json")
    assert {name: one.role for name, one in accounts.all().items()} == {
        "ann": "admin",
        "rob": "rater",
        "eve": "admin",
    }
    assert accounts.check("rob", PASSWORD)
    assert run_app(tmp_path, "--remove-user", "rob").returncode == 0
    assert set(Accounts(tmp_path / "accounts.json").all()) == {"ann", "eve"}


def test_a_new_password_keeps_the_role(tmp_path):
    options = app.flags(["--workspace", str(tmp_path), "--add-user", "ann"])
    accounts = Accounts(tmp_path / "accounts.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "new_password", lambda name: PASSWORD)
        app.change_accounts(options)
        accounts.add("ann", "an older password", "rater")
        app.change_accounts(options)
    assert accounts.find("ann").role == "rater"


@pytest.mark.parametrize("typed", ["", "short\n"])
def test_an_unusable_password_creates_no_account(tmp_path, typed):
    ended = run_app(tmp_path, "--add-user", "ann", typed=typed)
    assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (2, 1)
    assert not (tmp_path / "accounts.json").exists()


def test_two_passwords_that_differ_change_nothing(monkeypatch):
    typed = iter(["one password", "another password"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(app.getpass, "getpass", lambda prompt: next(typed))
    with pytest.raises(UserError, match="differ"):
        app.new_password("ann")


# flags


@pytest.mark.faults(51)
def test_a_password_on_the_command_line_is_refused_with_the_correct_way(tmp_path):
    ended = run_app(tmp_path, "--auth", "ann:secret")
    assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (2, 1)
    assert "--add-user" in ended.stderr


@pytest.mark.parametrize(
    "flags, has_accounts, word",
    [
        (["--host", "0.0.0.0"], False, "--add-user"),
        (["--host", "::"], False, "--add-user"),
        (["--certfile", "cert.pem"], True, "must be given together"),
        (["--keyfile", "key.pem"], True, "must be given together"),
        (["--proxy", "*"], True, "IP address"),
        (["--proxy", "10.0.0.1", "--proxy", "proxy.example"], True, "IP address"),
    ],
)
def test_invalid_flags_are_refused_with_advice(flags, has_accounts, word):
    with pytest.raises(UserError, match=word):
        app.check(app.flags(flags), has_accounts)


def test_valid_flags_pass():
    app.check(app.flags(["--host", "0.0.0.0", "--proxy", "10.0.0.1", "--proxy", "::1"]), True)
    app.check(app.flags([]), False)


def test_an_empty_file_of_accounts_counts_as_no_account(tmp_path):
    """It must not open an address to others: `app.check` looks again after reading the file."""
    (tmp_path / "accounts.json").write_text('{"accounts": []}')
    assert not app.access_of(Workspace(tmp_path)).asks


# the environment

HOSTILE = {
    "GRADIO_ROOT_PATH": "http://evil.example",
    "GRADIO_ALLOWED_PATHS": "/",
    "GRADIO_BLOCKED_PATHS": "",
    "GRADIO_SHARE": "True",
    "GRADIO_MCP_SERVER": "True",
    "GRADIO_RUN_HISTORY": "True",
    "GRADIO_PROFILING": "1",
    "GRADIO_ANALYTICS_ENABLED": "True",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_SERVER_PORT": "1",
    "GRADIO_DEFAULT_CONCURRENCY_LIMIT": "none",
    "GRADIO_NUM_WORKERS": "4",
    "gradio_watch_dirs": "/tmp",
    "FORWARDED_ALLOW_IPS": "*",
}


def test_every_variable_of_gradio_is_removed(monkeypatch):
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    app.clean_environment()
    left = {name: os.environ[name] for name in os.environ if name.upper().startswith("GRADIO_")}
    assert left == {"GRADIO_ANALYTICS_ENABLED": "False"}


@pytest.mark.faults(51)
def test_no_environment_variable_changes_address_or_folders(tmp_path):
    elsewhere, secret = tmp_path / "elsewhere", tmp_path / "secret.txt"
    secret.write_text("stays where it is")
    environment = {**os.environ, **HOSTILE, "GRADIO_TEMP_DIR": str(elsewhere)}
    command = [sys.executable, "app.py", "--workspace", str(tmp_path / "workspace"), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as started:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+", started.stdout.readline())[0]
            with httpx.Client(base_url=address, timeout=NEVER) as client:
                claimed = {"x-forwarded-host": "evil.example", "x-forwarded-for": "10.1.1.1"}
                for path in ("/", "/config", "/gradio_api/info"):
                    answer = client.get(path, headers=claimed)
                    assert answer.status_code == 200 and "evil.example" not in answer.text
                config = client.get("/config").json()
                assert (config["root"], config["analytics_enabled"]) == (address, False)
                uploaded = client.post("/gradio_api/upload", files={"files": ("rows.jsonl", b"{}")}).json()[0]
                assert not elsewhere.exists() and Path(uploaded).is_file()
                assert client.get(f"/gradio_api/file={secret}").status_code == 403
                assert client.get("/gradio_api/mcp/sse").status_code == 404
        finally:
            started.terminate()
            started.wait(timeout=NEVER)
    assert not Path(uploaded).exists()
