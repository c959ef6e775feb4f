"""The machine: its facts and its free memory."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

import halflife

_ISA = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "neon", "sve", "bf16", "i8mm")


def machine_facts() -> dict[str, Any]:
    """Cores, instruction sets, versions and threads; None for what this system does not say."""
    processor = _processor()
    flags = (processor.get("flags") or processor.get("Features") or "").split()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor.get("model name") or platform.processor() or platform.machine(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "cores_allowed": len(affinity(0)) if affinity else None,
        "isa": [flag for flag in flags if flag.startswith(_ISA)],
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "halflife": halflife.__version__,
    }


def load_average() -> list[float] | None:
    """Processes that ran or waited in the last 1, 5 and 15 minutes."""
    try:
        return list(os.getloadavg())
    except (AttributeError, OSError):
        return None


def free_memory() -> float:
    """Bytes that can be had without swapping, by the system and by the control group; infinite if neither says."""
    limits = [_available()]
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no such group, or "max"
        most, used = (float((group / f"memory.{name}").read_text(encoding="utf-8")) for name in ("max", "current"))
        limits.append(most - used)
    return max(0.0, min(limits))


def _processor() -> dict[str, str]:
    """The first processor's lines in /proc/cpuinfo."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _available() -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return float("inf")
