"""``halflife doctor``: what this machine offers, which engine a step would take, and whether generated kernels work."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence

import torch
import typer
from torch import Tensor

from .. import AdamW, __version__, registry
from ..engines.cuda import cache, host, rtc
from ..engines.library import Missing, load
from .self_tests import outcome

SMALL_MODEL = [(64, 64), (64,)] * 12
LARGE_MODEL = [(1024, 4096), (4096, 1024)] * 2
VARIABLES = ("HALFLIFE_NATIVE", "HALFLIFE_LIBRARY", "HALFLIFE_COMPILE", "HALFLIFE_CUDA", "HALFLIFE_CACHE", "CXX")


def doctor() -> None:
    """Print versions, devices and threads, which engine steps a small and a large model, and whether kernels work."""
    rows = [
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("torch", torch.__version__),
        ("halflife", __version__),
        ("devices", ", ".join(_devices())),
        ("threads", f"{torch.get_num_threads()} for torch, {os.cpu_count()} cores"),
        ("settings", ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ) or "none"),
        ("engines", "eager (any device), foreach (any device)"),
        ("native", _native()),
        ("rules", ", ".join(entry.name for entry in registry.entries())),
        ("compiled", _compiled()),
    ]
    rows += [(f"{size} model", text) for size, text in _choices()]
    for name, text in rows:
        typer.echo(f"{name:<12} {text}")
    for device, text in _kernels():
        typer.echo(f"{f'{device} kernels':<12} {text}")
    typer.echo(f"{'kernel cache':<12} {_cache()}")


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


def _kernels() -> Iterator[tuple[str, str]]:
    """Whether generated kernels step as they should, on each device that may have them."""
    against = host.obstacle()
    if against:
        yield "cpu", f"none: {against}; a rule without a functor steps through foreach or eager"
    else:
        yield "cpu", f"{outcome('cpu')}; HALFLIFE_COMPILE=cpu or engine='compiled' asks for them"
    for place in range(torch.cuda.device_count()):
        device = torch.device("cuda", place)
        against = rtc.obstacle(device)
        yield str(device), f"none: {against}" if against else f"{outcome(str(device))}; fused=True asks for them"


def _cache() -> str:
    """Where compiled kernels are kept, and how many there are."""
    place, used = cache.place(), cache.usage()
    why = f" ({place.trouble})" if place.trouble else "; it may be removed at any time"
    return f"{used.files} files, {used.bytes / 1e6:.1f} MB in {place.path}{why}"


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
