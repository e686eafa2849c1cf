"""No stage, command or endpoint opens a file outside the workspace, the caches and temporary folders.

A `sitecustomize` module installs a hook on Python's audit events in every process that is started. The hook
records each file that is written outside the allowed folders, and each file that is read outside them and
outside the folders of the program and the system. It does not see libraries that open files without Python
(tokenizers, safetensors).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from little_ppo import SIZES
from little_training import easy_rows
from waiting import NEVER

from pipeline.runs.child import child_environment

pytestmark = [
    pytest.mark.faults(58),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to resolve paths"),
]
ROOT = Path(__file__).resolve().parent.parent

HOOK = """
import os, sys
LOG = os.environ["AUDIT_LOG"]
WRITE = os.environ["AUDIT_WRITE"].split(":")
READ = WRITE + os.environ["AUDIT_READ"].split(":")
BOTH = ("os.rename", "os.link", "os.symlink", "shutil.move", "shutil.copyfile")
ONE = ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.utime", "shutil.rmtree")
ONE += ("sqlite3.connect",)
busy = False

def absolute(path, folder=-1):
    if isinstance(path, int):
        path = os.readlink(f"/proc/self/fd/{path}")
    path = os.fsdecode(path)
    if path.startswith("file:"):
        path = path[5:].partition("?")[0]
    if not os.path.isabs(path) and isinstance(folder, int) and folder >= 0:
        path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    return os.path.normpath(os.path.abspath(path))

def note(how, path, allowed):
    if path.startswith("/dev/") or any(path == root or path.startswith(root + "/") for root in allowed):
        return
    handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{how} {path} by {' '.join(sys.orig_argv)[:200]}\\n".encode("utf-8", "replace"))
    os.close(handle)

def hook(event, args):
    global busy
    if busy or event not in ("open", *BOTH, *ONE):
        return
    busy = True
    try:
        if event == "open":
            path, mode, flags = args
            if isinstance(path, int) or path is None:
                return
            if not os.path.isabs(path) and sys._getframe(1).f_code.co_name == "_rmtree_safe_fd":
                return  # relative to a handle that the event does not name; shutil.rmtree named the folder
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
            note("write" if writes else "read", absolute(path), WRITE if writes else READ)
        elif event in ONE:
            folders = [part for part in args[1:] if isinstance(part, int)]
            if args[0] != ":memory:":
                note(event, absolute(args[0], folders[-1] if folders else -1), WRITE)
        elif event == "shutil.copyfile":
            note("read", absolute(args[0]), READ)
            note("write", absolute(args[1]), WRITE)
        else:
            note(event, absolute(args[0]), WRITE)
            note(event, absolute(args[1]), WRITE)
    except OSError:
        pass
    finally:
        busy = False

