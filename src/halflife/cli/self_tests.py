"""Self-tests of some generated kernels, in a process of their own: a compiler that hangs and code that crashes end it.

``python -m halflife.cli.self_tests cpu`` or ``cuda:0`` writes a line of JSON for each kernel, once it is known.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import torch

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


def outcome(device: str, command: list[str] | None = None, seconds: float = SECONDS) -> str:
    """What a process of its own finds out about a device's kernels, in a sentence; ``command`` runs another one."""
    command = command or [sys.executable, "-m", __name__, device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        lines, end, error = done.stdout, _end(done.returncode), done.stderr
    except subprocess.TimeoutExpired as late:
        lines, error = late.stdout or "", ""
        end = f"did not end within {seconds:g} s"
    found = [json.loads(line) for line in (lines if isinstance(lines, str) else lines.decode()).splitlines()]
    wrong = [f"{name}: {why}" for name, why in found if why]
    if end:
        after = f" after {found[-1][0]}" if found else ""
        said = error.strip().splitlines()[-1:] or [""]
        wrong.append(f"the process that tries them {end}{after}{said[0] and f': {said[0]}'}")
    right = f"{len(found) - sum(bool(why) for _, why in found)} of {len(TRIED)} kernels step as foreach does"
    return "; ".join([right, *wrong])


def _end(status: int) -> str:
    """How a process ended, if not well."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with {status}" if status else ""


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


if __name__ == "__main__":
    for line in tried(torch.device(sys.argv[1])):
        print(json.dumps(line), flush=True)
