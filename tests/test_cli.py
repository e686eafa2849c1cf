"""The command line as a user sees it: real processes, exit codes, and the text on stdout and stderr."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import NEVER, eventually

from pipeline.runs.reader import list_runs, read_run

ROOT = Path(__file__).resolve().parent.parent
SMALL = ("--set", "train_rows=40", "validation_rows=10", "test_rows=10")


@pytest.fixture
def cli(workspace, tmp_path):
    """cli("status") runs the command in an empty folder, as a user who installed the project would."""

    def inner(*words, expect=0):
        result = subprocess.run(
            [sys.executable, "-m", "pipeline", *words, "--workspace", str(workspace.root)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            timeout=NEVER,
        )
        assert result.returncode == expect, result.stderr + result.stdout
        return result

    return inner


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT)}


def one_line(result):
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    return lines[0]


def test_a_stage_prints_the_path_of_its_record_last_and_exits_0(cli, workspace):
    result = cli("prepare", *SMALL, "--set", "name=mine")
    path = Path(result.stdout.splitlines()[-1])
    record = json.loads(path.read_text())
    assert path.is_absolute() and record["status"] == "done"
    assert record["results"]["dataset"] == "mine" and record["config"]["train_rows"] == 40
    assert (workspace.dataset("mine") / "train_prefs.jsonl").is_file()
    assert "done" in cli("status").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "invalid choice"),
        (["prepare", "--set", "nonsense=1"], "no setting 'nonsense'"),
        (["prepare", "--set", "train_rows=-1"], "greater than or equal to 1"),
        (["prepare", "--preset", "huge"], "invalid choice"),
        (["prepare", "--config", "absent.yaml"], "no such config file"),
        (["prepare", "--set", "name=../x"], "not allowed"),
        (["sft"], "run `prepare`"),
        (["resume", "20260101T000000Z-sft-bf16-0000"], "no such run"),
        (["cancel", "../../etc"], "not allowed"),
        (["all", "--set", "pqo.max_steps=1"], "not a stage of `all`"),
        (["all", "--set", "reward.nonsense=1"], "no setting 'nonsense'"),
        (["all", "--seeds", "0"], "must be 1 or more"),
        (["export", "20260101T000000Z-sft-bf16-0000", "--to", "x"], "no such run"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_2(cli, words, said):
    assert said in one_line(cli(*words, expect=2))


def test_a_malformed_file_is_refused_with_its_line_and_leaves_no_data_set(cli, workspace, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n{"prompt": "a"}\n')
    result = cli("prepare", "--set", "source=rows.jsonl", expect=2)
    assert f"{rows}, line 2" in one_line(result)
    assert list(workspace.datasets.iterdir()) == []
    assert json.loads(Path(result.stdout.splitlines()[-1]).read_text())["status"] == "failed"


@pytest.mark.faults(12)
def test_a_workspace_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "prepare", "--workspace", str(tmp_path / "file")],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert result.returncode == 2 and "cannot be written to" in one_line(result)


def test_a_bug_shows_its_traceback_on_stderr_and_in_the_log_and_exits_1(workspace):
    code = (
        "import sys, pipeline.commands.execute as stages, pipeline.commands.cli as cli\n"
        "def broken(*_): raise ZeroDivisionError('a bug')\n"
        "stages._call = broken\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "prepare", "--workspace", str(workspace.root)],
        capture_output=True,
        text=True,
        env=environment(),
    )
    (record,) = list_runs(workspace)
    assert result.returncode == 1 and "Traceback" in result.stderr and "a bug" in result.stderr
    assert result.stdout.splitlines()[-1] == str(workspace.run(record.id) / "run.json")
    log = (workspace.run(record.id) / "log.txt").read_text()
    assert log.count("ZeroDivisionError: a bug") == 1
    assert record.status == "failed"


SLOW_STAGE = """
import sys, time, pipeline.commands.execute as stages, pipeline.commands.cli as cli
from pipeline.runs.record import Cancelled
def slow(stage, settings, run, workspace):
    run.set_total(15_000)  # five minutes: nothing that a test waits for takes so long
    for step in range(1, 15_001):
        run.log({"step": step, "loss": 1.0})
        time.sleep(0.02)
        if run.should_stop():
            raise Cancelled
