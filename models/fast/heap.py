"""Controls what the C library does with freed memory.

By default the C library returns a large freed tensor to the system at once, and the system has to clear the
pages again for the next tensor; that takes some percent of a training step. After `hold` the C library keeps
them. But sampling frees slightly larger tensors in each step, and the gaps of one phase do not fit the
tensors of the next: without `give_back` at intervals and between phases, the process grows to several times
the memory that it uses. Threads that compute passes side by side (`lanes`) share one heap, because each heap
keeps what was freed in it. `pipeline.runs.child` has the settings that must be known before a process starts.
This works with glibc only and does nothing with other C libraries; it does not affect GPU memory.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # names of mallopt's
HELD = 2**28  # bytes at the end of the heap
LARGE = 2**25  # bytes; larger tensors are still returned at once; the largest value that glibc accepts


def hold() -> None:
    """Keep freed memory in the process until `give_back`."""
    for parameter, value in ((_TRIM_THRESHOLD, HELD), (_MMAP_THRESHOLD, LARGE), (_ARENA_MAX, 1)):
        _library("mallopt")(parameter, value)


def give_back() -> None:
    """Return freed memory to the system; takes a few milliseconds."""
    _library("malloc_trim")(0)


@functools.cache
def _library(name: str) -> Callable[..., object]:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, name, lambda *arguments: 0)  # musl has neither function
