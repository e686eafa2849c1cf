"""Freed memory is returned to the system."""

import sys

import psutil
import pytest
import torch

from models.fast import heap


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_memory_freed_between_kept_tensors_is_returned():
    # 80 kB each: small enough for the heap instead of separate mappings
    tensors = [torch.ones(20_000) for _ in range(4000)]
    kept = tensors[::100]
    del tensors
    before = psutil.Process().memory_info().rss
    heap.give_back()
    assert psutil.Process().memory_info().rss < before - 100e6
    assert all(bool((tensor == 1).all()) for tensor in kept)


def test_a_c_library_without_the_function_is_not_called(monkeypatch):
    heap._library.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    heap.give_back()
    heap._library.cache_clear()
