"""What is found out in a process of its own: a compiler that hangs and code that crashes end that one alone.

``python -m halflife.cli.self_tests models``, ``cpu`` or ``cuda:0`` writes each answer as a line of JSON at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import SGD, AdamW
from ..optim import Optimizer

SECONDS = 180
"""A process that has not ended by then is taken to hang. A kernel takes g++ and NVRTC half a second."""

TRIED: dict[str, tuple[type[Optimizer], torch.dtype, dict[str, Any]]] = {
    "AdamW in float32": (AdamW, torch.float32, {}),
    "AdamW in bfloat16, stochastic": (AdamW, torch.bfloat16, {"rounding": "stochastic"}),
    "AdamW with 8-bit states": (AdamW, torch.float32, {"state_dtype": "8bit"}),
    "SGD in float64": (SGD, torch.float64, {}),
}

MODELS = {"small model": [(64, 64), (64,)] * 12, "large model": [(1024, 4096), (4096, 1024)] * 2}


class Answers(NamedTuple):
    """Names, each with what is said of it; ``end``: how the process ended, if not well."""

    found: list[tuple[str, str]]
    end: str


def answers(question: str, command: Sequence[str] = (), seconds: float | None = None) -> Answers:
    """What a process of its own says of ``question``; ``command`` runs another one.

    One that hangs is ended with all that it started.
    """
    command = command or [sys.executable, "-m", __name__, question]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONSAFEPATH": "1"}  # imports what we do
    pipe = subprocess.PIPE
    own = subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment, start_new_session=True)
    try:
        said, errors = own.communicate(timeout=seconds or SECONDS)
        end = _end(own.returncode, errors.decode(errors="replace"))
    except subprocess.TimeoutExpired:
        _kill(own)
        said, end = own.communicate()[0], f"did not end within {seconds or SECONDS:g} s"
    except BaseException:  # Ctrl-C, which a session of its own does not hear
        _kill(own)
        raise
    return Answers(list(_read(said)), end)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started: a compiler that hangs would outlive it, and hold its pipes."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _end(status: int, errors: str) -> str:
    """How a process ended, with its last word, if not well."""
    if status == 0:
        return ""
    word = errors.strip().splitlines()[-1:]
    how = f"ended with {status}" if status > 0 else f"was ended by {_signal(-status)}"
    return ": ".join([how, *word])


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _read(said: bytes) -> Iterator[tuple[str, str]]:
    """The answers among a process's lines: a library may print others, and the last may have been cut off."""
    for line in said.splitlines():
        with suppress(ValueError):
            match json.loads(line):
                case [str(name), str(text)]:
                    yield name, text
                case _:
                    pass


def outcome(device: str, asks: str, command: Sequence[str] = (), seconds: float | None = None) -> str:
    """What is known of a device's kernels, in a sentence; ``asks``: what gives a training these kernels."""
    found, end = answers(device, command, seconds)
    wrong = [f"{name}: {why}" for name, why in found if why]
    right = f"{len(found) - len(wrong)} of {len(TRIED)} kernels step as foreach does"
    if end:
        after = f" after {found[-1][0]}" if found else ""
        wrong.append(f"the process that tries them {end}{after}, and so may a training with {asks}")
    elif not wrong:
        right = f"{right}; {asks} asks for them"
    return "; ".join([right, *wrong])


def tried(device: torch.device) -> Iterator[tuple[str, str]]:
    """Kernels by name, each with what is against it, if anything is."""
    engine = "cuda" if device.type == "cuda" else "compiled"
    for name, (kind, dtype, settings) in TRIED.items():
        params = [torch.nn.Parameter(torch.ones(n, dtype=dtype, device=device)) for n in (3, 300)]
        optimizer = kind(params, lr=0.1, engine=engine, **settings)
        for p in params:
            p.grad = torch.ones_like(p)
        choice = optimizer.engines()[0]
        if choice.name == engine:
            optimizer.step()
            choice = optimizer.engines()[0]
        yield name, "" if choice.name == engine else choice.reason


def engines() -> Iterator[tuple[str, str]]:
    """The engine that AdamW would take for two typical models on the CPU: to know may take a kernel's self-test."""
    for model, shapes in MODELS.items():
        choice = AdamW(_parameters(shapes)).engines()[0]
        yield model, f"{choice.name}: {choice.reason}"


def _parameters(shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Parameters of these shapes, in memory that is never touched."""
    return [torch.nn.Parameter(torch.empty(shape)) for shape in shapes]


if __name__ == "__main__":
    for answer in engines() if sys.argv[1] == "models" else tried(torch.device(sys.argv[1])):
        print(json.dumps(answer), flush=True)
