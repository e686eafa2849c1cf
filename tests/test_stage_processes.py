"""The processes of `all` and of studies: how they start. `test_everything.py` runs stages in forked ones."""

import multiprocessing

from pipeline.commands import stage_processes
from pipeline.commands.stage_processes import StageProcesses, forks


def test_a_stage_on_a_gpu_does_not_start_from_a_process_that_has_imported_bitsandbytes(
    workspace, monkeypatch
):
    # bitsandbytes starts CUDA at its import, and a forked process cannot use CUDA after that.
    monkeypatch.setattr(stage_processes, "has_gpu", lambda: True)
    processes = StageProcesses()
    process = processes.start(workspace, "sft", "tiny", "bf16", ["dataset=missing"])
    assert processes.wait([process]) == [process]
    assert (type(process).__name__, process.exitcode) == ("SpawnProcess", 2)


def test_without_a_gpu_stages_are_forked_where_the_system_can(monkeypatch):
    monkeypatch.setattr(stage_processes, "has_gpu", lambda: False)
    assert forks() == ("forkserver" in multiprocessing.get_all_start_methods())
