"""Memory of this process and bytes on disk, without torch.

The trainer reads peak GPU memory (torch.cuda.max_memory_allocated); this module only queries the operating
system. All figures are in bytes.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import psutil


def peak_rss_bytes() -> int:
    """Highest resident memory of this process so far."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform.startswith("linux"):
        # A child inherits ru_maxrss from the (larger) process that started it; VmHWM is its own.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # does not exist on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024  # kibibytes outside macOS


def rss_bytes() -> int:
    """Current resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def folder_bytes(folder: Path, patterns: Iterable[str] = ("*",)) -> int:
    """Size of the files under `folder` and its sub-folders that match any pattern; 0 if there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        return 0
    files = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return sum(path.stat().st_size for path in files)


def adapter_bytes(model_dir: Path) -> int:
    """Size of what a trained adapter adds to its base: LoRA weights and, for a reward model, its head."""
    return folder_bytes(model_dir, ("adapter_model.safetensors", "head.safetensors"))
