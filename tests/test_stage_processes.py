"""The processes of `all` and of studies: how they start."""

import pytest

from pipeline.commands import stage_processes
from pipeline.commands.stage_processes import StageProcesses


@pytest.fixture
def started(workspace, monkeypatch):
    """started(gpu) starts a stage that uses models; returns the class of its process and its exit code."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def inner(gpu):
        monkeypatch.setattr(stage_processes, "has_gpu", lambda: gpu)
        processes = StageProcesses()
        process = processes.start(workspace, "sft", "tiny", "bf16", ["dataset=missing"])
        assert processes.wait([process]) == [process]
        return type(process).__name__, process.exitcode

    return inner


def test_a_stage_on_a_gpu_does_not_start_from_a_process_that_has_imported_bitsandbytes(started):
    # bitsandbytes starts CUDA at its import, and a forked process cannot use CUDA after that.
    assert started(gpu=True) == ("SpawnProcess", 2)


def test_a_stage_without_a_gpu_is_forked_where_the_system_can(started):
    name, code = started(gpu=False)
    assert name in ("ForkServerProcess", "SpawnProcess") and code == 2
    assert (name == "ForkServerProcess") == stage_processes.forks()
