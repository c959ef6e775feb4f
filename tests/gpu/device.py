"""The device that these tests step on: an NVIDIA GPU where there is one, else the CPU, as a rehearsal.

So the tests themselves are tried everywhere; ``make gpu`` ends at once where there is no card.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from halflife.engines.cuda import host

ON_CARD = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_CARD else "cpu")
ENGINE: Any = "cuda" if DEVICE.type == "cuda" else "compiled"

needs_device = pytest.mark.skipif(ENGINE == "compiled" and host.obstacle() is not None, reason=str(host.obstacle()))
needs_card = pytest.mark.skipif(DEVICE.type != "cuda", reason="only an NVIDIA GPU shows this")


def numbers(n: int, seed: int, dtype: torch.dtype, device: torch.device = DEVICE) -> torch.Tensor:
    """Normal numbers, the same on every device."""
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(device, dtype)


def trained(
    make: Any, engine: str, device: torch.device, dtype: torch.dtype, steps: int = 4, **settings: Any
) -> tuple[Any, list[torch.Tensor]]:
    """An optimizer after some steps, lr falling, and its weights; tensors about the edges of blocks and parts."""
    params = [torch.nn.Parameter(numbers(n, n, dtype, device)) for n in (1, 255, 257, 2048 + 5, 20000)]
    optimizer = make(params, **{"lr": 0.037, "weight_decay": 0.5, "engine": engine, **settings})
    for t in range(steps):
        for k, p in enumerate(params):
            p.grad = numbers(p.numel(), 100 * t + k + 7, dtype, device)
        optimizer.step()
        assert {x.name for x in optimizer.engines()} == {engine}, optimizer.engines()
        optimizer.param_groups[0]["lr"] *= 0.9
    return optimizer, [p.detach() for p in params]
