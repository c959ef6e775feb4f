"""What surrounds a step on the device: loss scalers, graphs, streams, several cards, memory. Nothing waits for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

import halflife

from .device import DEVICE, ENGINE, needs_card, needs_device, numbers, trained

pytestmark = needs_device


@contextmanager
def unread() -> Iterator[None]:
    """Within, whatever waits for the card is an error."""
    if DEVICE.type != "cuda":
        yield
        return
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def test_nothing_is_waited_for() -> None:
    params = [torch.nn.Parameter(numbers(n, n, torch.float32)) for n in (5, 3000)]
    given = {"max_grad_norm": 0.5, "skip_nonfinite": True, "ema_decay": 0.9}
    optimizer = halflife.AdamW(params, lr=0.1, engine=ENGINE, **given)
    for t in range(6):
        for p in params:
            p.grad = numbers(p.numel(), t, torch.float32)
        if t == 3:
            params[0].grad[1] = torch.inf
        before = params[1].detach().clone()
        with unread() if t > 1 else unread_not():
            optimizer.step()
        assert torch.equal(before, params[1].detach()) == (t == 3)
        optimizer.param_groups[0]["lr"] *= 0.9
    assert optimizer.skipped_steps == 1
    assert optimizer.engines()[0].name == ENGINE


@contextmanager
def unread_not() -> Iterator[None]:
    """The first steps compile."""
    yield


@pytest.mark.parametrize("fused", [True, False])
def test_a_grad_scaler(fused: bool) -> None:
    found = []
    for engine in (ENGINE, "eager"):
        p = torch.nn.Parameter(numbers(300, 1, torch.float32))
        optimizer = halflife.AdamW([p], lr=0.1, fused=fused, engine=engine)
        scaler = torch.amp.GradScaler(DEVICE.type, init_scale=2.0**10, growth_interval=2)
        for t in range(6):
            loss = (p * numbers(300, 5 + t, torch.float32)).sum() * (torch.inf if t == 2 else 1.0)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        found.append(p.detach())
        assert scaler.get_scale() == 2.0**11
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


@needs_card
@pytest.mark.parametrize("name", ["AdamW", "RAdam", "NAdam", "ASGD", "Adagrad", "Rprop"])
def test_a_graph_replays_the_step(name: str) -> None:
    settings = {"capturable": True, "lr": torch.tensor(0.05, device=DEVICE), "weight_decay": 0.1}
    p = torch.nn.Parameter(numbers(5000, 1, torch.float32))
    twin = torch.nn.Parameter(p.detach().clone())
    p.grad, twin.grad = torch.zeros_like(p), torch.zeros_like(p)
    ours = getattr(halflife, name)([p], engine=ENGINE, **settings)
    theirs = getattr(halflife, name)([twin], engine="foreach", **copy.deepcopy(settings))
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            ours.step()
    torch.cuda.current_stream().wait_stream(side)
    for _ in range(3):
        theirs.step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ours.step()
    for t in range(8):
        g = numbers(5000, 10 + t, torch.float32)
        p.grad.copy_(g)
        twin.grad.copy_(g)
        for optimizer in (ours, theirs):
            optimizer.param_groups[0]["lr"].mul_(0.9)
        graph.replay()
        theirs.step()
    torch.testing.assert_close(p, twin, rtol=1e-5, atol=1e-6)
    assert float(ours.state[p]["step"]) == float(theirs.state[twin]["step"])


@needs_card
def test_it_steps_on_the_current_stream() -> None:
    p = torch.nn.Parameter(numbers(1 << 24, 1, torch.float32))
    optimizer = halflife.SGD([p], lr=1.0, engine=ENGINE)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.cuda.synchronize()
    side, expected = torch.cuda.Stream(), p.detach().clone()
    with torch.cuda.stream(side):
        torch.cuda._sleep(50_000_000)
        p.grad.fill_(1.0)
        optimizer.step()
    assert side.query() is False
    side.synchronize()
    torch.testing.assert_close(p.detach(), expected - 1)


@needs_card
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one card")
def test_several_cards() -> None:
    params = [torch.nn.Parameter(torch.ones(300, device=f"cuda:{k}")) for k in range(2)]
    optimizer = halflife.AdamW(params, lr=0.1, engine=ENGINE)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert {x.name for x in optimizer.engines()} == {ENGINE}
    torch.testing.assert_close(params[0].cpu(), params[1].cpu(), rtol=0, atol=0)


@needs_card
@pytest.mark.parametrize(
    ("dtype", "settings"),
    [
        (torch.float32, {}),
        (torch.float32, {"state_dtype": torch.bfloat16}),
        (torch.float32, {"state_dtype": "8bit"}),
        (torch.bfloat16, {"rounding": "kahan", "state_dtype": "8bit", "max_grad_norm": 1.0}),
    ],
    ids=str,
)
def test_a_step_holds_nothing_beside_the_model(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    """The peak of a step is weights, gradients and states, and one percent."""
    params = [torch.nn.Parameter(torch.ones(4096, 4096, device=DEVICE, dtype=dtype)) for _ in range(4)]
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer = halflife.AdamW(params, lr=0.1, engine=ENGINE, **settings)
    optimizer.step()
    states = sum(x.nbytes for state in optimizer.state.values() for x in state.values())
    held = states + sum(p.nbytes + p.grad.nbytes for p in params)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    optimizer.step()
    torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() <= 1.01 * held + (8 << 20)


@needs_card
def test_pieces_beyond_2_to_the_31() -> None:
    n = (1 << 31) + 5
    if torch.cuda.mem_get_info()[0] < 5 * n:
        pytest.skip("the card has not the memory")
    p = torch.nn.Parameter(torch.zeros(n, device=DEVICE, dtype=torch.bfloat16))
    p.grad = torch.ones_like(p)
    halflife.SGD([p], lr=0.5, engine=ENGINE).step()
    for part in (p[:256], p[1 << 30 : (1 << 30) + 256], p[-300:]):
        assert torch.equal(part, torch.full_like(part, -0.5))


def test_a_checkpoint_from_elsewhere() -> None:
    ours, weights = trained(halflife.AdamW, ENGINE, DEVICE, torch.float32, steps=3)
    twins = [torch.nn.Parameter(w.cpu().clone()) for w in weights]
    eager = halflife.AdamW(twins, lr=0.1, engine="eager")
    eager.load_state_dict(copy.deepcopy(ours.state_dict()))
    for k, (p, q) in enumerate(zip(ours.param_groups[0]["params"], twins, strict=True)):
        q.grad = numbers(q.numel(), k, torch.float32, torch.device("cpu"))
        p.grad = q.grad.to(DEVICE)
    ours.step()
    eager.step()
    for p, q in zip(ours.param_groups[0]["params"], twins, strict=True):
        torch.testing.assert_close(p.detach().cpu(), q.detach(), rtol=1e-5, atol=1e-6)
