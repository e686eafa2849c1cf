"""Passes of a model side by side on a CPU: each in a thread of its own, with its share of torch's threads.

A pass through a deep, narrow model is thousands of short operations. Two threads that share every operation
wait for each other at its end; two threads that each compute a complete pass do not, and PyTorch releases
Python's lock during an operation (docs/ppo-speed.md). The activations of all passes are in memory together.

    with Lanes(2) as lanes:
        first, second = lanes.compute(work, [one_half, other_half])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Self, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Lanes:
    """count: the most passes at a time."""

    def __init__(self, count: int):
        self.count = count
        self._pool = ThreadPoolExecutor(count)  # starts a thread when it is needed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def compute(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """work(item) of each item, in their order; at most `count` items.

        A single item is computed in the caller's thread, with all of torch's threads. If one item fails, the
        others are finished before its error is raised.
        """
        if len(items) == 1:
            return [work(items[0])]
        threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
        share = max(1, threads // len(items))
        futures = [self._pool.submit(_run, work, item, share, grad) for item in items]
        wait(futures)
        torch.set_num_threads(threads)  # the lanes have changed the number that new threads start with
        return [future.result() for future in futures]


def _run(work: Callable[[Any], Any], item: Any, threads: int, grad: bool) -> Any:
    torch.set_num_threads(threads)  # of this thread
    with torch.set_grad_enabled(grad):
        return work(item)
