"""The average of the weights, in the place of the weights for a while."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def averaged(optimizer: torch.optim.Optimizer) -> Generator[None, None, None]:
    """Within the block each parameter holds its average; on leaving, also by an exception, its own bits again.

    The average moves when its parameter is stepped; before that, the parameter is its own average. What is written into
    the parameters within the block is lost, and so is a step. Raises ``RuntimeError`` if no group keeps an average.
    """
    if all(group.get("ema_decay") is None for group in optimizer.param_groups):
        raise RuntimeError("no parameter group keeps an average of its weights; give ema_decay, 0.999 for instance.")
    params: list[Tensor] = [p for group in optimizer.param_groups for p in group["params"]]
    pairs = [(p, optimizer.state[p]["ema"]) for p in params if "ema" in optimizer.state.get(p, {})]
    own = [p.detach().clone() for p, _ in pairs]
    try:
        with torch.no_grad():
            for p, ema in pairs:
                p.copy_(ema)
        yield
    finally:
        with torch.no_grad():
            for (p, _), w in zip(pairs, own, strict=True):
                p.copy_(w)
