"""Views of larger buffers: right, and nothing written outside; what has gaps goes to another engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import halflife

from .users import needs_native

pytestmark = needs_native

VIEWS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "every other": (lambda b: b[::2], "eager"),
    "columns": (lambda b: b.view(10, 10)[:, 2:5], "eager"),
    "a run at an odd offset": (lambda b: b[3:40], "native"),
    "transposed": (lambda b: b.view(10, 10).t(), "native"),
    "channels last": (lambda b: b[:96].view(2, 4, 4, 3).permute(0, 3, 1, 2), "native"),
}


@pytest.mark.parametrize("name", ["AdamW", "SGDW", "ProxAdam", "RMSprop"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_written_outside(view: str, name: str) -> None:
    make, engine = VIEWS[view]
    buffer, inside = torch.full((100,), 7.0), torch.zeros(100, dtype=torch.bool)
    make(inside).fill_(True)
    start = torch.randn(make(buffer).shape, generator=torch.Generator().manual_seed(0))
    make(buffer).copy_(start)
    p, twin = torch.nn.Parameter(make(buffer)), torch.nn.Parameter(start.clone())
    optimizer, reference = (getattr(halflife, name)([q], engine=asked) for q, asked in ((p, None), (twin, "eager")))
    for k in range(4):
        g = torch.sin(start * (k + 1))
        p.grad, twin.grad = torch.empty_like(p).copy_(g), g
        optimizer.step()
        reference.step()
    assert optimizer.engines()[0].name == engine
    torch.testing.assert_close(p, twin, rtol=1e-6, atol=1e-7)
    assert buffer[~inside].eq(7).all()
