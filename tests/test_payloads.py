"""No call to the page reads a file of the server or makes the server contact an address."""

import http.server
import threading
from pathlib import Path

import gradio as gr
import httpx
import pytest
from fake_policies import fake_demo
from gradio.utils import get_upload_folder
from served_page import FakeClient, served, services_on
from waiting import NEVER

from data.workspace import Workspace
from ui import page
from ui.payloads import file_references, is_local_path

SECRET = b"a secret that must stay where it is"


@pytest.fixture(scope="module", autouse=True)
def upload_folder(tmp_path_factory):
    """An empty upload folder for this module, so that it holds no file of another test run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("payloads")
    workspace = Workspace(folder / "workspace").create()
    with services_on(workspace, fake_demo(folder / "demo"), FakeClient()) as made:
        yield made


@pytest.fixture(scope="module")
def address(services):
    with served(services) as url:
        yield url


@pytest.fixture(scope="module")
def outside():
    """A web server that must never receive a request, and the list of paths that were requested."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SECRET)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def reference(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def copies_of(name):
    return [found for found in Path(get_upload_folder()).rglob(name) if found.is_file()]


def attacks_on(secret, url):
    return [
        reference(secret),
        [{"deep": [reference(secret)]}],
        reference(f"{url}/{secret.name}"),
        {"url": f"{url}/{secret.name}", **reference("")},
    ]


@pytest.mark.faults(49)
def test_every_input_of_every_endpoint_refuses_a_file_of_the_server_or_an_address(services, tmp_path):
    """A file component passes a local path to Gradio, which then checks whether the file was uploaded."""
    built = page.build(services, "en")
    secret = tmp_path / "payload-secret.txt"
    tried = 0
    for fn in built.fns.values():
        for slot, component in enumerate(fn.inputs):
            for attack in attacks_on(secret, "http://127.0.0.1:9"):
                data = [None] * len(fn.inputs)
                data[slot] = attack
                if isinstance(component, gr.File) and "http" not in str(attack):
                    assert built.has_launched
                    continue
                with pytest.raises(gr.Error, match=f"Input {slot} must not"):
                    built.validate_inputs(fn, data)
                tried += 1
    assert tried > 1000


@pytest.mark.faults(49)
@pytest.mark.parametrize(
    "every_slot", [False, pytest.param(True, marks=[pytest.mark.slow, pytest.mark.faults])]
)
def test_no_call_copies_a_file_of_the_server(services, address, tmp_path, outside, every_slot):
    """Over HTTP: one input of each endpoint and all file inputs, or (slow) every input with every attack."""
    secret = services.workspace.root / "payload-secret.txt"
    secret.write_bytes(SECRET)
    url, asked = outside
    attacks = attacks_on(secret, url)
    with httpx.Client(base_url=address, timeout=NEVER) as http_client:
        for index, fn in page.build(services, "en").fns.items():
            for slot, component in enumerate(fn.inputs):
                if not every_slot and slot != index % len(fn.inputs) and not isinstance(component, gr.File):
                    continue
                for attack in attacks if every_slot or isinstance(component, gr.File) else attacks[:1]:
                    data = [None] * len(fn.inputs)
                    data[slot] = attack
                    answer = http_client.post(
                        "/gradio_api/run/predict",
                        json={"data": data, "fn_index": index, "session_hash": "attacker"},
                    )
                    assert answer.status_code >= 400, f"endpoint {index}, input {slot}: {answer.text[:200]}"
                    assert SECRET.decode() not in answer.text
    assert copies_of(secret.name) == []
    assert asked == []


def test_no_named_endpoint_takes_a_file_through_the_queue(address, tmp_path):
    secret = tmp_path / "payload-queued.txt"
    secret.write_bytes(SECRET)
    for name, count in {"ask": 2, "vote": 4, "start": 3, "cancel": 1}.items():
        for slot in range(count):
            data = [""] * count
            data[slot] = reference(secret)
            url = f"{address}/gradio_api/call/{name}"
            event = httpx.post(url, json={"data": data}, timeout=NEVER).json()["event_id"]
            answer = httpx.get(f"{url}/{event}", timeout=NEVER)
            assert "event: error" in answer.text
    assert copies_of("payload-queued.txt") == []


def test_an_honest_upload_still_arrives(services, address, tmp_path):
    """The file component of the data tab accepts uploaded files and nothing else."""
    built = page.build(services, "en")
    index, fn = next((i, fn) for i, fn in built.fns.items() if any(isinstance(b, gr.File) for b in fn.inputs))
    slot = next(i for i, block in enumerate(fn.inputs) if isinstance(block, gr.File))
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "Hi?", "chosen": "Hello.", "rejected": "No."}\n')
    sent = {"files": rows.open("rb")}
    uploaded = httpx.post(f"{address}/gradio_api/upload", files=sent, timeout=NEVER).json()[0]
    data = [getattr(block, "value", None) for block in fn.inputs]
    data[slot] = [reference(uploaded)] if fn.inputs[slot].file_count != "single" else reference(uploaded)
    answer = httpx.post(
        f"{address}/gradio_api/run/predict",
        json={"data": data, "fn_index": index, "session_hash": "honest"},
        timeout=NEVER,
    )
    assert answer.status_code == 200, answer.text


def test_file_references_are_found_at_any_depth():
    assert list(file_references({"a": [{"b": {"path": "/x"}}]})) == [{"path": "/x"}]
    assert len(list(file_references([{"url": "u", "c": {"meta": {}}}]))) == 2
    assert list(file_references({"text": "path", "role": ["url"]})) == []


@pytest.mark.parametrize(
    "path", ["http://a/b", "file:///etc/passwd", "//host/share", "\\\\host\\x", "", None, 3]
)
def test_addresses_are_not_local_paths(path):
    assert not is_local_path(path)


def test_a_path_is_local():
    assert is_local_path("/tmp/gradio/ab/rows.jsonl")
