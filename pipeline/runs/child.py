"""The environment in which the project starts processes: the package on the path, and settings for tensors.

glibc reads two `GLIBC_TUNABLES` settings once, before a program begins (other C libraries ignore them):
- No per-thread cache of small blocks. A tensor starts at a multiple of 64 bytes, and the small remainders
  before and after it go to that cache. While they are there, the gap of a freed tensor is slightly too small
  for a tensor of the same size.
- Large pages, if the system has them: memory is allocated and mapped 2 MB at a time.
`models.fast.heap` has the settings that can change while the program runs.

OpenMP reads `GOMP_SPINCOUNT` at its start as well. A thread that has finished its share of an operation first
waits actively for the others, by default for many milliseconds. If another program occupies one of the cores,
the waiting thread keeps the other core busy while the one that it waits for has none. With a short active
wait, hardly longer than the pause between two operations, the waiting thread gives its core away; on idle
cores this costs a sixth to a third of the speed. What other programs use in the moments before the start
therefore decides. (The load of the last minute would count the stage that has just ended.)
`python -m benchmarks.waiting` measures one operation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

_TUNABLES = "GLIBC_TUNABLES"
_SETTINGS = {"glibc.malloc.tcache_count": 0, "glibc.malloc.hugetlb": 1}
_WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
SPINS = 20_000  # rounds of active waiting, about a millisecond
SPINS_BESIDE_OTHERS = 500  # some tens of microseconds
SAMPLE = 0.1  # seconds for which the use of the cores is watched
BUSY = 0.5  # cores in use from which on a thread would have to wait for a core


def child_environment() -> dict[str, str]:
    """This environment with the project on PYTHONPATH, unbuffered output and the settings for tensors."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root] + [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return for_tensors(os.environ) | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
    }


def for_tensors(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with the settings of this module; values that it sets itself are kept."""
    tunables = environment.get(_TUNABLES, "").split(":")
    named = {tunable.partition("=")[0] for tunable in tunables}
    added = [f"{name}={value}" for name, value in _SETTINGS.items() if name not in named]
    if sys.platform != "linux":
        return dict(environment)
    spins = {} if _WAITING & environment.keys() else {"GOMP_SPINCOUNT": str(_spins())}
    return {**environment, **spins, _TUNABLES: ":".join(filter(None, (*tunables, *added)))}


def _spins() -> int:
    in_use = psutil.cpu_percent(interval=SAMPLE) / 100 * (psutil.cpu_count() or 1)  # this program is asleep
    return SPINS_BESIDE_OTHERS if in_use >= BUSY else SPINS


def start_again() -> None:
    """Restart this program, as the same process, if it was started without the settings for tensors.

    It has to be called before anything else, and does not return if it restarts. Raises OSError if the system
    refuses.
    """
    wanted = for_tensors(os.environ)
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)
