"""One seed for every random generator, and deterministic kernels."""

from __future__ import annotations

import os
import random

import numpy
import torch


def make_deterministic(seed: int, threads: int = 0) -> None:
    """Seed every generator, ask for deterministic kernels, and use that many threads (0 = leave them)."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Read at the first product on a CPU, which keeps a kernel a shape: up to 1024 of them, a GB where the
    # batches differ in length.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it writes every new tensor once more
    torch.backends.cudnn.benchmark = False
    if threads:
        torch.set_num_threads(threads)
