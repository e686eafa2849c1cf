"""memory.jsonl in a run's folder: the memory of its process at each logged step, for a chart over time.

It is a file of its own because metrics.jsonl of a resumed run equals that of an undisturbed one, and memory
does not. No torch: the GPU is asked only if the stage has loaded torch and used it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from data.files import append_jsonl
from evaluation.resources import rss_bytes

FILE = "memory.jsonl"


def note(folder: Path, step: int) -> None:
    """Append the resident memory of this process and what torch has allocated on the GPU, in bytes."""
    torch: Any = sys.modules.get("torch")
    used = {"step": step, "rss_bytes": rss_bytes()}
    if torch is not None and torch.cuda.is_initialized():
        used["cuda_bytes"] = int(torch.cuda.memory_allocated())
    append_jsonl(folder / FILE, used)
