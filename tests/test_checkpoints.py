"""A checkpoint is complete or absent, whatever interrupts or damages it."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipeline.runs import checkpoints

pytestmark = pytest.mark.faults
ROOT = Path(__file__).resolve().parent.parent


def write(text="weights"):
    def inner(path):
        (path / "sub").mkdir()
        (path / "model.bin").write_bytes(text.encode() * 100)
        (path / "sub" / "state.bin").write_text(text)

    return inner


def test_latest_is_the_newest_step_and_only_two_are_kept(tmp_path):
    for step in (5, 10, 100, 20):
        saved = checkpoints.save(tmp_path, step, write())
        assert checkpoints.is_complete(saved)
    assert checkpoints.latest(tmp_path) == (20, tmp_path / "checkpoint-20")  # 100 was discarded
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-20"]


@pytest.mark.faults(23)
def test_rotation_follows_the_step_even_when_the_clock_goes_back(tmp_path):
    for step in (1, 2, 3):
        path = checkpoints.save(tmp_path, step, write())
        os.utime(path, (10**9 - step * 10**6,) * 2)
    assert checkpoints.latest(tmp_path)[0] == 3


@pytest.mark.faults(13)
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest"])
def test_a_damaged_checkpoint_is_skipped(tmp_path, damage):
    checkpoints.save(tmp_path, 1, write())
    path = checkpoints.save(tmp_path, 2, write())
    victim = path / "model.bin"
    content = bytearray(victim.read_bytes())
    if damage == "truncate":
        victim.write_bytes(content[:-1])
    elif damage == "flip":
        content[50] ^= 1
        victim.write_bytes(content)
    elif damage == "remove":
        (path / "sub" / "state.bin").unlink()
    else:
        (path / checkpoints.MANIFEST).write_text('{"files"')
    assert not checkpoints.is_complete(path)
    assert checkpoints.broken(tmp_path) == [path]
    assert checkpoints.latest(tmp_path) == (1, tmp_path / "checkpoint-1")


@pytest.mark.faults(10)
def test_a_failed_save_leaves_the_earlier_one_and_nothing_else(tmp_path):
    checkpoints.save(tmp_path, 1, write())

    def full_disk(path):
        (path / "model.bin").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(tmp_path, 2, full_disk)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    assert checkpoints.latest(tmp_path)[0] == 1


@pytest.mark.faults(1)
def test_kill_9_in_the_middle_of_a_save_leaves_the_earlier_one(tmp_path):
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
            import sys, time
            from pathlib import Path
            from pipeline.runs import checkpoints
            folder = Path(sys.argv[1])
            checkpoints.save(folder, 1, lambda path: (path / "a").write_text("one"))
            def slow(path):
                (path / "a").write_text("two")
                print("writing", flush=True)
                time.sleep(3600)
            checkpoints.save(folder, 2, slow)
        """),
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert child.stdout.readline() == b"writing\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(list(tmp_path.iterdir())) == 2  # the incomplete one is present but not used
    assert checkpoints.latest(tmp_path) == (1, tmp_path / "checkpoint-1")
    checkpoints.save(tmp_path, 2, write())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-1", "checkpoint-2"]


def test_a_folder_that_a_trainer_wrote_is_a_checkpoint_once_it_is_sealed(tmp_path):
    path = tmp_path / "checkpoint-30"
    path.mkdir()
    write()(path)
    assert checkpoints.latest(tmp_path) is None
    checkpoints.seal(path)
    assert checkpoints.latest(tmp_path) == (30, path)


def test_every_file_and_folder_is_synced_before_the_rename(tmp_path, monkeypatch):
    calls = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle):
        calls.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))))
        real_fsync(handle)

    def replace(source, target):
        calls.append(("replace", os.path.basename(target)))
        real_replace(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to name the synced files")
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    checkpoints.save(tmp_path, 1, write())
    renamed = calls.index(("replace", "checkpoint-1"))
    synced = {name for kind, name in calls[:renamed] if kind == "fsync"}
    assert {"model.bin", "state.bin", "sub"} <= synced
    assert ("fsync", tmp_path.name) in calls[renamed:]
