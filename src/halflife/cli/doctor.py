"""``halflife doctor``: what this machine offers, which engine a step would take, and whether generated kernels work.

What may run a compiler or a kernel is left to a process of its own.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator

import torch

from .. import __version__, registry
from ..engines.cuda import cache, host, rtc
from ..engines.library import Missing, load
from .self_tests import MODELS, answers, outcome
from .wrapping import say

VARIABLES = {
    **{"HALFLIFE_NATIVE": "0", "HALFLIFE_LIBRARY": None, "HALFLIFE_COMPILE": "cpu", "HALFLIFE_CUDA": "0"},
    **{"HALFLIFE_CACHE": None, "CXX": None},
}
"""The environment variables that are read, each with the one word that it may have, if it is not to name something."""


def doctor(clear_cache: bool = False) -> None:
    """Print versions, devices and threads, which engine steps a small and a large model, and whether kernels work."""
    if clear_cache:
        say(f"Removed {_size(cache.clear())} from {cache.place().path}.")
        return
    rows = [
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("torch", torch.__version__),
        ("halflife", __version__),
        ("devices", ", ".join(_devices())),
        ("threads", f"{torch.get_num_threads()} for torch, {os.cpu_count()} cores"),
        ("settings", ", ".join(_settings()) or "none"),
        ("engines", "eager (any device), foreach (any device)"),
        ("native", _native()),
        ("rules", ", ".join(entry.name for entry in registry.entries())),
        ("compiled", _compiled()),
    ]
    for name, text in rows:
        _show(name, text)
    for name, text in (*_models(), *_kernels()):
        _show(name, text)
    _show("kernel cache", _cache())


def _show(name: str, text: str) -> None:
    say(f"{name:<12} {text}", indent=13)


def _settings() -> Iterator[str]:
    """The variables that are set; a word that means nothing would be obeyed in silence."""
    for name, word in VARIABLES.items():
        given = os.environ.get(name)
        if given is not None:
            yield f"{name}={given}" + (f" (no effect: only {word} has one)" if word not in (None, given) else "")


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


def _models() -> Iterator[tuple[str, str]]:
    """The engine that AdamW would take for two typical models on the CPU."""
    found, end = answers("models")
    yield from found
    for model in [*MODELS][len(found) :]:
        yield model, f"not known: the process that asks for its engine {end or 'gave no answer'}"


def _kernels() -> Iterator[tuple[str, str]]:
    """Whether generated kernels step as they should, on each device that may have them."""
    why = host.obstacle()
    without = f"none: {why}; a rule without a functor steps through foreach or eager"
    yield "cpu kernels", without if why else outcome("cpu", "HALFLIFE_COMPILE=cpu or engine='compiled'")
    gpus = [torch.device("cuda", place) for place in range(torch.cuda.device_count())]
    for device in gpus or [torch.device("cuda")]:
        why = rtc.obstacle(device)
        yield f"{device} kernels", f"none: {why}" if why else outcome(str(device), "fused=True or engine='cuda'")


def _cache() -> str:
    """Where compiled kernels are kept, how many there are, and how to be rid of them."""
    place, used = cache.place(), cache.usage()
    why = place.trouble or "`halflife doctor --clear-cache` empties it"
    return f"{_size(used)} in {place.path}; {why}"


def _size(used: cache.Usage) -> str:
    return f"{used.kernels} compiled kernels ({used.files} files, {used.bytes / 1e6:.1f} MB)"
