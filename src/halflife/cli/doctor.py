"""``halflife doctor``: what this machine offers, and which engine a step would take."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Sequence

import torch
import typer
from torch import Tensor

from .. import AdamW, __version__, registry
from ..engines.library import Missing, load

SMALL_MODEL = [(64, 64), (64,)] * 12
LARGE_MODEL = [(1024, 4096), (4096, 1024)] * 2


def doctor() -> None:
    """Print versions, devices and threads, and which engine steps a small and a large model, and why."""
    rows = [
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("torch", torch.__version__),
        ("halflife", __version__),
        ("devices", ", ".join(_devices())),
        ("threads", f"{torch.get_num_threads()} for torch, {os.cpu_count()} cores"),
        ("engines", "eager (any device), foreach (any device)"),
        ("native", _native()),
        ("rules", ", ".join(entry.name for entry in registry.entries())),
        ("compiled", _compiled()),
    ]
    rows += [(f"{size} model", text) for size, text in _choices()]
    for name, text in rows:
        typer.echo(f"{name:<12} {text}")


def _devices() -> list[str]:
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return ["cpu"] if accelerator is None else ["cpu", f"{torch.accelerator.device_count()} × {accelerator.type}"]


def _native() -> str:
    """Whether the native engine is there, or what is missing and what that costs."""
    library = load()
    if isinstance(library, Missing):
        return f"no native engine: {library.reason}; AdamW steps several times slower on CPUs"
    return f"the native engine (CPU), compiled for {library.level}, from {library.path}"


def _compiled() -> str:
    """The rules that the native library has, each with the number of its forms where it has several."""
    library = load()
    if isinstance(library, Missing):
        return "none"
    forms = Counter(name for name, _ in library.functors)
    return ", ".join(f"{name} × {n}" if n > 1 else name for name, n in forms.items())


def _choices() -> list[tuple[str, str]]:
    """The engine that AdamW would take for two typical models on the CPU."""
    choices: list[tuple[str, str]] = []
    for size, shapes in (("small", SMALL_MODEL), ("large", LARGE_MODEL)):
        choice = AdamW(_parameters(shapes)).engines()[0]
        choices.append((size, f"{choice.name}: {choice.reason}"))
    return choices


def _parameters(shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Parameters of these shapes, in memory that is never touched."""
    return [torch.nn.Parameter(torch.empty(shape)) for shape in shapes]
