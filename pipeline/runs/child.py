"""The environment that a process of ours starts with: the package on its path, and memory for tensors.

The C library (glibc; others do not listen) reads two wishes once, before a program begins:
- No cache of small blocks for each thread. A tensor begins at a multiple of 64 bytes, and the crumbs before
  and behind it go to that cache. While they lie there, what a freed tensor leaves is too small, by a crumb,
  for a tensor of the same size.
- Large pages, where the system has them to give: memory is handed out and looked up 2 MB at a time.
What it is told while it runs is in `models.fast.heap`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_TUNABLES = "GLIBC_TUNABLES"
_WISHES = {"glibc.malloc.tcache_count": 0, "glibc.malloc.hugetlb": 1}


def child_environment() -> dict[str, str]:
    """This environment with the project on PYTHONPATH, unbuffered output and the wishes for memory."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root] + [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return for_tensors(os.environ) | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
    }


def for_tensors(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with the wishes for memory; what it says itself about one of them stays."""
    tunables = environment.get(_TUNABLES, "").split(":")
    named = {tunable.partition("=")[0] for tunable in tunables}
    added = [f"{name}={value}" for name, value in _WISHES.items() if name not in named]
    if sys.platform != "linux" or not added:
        return dict(environment)
    return {**environment, _TUNABLES: ":".join(filter(None, (*tunables, *added)))}


def start_again() -> None:
    """Start this program again, as the same process, where it was started without the wishes for memory.

    To be called first of all; where it starts again, it does not return. OSError where the system refuses.
    """
    wanted = for_tensors(os.environ)
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)