sys.addaudithook(hook)
"""


@pytest.fixture
def audited(tmp_path, random_base):
    """(environment of an audited process, its working folder, log of the forbidden files that it opened)."""
    for name in ("hook", "home", "here", "tmp", "cache", "given", "secrets"):
        (tmp_path / name).mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    (tmp_path / "secrets" / "outside.jsonl").write_text("a secret")
    log = tmp_path / "audit.log"
    system = [sys.prefix, sys.base_prefix, str(ROOT), "/proc", "/sys", "/etc", "/usr", "/lib", "/bin", "/opt"]
    given = [str(tmp_path / "given"), str(tmp_path / "hook"), str(random_base)]
    environment = child_environment() | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "HF_HOME": str(tmp_path / "cache" / "hf"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "AUDIT_LOG": str(log),
        "AUDIT_WRITE": ":".join(str(tmp_path / name) for name in ("workspace", "tmp", "cache")),
        "AUDIT_READ": ":".join(system + given),
    }
    environment["PYTHONPATH"] = f"{tmp_path / 'hook'}:{environment['PYTHONPATH']}"
    # torch writes its folder, made from this process's TMPDIR, into the environment.
    for name in ("GRADIO_TEMP_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        environment.pop(name, None)
    return environment, tmp_path / "here", log


def what_was_seen(log):
    return sorted(set(log.read_text().splitlines())) if log.exists() else []


def test_the_hook_records_forbidden_files(audited, tmp_path):
    """Without a working hook the tests below could not fail."""
    environment, here, log = audited
    outside = tmp_path / "secrets" / "outside.jsonl"
    code = f"import os; open({str(outside)!r}).read(); open('new', 'w').close(); os.rename('new', 'other')"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=here, check=True)
    assert [line.split(" by ")[0] for line in what_was_seen(log)] == [
        f"os.rename {here}/new",
        f"os.rename {here}/other",
        f"read {outside}",
        f"write {here}/new",
    ]


def test_no_stage_and_no_command_opens_anything_else(audited, tmp_path, random_base):
    environment, here, log = audited
    source = tmp_path / "given" / "pairs.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in easy_rows(40)))
    workspace = ["--workspace", str(tmp_path / "workspace")]
    few = ["max_steps=2", "batch_size=4", "micro_batch_size=2", "max_length=40", "save_steps=1"]
    settings = [f"source={source}", f"sft.base_model={random_base}", "sft.lora_rank=4", "sft.lora_alpha=8"]
    settings += [f"{stage}.{setting}" for stage in ("sft", "reward") for setting in few]
    settings += [f"ppo.{setting}" for setting in (*SIZES, "max_steps=2", "safety_steps=1")]
    settings += ["evaluate.eval_prompts=2", "evaluate.safety_prompts=2"]
    settings += ["evaluate.max_length=40", "evaluate.response_length=6"]

    def run(*words, code=0):
        ended = subprocess.run(
            [sys.executable, "-m", "pipeline", *words, *workspace],
            env=environment, cwd=here, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr[-2000:]
        return ended.stdout

    run("all", "--precision", "int8", "--jobs", "1", "--set", *settings)
    lines = run("status").splitlines()
    assert [line.split()[1] for line in lines] == ["done"] * 5
    sft = next(line.split()[0] for line in lines if "-sft-" in line)
    run("estimate", "reward")
    run("export", sft, "--to", str(tmp_path / "workspace" / "exported"))
    run("verify")
    for name in ("../../out", "a/b", str(tmp_path / "secrets" / "out")):
        run("ppo", "--set", f"name={name}", code=2)
        run("prepare", "--set", f"source={source}", f"name={name}", code=2)
        run("sft", "--set", f"dataset={name}", code=2)
        run("export", name, "--to", str(tmp_path / "workspace" / "x"), code=2)
        run("delete", name, "--yes", code=2)
    assert what_was_seen(log) == []
    assert list(here.iterdir()) == [] and len(list((tmp_path / "secrets").iterdir())) == 1


def test_no_endpoint_of_the_page_opens_anything_else(audited, tmp_path):
    environment, here, log = audited
    command = [
        sys.executable,
        str(ROOT / "app.py"),
        "--port",
        "0",
        "--workspace",
        str(tmp_path / "workspace"),
    ]
    secret = str(tmp_path / "secrets" / "outside.jsonl")
    called = 0
    with subprocess.Popen(command, env=environment, cwd=here, stdout=subprocess.PIPE, text=True) as app:
        try:
            address = next(word for word in app.stdout.readline().split() if word.startswith("http"))
            with httpx.Client(base_url=address, timeout=NEVER) as client:
                functions = client.get("/gradio_api/info").json()["named_endpoints"]
                for name, facts in functions.items():
                    count = len(facts["parameters"])
                    for hostile in (secret, "../../secrets/outside.jsonl", "..", "a/b", "\0"):
                        answer = client.post(f"/gradio_api/call{name}", json={"data": [hostile] * count})
                        if answer.status_code == 200:
                            client.get(f"/gradio_api/call{name}/{answer.json()['event_id']}")
                        called += 1
                for function in client.get("/config").json()["dependencies"]:
                    for hostile in (secret, "../../secrets/outside.jsonl"):
                        data = [hostile] * len(function["inputs"])
                        request = {"data": data, "fn_index": function["id"], "session_hash": "audit"}
                        client.post("/gradio_api/run/predict", json=request)
                        called += 1
        finally:
            app.terminate()
    assert called > 60
    assert what_was_seen(log) == []
    assert list(here.iterdir()) == [] and os.listdir(tmp_path / "secrets") == ["outside.jsonl"]
