"""Gives memory that has been freed back to the system.

The C library keeps freed memory for later. Sampling frees tensors that are a little larger in each step, and
later ones do not fit into them: without this the process of a long generation grows to several times what it
uses.
Does something where the C library is glibc, and nothing elsewhere; memory on a GPU is not its business.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable


def give_back() -> None:
    """Takes a few milliseconds."""
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, "malloc_trim", lambda keep: 0)  # musl has none
