"""Compiled kernels as a new process finds them: nothing in memory, and a cache of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from halflife.engines.cuda import cache, host, processor, selftest

needs_compiler = pytest.mark.skipif(bool(host.obstacle()), reason=str(host.obstacle()))


def forget() -> None:
    """What this process knows of folders, compilers and kernels."""
    for known in (cache.place, cache._last_resort, host.compiler, host.version, host.compiled):
        known.cache_clear()
    processor._kernels.clear()
    selftest._verdicts.clear()


def broken(monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str]) -> None:
    """All kernels' texts from here on."""
    text_of = processor.kernel_text

    def changed(recording: Any) -> str:
        text = text_of(recording)
        other = change(text)
        assert other != text, f"nothing to change in {text}"
        return other

    for module in (processor, selftest):
        monkeypatch.setattr(module, "kernel_text", changed)


def trained(make: Callable[..., Any], steps: int = 3, dtype: torch.dtype = torch.float32, **given: Any) -> Any:
    """An optimizer after some steps of two tensors that are always the same, and these."""
    drawn = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(n, generator=drawn).to(dtype)) for n in (5, 300)]
    optimizer = make(params, **given)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape, generator=drawn).to(dtype)
        optimizer.step()
    return optimizer, [p.detach().clone() for p in params]
