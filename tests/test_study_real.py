"""The mini design with real stages: it runs to its report, and kills -9 on the way change no figure."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.files import read_json
from data.workspace import Workspace
from pipeline.commands.study import folder_of
from pipeline.runs.child import child_environment
from pipeline.runs.reader import list_runs

MINI = Path(__file__).resolve().parent.parent / "studies" / "mini.yaml"
pytestmark = [pytest.mark.slow, pytest.mark.faults]


def begin(workspace, log, *more):
    """Start the study in a process group of its own."""
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "study",
        str(MINI),
        "--workspace",
        str(workspace.root),
        *more,
    ]
    return subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, env=child_environment(), start_new_session=True
    )


def figures(workspace):
    """What the report says, without the run ids and times."""
    content = read_json(workspace.study("mini") / "report.json")
    points = [{**point, "run": ""} for point in content["measured"]["points"]]
    return points, content["findings"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("calm") / "workspace")
    with open(workspace.root.parent / "log", "wb") as log:
        assert begin(workspace, log, "--jobs", "2").wait() == 0, Path(log.name).read_text()[-3000:]
    return workspace


def test_the_mini_design_runs_to_its_report(undisturbed):
    content = read_json(undisturbed.study("mini") / "report.json")
    assert content["progress"]["done"] == content["progress"]["planned"] == 25
    points = content["measured"]["points"]
    assert {point["arm"] for point in points} == {"", "bf16", "bf16-again", "int4"}
    assert all(-0.1 < point["kl"] < 10 for point in points)  # an estimate of a small KL can be negative
    assert content["findings"]["sentence"]
    page = (undisturbed.study("mini") / "report.html").read_text()
    assert page.count("<div id=") >= 1 and "https://cdn" not in page.split("</script>")[-1]


@pytest.mark.parametrize("number", range(2))
def test_kills_at_any_moment_change_no_figure(undisturbed, tmp_path, number):
    """Twice the whole group is killed, once the command alone, whose stages then go on for the next start."""
    workspace, rng = Workspace(tmp_path / "workspace"), random.Random(number)
    with open(tmp_path / "log", "wb") as log:
        for alone in (False, True, False):
            child = begin(workspace, log, "--jobs", "1")
            before = done(workspace)
            wanted = before + rng.randint(1, 4)
            while child.poll() is None and done(workspace) < wanted:
                time.sleep(0.2)
            time.sleep(rng.uniform(0, 4))
            if alone:
                child.kill()
            else:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        assert begin(workspace, log, "--jobs", "2").wait() == 0, (tmp_path / "log").read_text()[-3000:]
    assert figures(workspace) == figures(undisturbed)


def done(workspace):
    return sum(run.status == "done" for run in list_runs(folder_of(workspace, "mini")))
