"""One seed for every random generator, and deterministic kernels."""

from __future__ import annotations

import os
import random

import numpy
import torch


def make_deterministic(seed: int, threads: int = 0) -> None:
    """Seed every generator, request deterministic kernels, and set the number of threads (0 = unchanged)."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA reads it when it starts
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # oneDNN reads it at the first product and keeps one kernel per shape. Its default of 1024 kernels takes a
    # GB if batches differ in length.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    # On a GPU a warning is not enough: with warn_only, attention's backward pass keeps kernels that add in
    # any order, and a resumed run would differ from an undisturbed one. cuDNN's attention is left out.
    torch.use_deterministic_algorithms(True, warn_only=not torch.cuda.is_available())
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it would write every new tensor twice
    torch.backends.cudnn.benchmark = False
    if threads:
        torch.set_num_threads(threads)