stages._call = slow
sys.exit(cli.main(sys.argv[1:]))
"""


def slow_stage(workspace, **options):
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_STAGE, "prepare", "--workspace", str(workspace.root), *SMALL],
        env=environment(),
        **options,
    )

    def has_made_steps():
        assert child.poll() is None, "the stage ended by itself"
        return any(run.progress and run.progress.step > 1 for run in list_runs(workspace))

    eventually(has_made_steps)
    return child, list_runs(workspace)[0].id


@pytest.mark.faults(9)
def test_cancel_from_another_shell_and_refusal_while_it_runs(cli, workspace):
    child, run_id = slow_stage(workspace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    refused = one_line(cli("prepare", *SMALL, expect=2))
    assert run_id in refused and str(child.pid) in refused
    assert "running" in cli("status").stdout
    assert "is running" in one_line(cli("resume", run_id, expect=2))
    assert "cancelled" in cli("cancel", run_id).stdout
    out, err = child.communicate(timeout=NEVER)
    assert child.returncode == 2 and "resume" in err.splitlines()[-1]
    assert out.splitlines()[-1] == str(workspace.run(run_id) / "run.json")
    assert read_run(workspace, run_id).status == "cancelled"
    assert "nothing to cancel" in one_line(cli("cancel", run_id, expect=2))


@pytest.mark.faults(2, 22)
def test_after_kill_9_the_run_is_lost_and_the_lock_is_free(cli, workspace):
    child, run_id = slow_stage(workspace)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert read_run(workspace, run_id).status == "lost"
    cli("prepare", *SMALL)
    cli("resume", run_id)
    record = read_run(workspace, run_id)
    assert [attempt.status for attempt in record.attempts] == ["lost", "done"]


def test_ctrl_c_lets_the_stage_save(workspace):
    child, run_id = slow_stage(workspace, stderr=subprocess.PIPE, text=True)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=NEVER)
    assert child.returncode == 2 and "Traceback" not in err
    assert read_run(workspace, run_id).status == "cancelled"


def test_a_terminal_gets_a_bar_with_the_time_left_and_a_file_gets_lines(workspace, tmp_path):
    main, side = pty.openpty()
    child, run_id = slow_stage(workspace, stderr=side, stdout=side)
    child.send_signal(signal.SIGTERM)
    os.close(side)
    shown = b""
    try:
        while chunk := os.read(main, 65536):
            shown += chunk
    except OSError:  # the other end of the terminal is closed
        pass
    child.wait(timeout=NEVER)
    assert b"\r" in shown and b"/15000" in shown and b" left" in shown and b"#" not in shown[:5]
    log = (workspace.run(run_id) / "log.txt").read_text()
    assert "\r" not in log and "step 1/15000" in log

    with open(tmp_path / "out", "w") as out:
        child, run_id = slow_stage(workspace, stdout=out, stderr=out)
    child.send_signal(signal.SIGTERM)
    child.wait(timeout=NEVER)
    assert "\r" not in (tmp_path / "out").read_text() and "step 1/15000" in (tmp_path / "out").read_text()


def test_the_command_line_loads_no_torch_for_what_needs_none(workspace):
    code = "import sys, pipeline.commands.cli as cli; cli.main(sys.argv[1:]); print('torch' in sys.modules)"
    for words in (["status"], ["prepare", *SMALL]):
        result = subprocess.run(
            [sys.executable, "-c", code, *words, "--workspace", str(workspace.root)],
            capture_output=True,
            text=True,
            env=environment(),
        )
        assert result.stdout.splitlines()[-1] == "False", result.stderr
