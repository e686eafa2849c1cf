"""What becomes of memory that has been freed.

Left to itself, the C library gives a large freed tensor back to the system at once, which then has to clear
the same pages for the next one: some percent of a training step. With `hold` it keeps them. But sampling
frees tensors that are a little larger in each step, and one phase's do not fit the next one's: without
`give_back` now and then, and between phases, the process grows to several times what it uses.
(What the C library has to know before a process starts is in `pipeline.runs.child`.)
Does something where the C library is glibc, and nothing elsewhere; memory on a GPU is not its business.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of mallopt's
HELD = 2**28  # bytes at the end of the heap
LARGE = 2**25  # bytes of a tensor that is given back at once all the same: the most that glibc takes


def hold() -> None:
    """From now on, freed memory stays with the process until `give_back`."""
    for parameter, value in ((_TRIM_THRESHOLD, HELD), (_MMAP_THRESHOLD, LARGE)):
        _library("mallopt")(parameter, value)


def give_back() -> None:
    """Takes a few milliseconds."""
    _library("malloc_trim")(0)


@functools.cache
def _library(name: str) -> Callable[..., object]:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, name, lambda *arguments: 0)  # musl has neither
