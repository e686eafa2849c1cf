"""Freed memory goes back to the system."""

import sys

import psutil
import pytest
import torch

from models.fast import heap


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_what_was_freed_between_what_is_kept_goes_back():
    tensors = [torch.ones(20_000) for _ in range(4000)]  # 80 kB each: from the heap, not mapped one by one
    kept = tensors[::100]
    del tensors
    before = psutil.Process().memory_info().rss
    heap.give_back()
    assert psutil.Process().memory_info().rss < before - 100e6
    assert all(bool((tensor == 1).all()) for tensor in kept)


def test_a_library_without_it_is_left_alone(monkeypatch):
    heap._library.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    heap.give_back()
    heap._library.cache_clear()
