"""The machine's hardware and current load, without torch and without a CUDA context.

`hardware` and `software` are part of every run's record; `live` is for the panel on the page. A machine
without an NVIDIA driver is reported as a machine without a GPU.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate", "gradio")
_AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI")  # limits for oneDNN that exclude bf16 products


def hardware() -> dict[str, Any]:
    """gpu, vram_bytes, driver (None without a GPU), cpu, cores (physical), bf16_products, ram_bytes."""
    gpu = _gpu() or {}
    return {
        "gpu": gpu.get("name"),
        "vram_bytes": gpu.get("total_bytes"),
        "driver": gpu.get("driver"),
        "cpu": _cpu_name(),
        "cores": physical_cores(),
        "bf16_products": has_bf16_products(),
        "ram_bytes": psutil.virtual_memory().total,
    }


def software() -> dict[str, str]:
    """Versions of Python, the system and the packages that a result depends on."""
    return dict(_versions())


@functools.cache  # a process keeps the versions that it imported; reading them takes 50 ms
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "system": platform.platform()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def live() -> dict[str, Any]:
    """The current load: cpu_percent since the last call, ram_used_bytes, ram_bytes and, with a GPU, its
    memory, load (percent), temperature (Celsius) and name."""
    memory = psutil.virtual_memory()
    gpu = _gpu() or {}
    return {
        "cpu_percent": psutil.cpu_percent(interval=None),
        "ram_used_bytes": memory.total - memory.available,
        "ram_bytes": memory.total,
        "gpu": gpu.get("name"),
        "vram_used_bytes": gpu.get("used_bytes"),
        "vram_bytes": gpu.get("total_bytes"),
        "gpu_percent": gpu.get("percent"),
        "gpu_celsius": gpu.get("celsius"),
    }


def free_memory() -> tuple[int, str]:
    """(bytes that a new training can use, kind of memory: "GPU memory", or "RAM" without a GPU)."""
    gpu = _gpu()
    if gpu:
        return gpu["total_bytes"] - gpu["used_bytes"], "GPU memory"
    return min(psutil.virtual_memory().available, _left_in_group()), "RAM"


def free_disk(folder: Path) -> int:
    """Free bytes on the disk that holds `folder`."""
    return shutil.disk_usage(folder).free


def _left_in_group() -> int:
    """Bytes that are still free in the control group of a container; cached files count as free."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except OSError:  # not Linux, or no separate control group
        return sys.maxsize
    return sys.maxsize if limit == "max" else int(limit) - used + int(cached.get("inactive_file", 0))


def physical_cores() -> int:
    """The number of physical cores that this process may use; with more threads torch is slower."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def has_gpu() -> bool:
    """Whether an NVIDIA driver reports a GPU."""
    return _gpu() is not None


@functools.cache
def has_bf16_products() -> bool:
    """Whether the CPU has instructions for bf16 products; the result of models.precision, without torch.

    On systems other than Linux this function returns False, so that an estimate may be too high.
    """
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BF16:
        return False
    flags = _cpu_flags()
    return flags >= _AVX512 or "avx_ne_convert" in flags


def _cpu_flags() -> set[str]:
    """The instruction sets of the CPU with Linux's names; empty on another system."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu() -> dict[str, Any] | None:
    """The first GPU's readings, or None without an NVIDIA driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        found = {
            "name": _text(pynvml.nvmlDeviceGetName(handle)),
            "total_bytes": int(memory.total),
            "used_bytes": int(memory.used),
            "driver": _text(pynvml.nvmlSystemGetDriverVersion()),
        }
        try:  # some virtual GPUs do not report these
            found["percent"] = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            found["celsius"] = int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
        except pynvml.NVMLError:
            pass
        return found
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
