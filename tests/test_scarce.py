"""File handles, address space and room on the disk that run out for real, not by an injected error."""

import contextlib
import json
import os
import resource
import subprocess
import sys

import pytest
from little_ppo import SIZES, stand
from little_training import write_dataset
from test_full_disk import disk, fill  # noqa: F401  # a fixture
from test_votes import answer, ask
from waiting import eventually

from data.errors import Code, UserError
from data.files import write_json
from data.votes import VoteStore
from data.workspace import Workspace
from pipeline.commands import execute as stages
from pipeline.runs.child import child_environment
from pipeline.runs.reader import list_runs
from pipeline.runs.record import Run
from pipeline.settings.layers import build

# File handles


@contextlib.contextmanager
def no_handle_left():
    """Open files until the system refuses one more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    held = []
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for handle in held:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.faults(62)
def test_without_a_file_handle_no_record_is_touched_and_the_list_comes_back(workspace):
    made = [Run.create(workspace, "prepare", build("prepare")) for _ in range(3)]
    before = {run.id: (run.folder / "run.json").read_bytes() for run in made}
    with no_handle_left(), pytest.raises(UserError, match="cannot be listed now: Too many open files"):
        list_runs(workspace)
    assert {run.id: (run.folder / "run.json").read_bytes() for run in made} == before
    assert [record.status for record in list_runs(workspace)] == ["queued"] * 3


@pytest.mark.faults(62)
def test_without_a_file_handle_a_vote_is_refused_and_not_half_stored(tmp_path):
    store = VoteStore(tmp_path / "arena.sqlite")
    new = answer(store, ask(store))
    with no_handle_left(), pytest.raises(UserError, match="nothing was stored"):
        store.vote(new.id, "A>B>C>D", vote_id="v1")
    assert store.votes() == []
    store.vote(new.id, "A>B>C>D", vote_id="v1")
    assert [vote["vote"] for vote in store.votes()] == ["v1"]
    store.close()


@pytest.mark.faults(62)
def test_without_a_file_handle_a_record_stays_the_old_one(workspace):
    run = Run.create(workspace, "prepare", build("prepare"))
    before = (run.folder / "run.json").read_bytes()
    with no_handle_left(), pytest.raises(OSError):
        write_json(run.folder / "run.json", {"half": "written"})
    assert (run.folder / "run.json").read_bytes() == before
    assert [path.name for path in run.folder.glob(".*.tmp")] == []


# Memory

SQUEEZED = """
import json, resource, sys
import psutil
from data.errors import UserError
from data.workspace import Workspace
from pipeline.commands import execute, preload
from pipeline.runs.reader import list_runs
from pipeline.settings.layers import build
root, stage, overrides, extra = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
workspace = Workspace(root)
known = {record.id for record in list_runs(workspace)}
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + extra * 2**20, hard))
told = ""
try:
    execute.execute(stage, build(stage, "tiny", overrides=overrides), workspace)
except UserError as error:
    told = error.code
except BaseException as error:
    told = f"{type(error).__name__}: {error}"
finally:
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
ended = [[r.status, r.error_code, r.error] for r in list_runs(workspace) if r.id not in known]
print("ENDED", json.dumps([extra, told, ended]), flush=True)
"""
LARGE = ("batch_size=64", "micro_batch_size=64", "max_steps=2", "dataset=little")
STAGES = {
    "sft": (*LARGE, "lora_rank=4", "lora_alpha=8"),
    "reward": LARGE,
    "ppo": (*SIZES, "batch_size=64", "micro_batch_size=64", "max_steps=1", "dataset=small"),
}


@pytest.mark.slow
@pytest.mark.faults(64)
@pytest.mark.parametrize("stage", list(STAGES))
def test_wherever_memory_is_squeezed_a_training_ends_in_plain_words_or_well(workspace, random_base, stage):
    """The address space is limited (as `prlimit --as` does) to a little more than the process has."""
    stand(workspace, random_base)
    write_dataset(workspace, train=128)
    overrides = [*STAGES[stage], f"base_model={random_base}"]
    rows = []
    for extra in (1, 4, 12, 24, 48, 96):
        # A process per training, as in the app: what a lack of memory breaks ends with it.
        done = subprocess.run(
            [sys.executable, "-c", SQUEEZED, str(workspace.root), stage, json.dumps(overrides), str(extra)],
            env=child_environment() | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        )  # fmt: skip
        told = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("ENDED ")]
        assert done.returncode == 0 and len(told) == 1, (extra, done.stdout[-3000:] + done.stderr[-3000:])
        rows += told
    told = [code for _, code, _ in rows]
    assert set(told) <= {"", Code.OUT_OF_MEMORY}, rows
    assert Code.OUT_OF_MEMORY in told, f"none of these was short of memory: {rows}"
    for _, code, ended in rows:
        for status, error_code, _ in ended:
            assert (status, error_code) == (("failed", Code.OUT_OF_MEMORY) if code else ("done", None)), rows


# Disk


@pytest.mark.slow
@pytest.mark.faults(63)
def test_the_app_starts_on_a_full_disk_and_says_so(disk):  # noqa: F811
    workspace = Workspace(disk / "workspace").create()
    VoteStore(workspace.votes_db).close()
    stages.execute("prepare", build("prepare", overrides=["max_rows=20"]), workspace)
    fill(disk)
    from benchmarks.served_app import ServedApp

    app = ServedApp(workspace.root, disk.parent / "app.log")
    app.start(patience=300)
    try:
        eventually(app.answers)
        import httpx

        runs = httpx.post(f"{app.address}/gradio_api/call/runs", json={"data": []}, timeout=120).json()
        told = httpx.get(f"{app.address}/gradio_api/call/runs/{runs['event_id']}", timeout=120).text
        assert "event: complete" in told and "prepare" in told
    finally:
        app.stop()
