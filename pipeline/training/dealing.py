"""Orders rows by length, and distributes the rows of each batch over the processes that train together.

A batch has the same rows in the same order as in one process. Of n processes each takes every n-th row, so
that all get rows of similar length, and cuts its share into micro-batches. All make the same number of
micro-batches, because they compute in lockstep: if an epoch's last batch has too few rows, a process gets a
filler row, which has no effect on the weights.

    DataLoader(WithFiller(rows, filler), batch_sampler=Dealt(order, 32, 8, rank=0, processes=2))
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler


class LengthGrouped(Sampler[int]):
    """Indices in an order that puts rows of similar length into one batch; a fresh shuffle each epoch.

    Shuffles, sorts within stretches of 32 batches, and shuffles the batches. The order depends only on seed
    and epoch and not on a global generator, so a resumed run sees the batches of an undisturbed one.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        stretch = 32 * self.batch_size
        batches = []
        for start in range(0, len(order), stretch):
            near = sorted(order[start : start + stretch], key=lambda index: self.lengths[index])
            batches += [near[at : at + self.batch_size] for at in range(0, len(near), self.batch_size)]
        # A short batch stays last, because the caller cuts the batches again from this order.
        last = batches.pop() if batches and len(batches[-1]) < self.batch_size else []
        for at in torch.randperm(len(batches), generator=generator).tolist():
            yield from batches[at]
        yield from last


class Dealt(Sampler[list[int]]):
    """The micro-batches of one process, as lists of at most `micro` indices.

    order: indices of one epoch; batch: rows per update over all processes; index len(order) is the filler.
    """

    def __init__(self, order: Sampler[int], batch: int, micro: int, rank: int, processes: int):
        self.order, self.batch, self.micro, self.rank, self.processes = order, batch, micro, rank, processes

    def __iter__(self) -> Iterator[list[int]]:
        rows = list(self.order)
        for start in range(0, len(rows), self.batch):
            whole = rows[start : start + self.batch]
            mine, parts = whole[self.rank :: self.processes], self._parts(len(whole))
            for k in range(parts):
                yield mine[k * len(mine) // parts : (k + 1) * len(mine) // parts] or [len(rows)]

    def __len__(self) -> int:
        full, left = divmod(len(self.order), self.batch)
        return full * self._parts(self.batch) + self._parts(left)

    def _parts(self, rows: int) -> int:
        """Number of micro-batches of the process that gets the most of `rows` rows."""
        return math.ceil(math.ceil(rows / self.processes) / self.micro)


class WithFiller(Dataset):
    """The rows, followed by the filler."""

    def __init__(self, rows: Sequence[Any], filler: Any):
        self.rows, self.filler = rows, filler

    def __len__(self) -> int:
        return len(self.rows) + 1

    def __getitem__(self, index: int) -> Any:
        return self.filler if index == len(self.rows) else self.rows[index]
