"""After kill -9 of a real process at a drawn step, the resumed run equals the undisturbed one exactly."""

import json
import multiprocessing
import random
import shutil
import signal
import sys
import time
from dataclasses import replace

import pytest
from little_ppo import SIZES, stand
from little_training import lines, run_stage, write_dataset
from waiting import NEVER, eventually

from pipeline.commands import cli
from pipeline.commands import execute as stages
from pipeline.commands.stage_processes import forks
from pipeline.runs.reader import list_runs, read_run
from pipeline.runs.record import Run
from pipeline.settings.layers import build

pytestmark = pytest.mark.usefixtures("nondeterministic_after")
STEPS = 8
TRAINING = (
    f"max_steps={STEPS}", "batch_size=8", "micro_batch_size=4", "eval_steps=3", "save_steps=3",
    "learning_rate=0.01", "max_length=96", "lora_dropout=0.1", "early_stopping_patience=5", "dataset=little",
)  # fmt: skip
OVERRIDES = {
    "sft": (*TRAINING, "lora_rank=4", "lora_alpha=8"),
    "reward": TRAINING,
    "ppo": (*SIZES, f"max_steps={STEPS}", "save_steps=3", "sample_steps=1", "adaptive_kl=true",
            "safety_steps=4", "dataset=small"),
}  # fmt: skip
QUICK = {("sft", "bf16"), ("reward", "int4"), ("ppo", "int8")}


def arms():
    for stage in OVERRIDES:
        for precision in ("bf16", "int8", "int4"):
            marks = () if (stage, precision) in QUICK else (pytest.mark.slow, pytest.mark.faults)
            yield pytest.param(stage, precision, marks=marks)


def in_its_own_process(arguments, last, errors):
    """Run a command line up to the metrics of step `last`, and wait there to be killed."""
    log = Run.log

    def log_and_wait(run, row):
        log(run, row)
        if row["step"] >= last:
            time.sleep(NEVER)

    Run.log = log_and_wait
    with open(errors, "w") as sys.stderr:
        sys.exit(cli.main(arguments))


@pytest.fixture
def killed_at(tmp_path):
    """killed_at(3, "sft", "--workspace", ...) runs a stage in a process that SIGKILL ends once it has made 3
    steps. It starts as the stages of `all` do."""
    context = multiprocessing.get_context("forkserver" if forks() else "spawn")
    if forks():
        context.set_forkserver_preload(["pipeline.commands.preload"])

    def inner(step, stage, *arguments, workspace):
        known, errors = set(workspace.runs.iterdir()), tmp_path / "errors"
        command = [stage, "--workspace", str(workspace.root), *arguments]
        process = context.Process(target=in_its_own_process, args=(command, step, errors))
        process.start()

        def has_come_there():
            assert process.is_alive(), errors.read_text()
            rows = [row for run in set(workspace.runs.iterdir()) - known for row in metrics_of(run)]
            return rows and rows[-1]["step"] >= step

        try:
            eventually(has_come_there)
        finally:
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL

    return inner


def metrics_of(folder):
    """The whole rows of a run's metrics, while they are written."""
    path = folder / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.faults(1)
@pytest.mark.parametrize(("stage", "precision"), list(arms()))
def test_a_killed_run_resumes_as_if_nothing_had_happened(
    workspace, random_base, monkeypatch, killed_at, stage, precision
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # with so little work, further threads only wait
    stand(workspace, random_base, precision)
    write_dataset(workspace)
    overrides = [*OVERRIDES[stage], f"base_model={random_base}"]
    settings = build(stage, "tiny", precision=precision, overrides=overrides)
    calm = stages.execute(stage, settings, workspace)

    step = random.Random(f"4{stage} {precision}").randint(1, STEPS - 2)
    killed_at(step, stage, "--precision", precision, "--set", *overrides, workspace=workspace)
    killed = list_runs(workspace)[0].id
    assert read_run(workspace, killed).status == "lost"

    stages.resume(workspace, killed)
    resumed = Run.load(workspace, killed)
    where = f"killed at step {step}, went on from {resumed.record.attempts[1].from_step}"
    assert [attempt.status for attempt in resumed.record.attempts] == ["lost", "done"]
    for name in ("metrics.jsonl", "samples.jsonl"):
        assert lines(resumed, name) == lines(calm, name), where
    files = sorted(path.name for path in calm.model_dir.glob("*.safetensors"))
    assert files and ("head.safetensors" in files) == (stage == "reward")
    for name in files:
        assert (resumed.model_dir / name).read_bytes() == (calm.model_dir / name).read_bytes(), where
    assert resumed.record.results == calm.record.results, where


@pytest.mark.faults(54)
@pytest.mark.parametrize("eval_steps", [2, 3])  # 2: the last step has an evaluation; 3: the stage adds one
@pytest.mark.parametrize("stage", ["sft", "reward", "ppo"])
def test_a_run_killed_after_its_last_checkpoint_ends_as_if_nothing_had_happened(
    workspace, random_base, stage, eval_steps
):
    """A kill after every file was written and a kill before the model was: neither case trains again."""
    parents = stand(workspace, random_base)
    write_dataset(workspace)
    if stage == "ppo":
        overrides = [*SIZES, "max_steps=2", f"sample_steps={eval_steps}", "dataset=small"]
        calm = stages.execute("ppo", build("ppo", "tiny", overrides=overrides), workspace)
    else:
        more = {"sft_run": parents["sft"]} if stage == "reward" else {}
        calm = run_stage(workspace, stage, random_base, eval_steps=eval_steps, **more)
    results, events = calm.record.results, calm.record.events
    rows = {name: lines(calm, name) for name in ("metrics.jsonl", "samples.jsonl")}
    weights = (calm.model_dir / "adapter_model.safetensors").read_bytes()
    assert stage == "ppo" or results["eval_loss"] is not None

    for model_was_saved in (True, False):
        if not model_was_saved:
            shutil.rmtree(calm.model_dir)
        run = Run.load(workspace, calm.id)
        killed = replace(run.record.attempts[-1], status="running", ended=None, pid=None)
        run.record = replace(
            run.record, status="running", results={}, attempts=(*run.record.attempts[:-1], killed)
        )
        run.write()
        again = stages.resume(workspace, calm.id)
        assert again.record.results == results
        assert again.record.events == events
        assert {name: lines(again, name) for name in rows} == rows
        assert (again.model_dir / "adapter_model.safetensors").read_bytes() == weights
