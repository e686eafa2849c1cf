"""Processes of the project start with the project's settings for the C library's allocator."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.runs.child import for_tensors

ROOT = Path(__file__).parents[1]


def uses(monkeypatch, percent: float) -> None:
    """Let other programs use this share of four cores."""
    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: percent)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_existing_environment_variables_are_kept(monkeypatch):
    uses(monkeypatch, 100.0)
    tunables = "glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1"
    assert for_tensors({"A": "1"}) == {"A": "1", "GLIBC_TUNABLES": tunables, "GOMP_SPINCOUNT": "500"}
    own = for_tensors({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0:glibc.malloc.arena_max=1"})
    assert own["GLIBC_TUNABLES"] == (
        "glibc.malloc.hugetlb=0:glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0"
    )
    assert for_tensors(own) == own
    for name, value in (("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7")):
        assert for_tensors({name: value}) == {name: value, "GLIBC_TUNABLES": tunables}


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
@pytest.mark.parametrize(("percent", "spins"), [(0, "20000"), (12, "20000"), (13, "500"), (100, "500")])
def test_threads_wait_actively_for_long_only_where_cores_are_free(percent, spins, monkeypatch):
    uses(monkeypatch, percent)
    assert for_tensors({})["GOMP_SPINCOUNT"] == spins


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_work_that_has_ended_does_not_count(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (100.0, 100.0, 100.0))  # of a stage before this one
    uses(monkeypatch, 0)
    assert for_tensors({})["GOMP_SPINCOUNT"] == "20000"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_a_program_restarts_itself_once_with_its_arguments_and_process_id():
    program = (
        "import os, sys; from pipeline.runs.child import start_again;"
        "print(os.getpid(), sys.argv[1:], flush=True);"
        "start_again(); print(os.environ['GLIBC_TUNABLES'])"
    )
    plain = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", program, "one", "two three"]
    done = subprocess.run(command, env=plain, cwd=ROOT, capture_output=True, text=True, check=True)
    first, again, tunables = done.stdout.splitlines()
    assert first == again and "['one', 'two three']" in first
    assert tunables == for_tensors({})["GLIBC_TUNABLES"]
