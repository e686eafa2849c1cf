"""The public API serves the documented endpoints only, and no response names a policy before the vote."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_policies import fake_demo
from gradio_client import Client
from gradio_client.exceptions import AppError
from served_page import FakeClient, served, services_on
from waiting import NEVER, eventually

from data.policies import POLICIES
from data.workspace import Workspace
from pipeline.runs.reader import read_run

ROOT = Path(__file__).resolve().parent.parent
ENDPOINTS = {"/ask", "/vote", "/leaderboard", "/runs", "/start", "/cancel"}


def fake_child(workspace, run_id):
    return [sys.executable, str(ROOT / "tests" / "fake_stage.py"), str(workspace.root), run_id]


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    workspace = Workspace(folder / "workspace").create()
    demo = fake_demo(folder / "demo")
    with services_on(workspace, demo, FakeClient(), child_command=fake_child, grace=5.0) as made:
        yield made


@pytest.fixture(scope="module")
def client(services):
    with served(services) as address:
        yield Client(address, verbose=False, download_files=False, httpx_kwargs={"timeout": NEVER})


def test_the_public_endpoints_are_the_documented_ones(client):
    found = client.view_api(return_format="dict")
    assert set(found["named_endpoints"]) == ENDPOINTS
    assert not found["unnamed_endpoints"]


def test_parameters_have_the_documented_names(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    names = {path: [p["parameter_name"] for p in named[path]["parameters"]] for path in named}
    assert names["/ask"] == ["prompt", "rater"]
    assert names["/vote"] == ["round", "order", "comment", "vote_id"]
    assert names["/start"] == ["stage", "precision", "preset"]
    assert names["/cancel"] == ["run"]


def test_ask_and_vote(client):
    before = len(client.predict(api_name="/leaderboard"))
    asked = client.predict("What is the capital of France?", "ann", api_name="/ask")
    assert set(asked["answers"]) == set("ABCD")
    assert not any(name in json.dumps(asked) for name in POLICIES)
    told = client.predict(asked["round"], "B>A=D>C", "fine", "vote-1", api_name="/vote")
    assert sorted(told["policies"].values()) == sorted(POLICIES)
    again = client.predict(asked["round"], "B>A=D>C", "fine", "vote-1", api_name="/vote")
    assert again["policies"] == told["policies"]
    board = client.predict(api_name="/leaderboard")
    assert (before, len(board)) == (0, 4)
    assert board[0]["policy"] == told["policies"]["B"]


@pytest.mark.parametrize("order", ["A>B", "A>A>B>C", "E>A>B>C", ""])
def test_an_order_that_cannot_be_counted_is_refused_with_a_reason(client, order):
    asked = client.predict("Hello", "ann", api_name="/ask")
    with pytest.raises(AppError, match="order"):
        client.predict(asked["round"], order, "", "", api_name="/vote")


@pytest.mark.faults(26)
def test_an_unknown_round_and_a_prompt_that_is_too_long_are_refused(client):
    with pytest.raises(AppError, match="round"):
        client.predict("0" * 32, "A>B>C>D", "", "", api_name="/vote")
    with pytest.raises(AppError, match="too long"):
        client.predict("x" * 20_000, "ann", api_name="/ask")


def test_start_runs_and_cancel(client, services):
    run = client.predict("sft", "int8", "tiny", api_name="/start")
    eventually(lambda: read_run(services.workspace, run).status == "running")
    listed = client.predict(api_name="/runs")
    assert listed[0]["id"] == run and listed[0]["precision"] == "int8"
    assert client.predict(run, api_name="/cancel") == run
    eventually(lambda: read_run(services.workspace, run).status == "cancelled")


def test_a_wrong_setting_is_refused_with_a_reason(client):
    with pytest.raises(AppError, match="int3"):
        client.predict("sft", "int3", "tiny", api_name="/start")


def test_the_chinese_page_has_the_same_api(client):
    chinese = Client(client.src.rstrip("/") + "/zh/", verbose=False, httpx_kwargs={"timeout": NEVER})
    assert set(chinese.view_api(return_format="dict")["named_endpoints"]) == ENDPOINTS


def test_importing_app_does_nothing_and_leaves_torch_out():
    code = "import sys, app; assert 'torch' not in sys.modules and 'gradio' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_page_can_be_imported_without_torch():
    code = "import sys, ui.page, ui.server; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def run_app(*flags):
    return subprocess.run(
        [sys.executable, "app.py", *flags], cwd=ROOT, capture_output=True, text=True, timeout=NEVER
    )


@pytest.mark.faults(44)
def test_a_port_in_use_ends_with_one_line_and_exit_2(client, tmp_path):
    port = client.src.rstrip("/").rsplit(":", 1)[1]
    ended = run_app("--port", port, "--workspace", str(tmp_path))
    assert ended.returncode == 2
    assert "--port" in ended.stderr and len(ended.stderr.strip().splitlines()) == 1


def test_an_address_open_to_others_needs_a_login(tmp_path):
    ended = run_app("--host", "0.0.0.0", "--port", "0", "--workspace", str(tmp_path))
    assert ended.returncode == 2
    assert "--add-user" in ended.stderr and len(ended.stderr.strip().splitlines()) == 1
