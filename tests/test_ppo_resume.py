"""A PPO run that is cancelled or killed and then resumed equals the undisturbed one bit for bit."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from little_ppo import cancel_after, rows_of, settings_of, stand
from safetensors.torch import load_file
from waiting import NEVER

from pipeline.commands import execute as stages
from pipeline.runs import checkpoints
from pipeline.runs.child import child_environment
from pipeline.runs.reader import read_run

pytestmark = pytest.mark.usefixtures("nondeterministic_after")


def compare_runs(calm, resumed):
    for name in ("metrics.jsonl", "samples.jsonl"):
        assert rows_of(calm, name) == rows_of(resumed, name)
    ours, theirs = (load_file(r.model_dir / "adapter_model.safetensors") for r in (calm, resumed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert calm.record.results == resumed.record.results


@pytest.mark.parametrize(
    "precision",
    ["bf16", pytest.param("int8", marks=pytest.mark.slow), pytest.param("int4", marks=pytest.mark.slow)],
)
def test_a_run_that_was_cancelled_and_resumed_equals_the_undisturbed_one_bit_for_bit(
    workspace, random_base, monkeypatch, precision
):
    stand(workspace, random_base, precision)
    settings = settings_of("max_steps=5", "adaptive_kl=true", "sample_steps=1", precision=precision)
    calm = stages.execute("ppo", settings, workspace)
    undo = cancel_after(monkeypatch, 3)
    stopped = stages.execute("ppo", settings, workspace)
    assert stopped.record.status == "cancelled"
    assert checkpoints.latest(stopped.checkpoints_dir)[0] == 3
    undo()
    stages.resume(workspace, stopped.id)
    resumed = stages.Run.load(workspace, stopped.id)
    assert [a.status for a in resumed.record.attempts] == ["cancelled", "done"]
    assert resumed.record.attempts[1].from_step == 3
    compare_runs(calm, resumed)


KILLED = """
import os, signal, sys
sys.path.insert(0, "tests")
from pathlib import Path
from data.workspace import Workspace
from pipeline.runs import checkpoints
from pipeline.ppo import loop as ppo
from pipeline.ppo import learner as ppo_learner
from pipeline.commands import execute as stages
from little_ppo import settings_of

updates = []
where, step, precision = sys.argv[2], int(sys.argv[3]), sys.argv[4]
if where == "before saving":
    inner = ppo.Trainer._save
    def die(self):
        if self.step >= step: os.kill(os.getpid(), signal.SIGKILL)
        inner(self)
    ppo.Trainer._save = die
elif where == "while saving":
    inner = checkpoints.seal
    def die(path, at=None):
        if at == step: os.kill(os.getpid(), signal.SIGKILL)
        inner(path, at)
    checkpoints.seal = die
else:
    inner = ppo_learner.Learner._minibatch
    def die(self, *args):
        updates.append(0)
        if len(updates) > 4 * step + 1: os.kill(os.getpid(), signal.SIGKILL)
        return inner(self, *args)
    ppo_learner.Learner._minibatch = die
settings = settings_of("max_steps=5", "sample_steps=1", precision=precision)
stages.execute("ppo", settings, Workspace(Path(sys.argv[1])))
"""


@pytest.mark.faults(1)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "step", "precision"),
    [
        ("before saving", 4, "bf16"),
        ("while saving", 4, "bf16"),
        ("while updating", 3, "bf16"),
        ("while updating", 1, "bf16"),
        ("while updating", 3, "int8"),
        ("while updating", 3, "int4"),
    ],
)
def test_a_killed_and_resumed_run_equals_the_undisturbed_one(workspace, random_base, where, step, precision):
    stand(workspace, random_base, precision)
    settings = settings_of("max_steps=5", "sample_steps=1", precision=precision)
    calm = stages.execute("ppo", settings, workspace)
    code = [sys.executable, "-c", KILLED, str(workspace.root), where, str(step), precision]
    killed = subprocess.run(code, env=child_environment(), capture_output=True, timeout=NEVER)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    (lost,) = [r for r in os.listdir(workspace.runs) if "-ppo-" in r and r != calm.id]
    assert read_run(workspace, lost).status == "lost"
    stages.resume(workspace, lost)
    compare_runs(calm, stages.Run.load(workspace, lost))
