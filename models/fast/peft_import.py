"""Imports PEFT without torch's compiler: what other modules need of PEFT, they import from here.

PEFT imports bitsandbytes, which passes four functions to `torch.compile`: two that replace its CPU kernels
where these cannot be used, and two optimisers. Nothing is compiled before a call, but passing the first
function loads the whole compiler, which costs every process about 2.5 s of CPU time. While bitsandbytes is
imported, `torch.compile` therefore returns its function unchanged. This holds only in processes that import
this module before another library imports PEFT.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def _without_compiler() -> Iterator[None]:
    def unchanged(function: Callable | None = None, **options: Any) -> Any:
        return function if function is not None else lambda inner: inner

    compiler, torch.compile = torch.compile, unchanged
    try:
        yield
    finally:
        torch.compile = compiler


if "bitsandbytes" not in sys.modules:
    with _without_compiler():
        importlib.import_module("bitsandbytes")

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict  # noqa: E402
from peft.tuners.lora import LoraLayer  # noqa: E402

__all__ = ["LoraConfig", "LoraLayer", "PeftModel", "get_peft_model", "get_peft_model_state_dict"]
