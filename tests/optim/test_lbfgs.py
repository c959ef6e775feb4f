"""LBFGS: torch's own on loss + λR, alone in its optimizer, and what it does not take."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

import halflife
from halflife import regularizers as rz
from halflife.schedules import LinearWD

pytestmark = [
    pytest.mark.usefixtures("double_precision"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad"),  # torch's own step does
]


def problem(dtype: torch.dtype = torch.float64) -> tuple[list[torch.nn.Parameter], torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    w = [torch.nn.Parameter(torch.randn(4, generator=generator, dtype=dtype)), torch.nn.Parameter(torch.zeros(()))]
    x = torch.randn(20, 4, generator=generator)
    return w, x, torch.randn(20, generator=generator)


def closure_of(optimizer: Any, params: Any, x: Any, y: Any, extra: Any = None) -> Any:
    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((x @ params[0] + params[1] - y) ** 2).mean()
        loss = loss if extra is None else loss + extra(params)
        loss.backward()
        return loss

    return closure


def run(kind: Any, extra: Any = None, steps: int = 4, **settings: Any) -> tuple[torch.Tensor, list[float]]:
    params, x, y = problem()
    optimizer = kind(params, max_iter=3, **settings)
    losses = [float(optimizer.step(closure_of(optimizer, params, x, y, extra))) for _ in range(steps)]
    return torch.cat([p.detach().flatten() for p in params]), losses


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize(
    ("R", "by_hand"),
    [
        (None, lambda ps: sum(0.5 * (p**2).sum() for p in ps)),
        (
            rz.Huber(0.3),
            lambda ps: sum(torch.nn.functional.huber_loss(p, 0 * p, reduction="sum", delta=0.3) for p in ps),
        ),
    ],
    ids=["L2", "Huber"],
)
def test_is_torchs_on_the_regularized_loss(R: Any, by_hand: Any, search: Any) -> None:
    settings = {"line_search_fn": search, "lr": 0.5}
    found, losses = run(halflife.LBFGS, weight_decay=0.3, regularizer=R, **settings)
    expected, theirs = run(torch.optim.LBFGS, lambda ps: 0.3 * by_hand(ps), **settings)
    plain, _ = run(torch.optim.LBFGS, **settings)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert losses == pytest.approx(theirs, rel=1e-12)
    assert (found - plain).abs().max() > 1e-3


def test_without_decay_every_bit_is_torchs() -> None:
    (ours, a), (theirs, b) = run(halflife.LBFGS), run(torch.optim.LBFGS)
    assert torch.equal(ours, theirs)
    assert a == b


def test_toward_init_and_a_schedule() -> None:
    found, _ = run(halflife.LBFGS, steps=30, weight_decay=1e4, regularizer=rz.TowardInit())
    assert (found - torch.cat([p.detach().flatten() for p in problem()[0]])).abs().max() < 1e-3
    params, x, y = problem()
    schedule = LinearWD(1.0, 0.0, 2)
    optimizer = halflife.LBFGS(params, weight_decay=schedule)
    assert optimizer.param_groups[0]["weight_decay"] == 1.0
    schedule.step(), schedule.step()
    optimizer.step(closure_of(optimizer, params, x, y))
    plain = problem()[0]
    control = torch.optim.LBFGS(plain)
    control.step(closure_of(control, plain, x, y))
    assert torch.equal(params[0], plain[0])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_go_on(duplicate: Any) -> None:
    params, x, y = problem()
    optimizer = halflife.LBFGS(params, weight_decay=0.2, regularizer=rz.Huber(0.5), max_iter=2)
    optimizer.step(closure_of(optimizer, params, x, y))
    other = duplicate(optimizer)
    own = other.param_groups[0]["params"]
    for o, ps in ((optimizer, params), (other, own)):
        o.step(closure_of(o, ps, x, y))
    assert torch.equal(params[0], own[0])
    assert own[0] is not params[0]


@pytest.mark.parametrize("disabled", [False, True])
def test_hooks_are_called_once(disabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.optim.LBFGS([torch.zeros(1, requires_grad=True)])  # has hooks put around the step of torch's class
    if disabled:  # as importing Dynamo does
        monkeypatch.setattr(torch.optim.LBFGS, "step", torch.compiler.disable(torch.optim.LBFGS.step))
    params, x, y = problem()
    optimizer, calls = halflife.LBFGS(params, weight_decay=0.1), []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    optimizer.step(closure_of(optimizer, params, x, y))
    assert calls == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_grad_norm", 1.0),
        ("ema_decay", 0.9),
        ("rounding", "kahan"),
        ("state_dtype", "8bit"),
        ("skip_nonfinite", True),
        ("engine", "eager"),
        ("base_lr", 1.0),
    ],
)
def test_what_it_cannot_do_it_says(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^LBFGS takes no {name}: .*Leave it out"):
        halflife.LBFGS(problem()[0], **{name: value})
    halflife.LBFGS(problem()[0], max_grad_norm=None, rounding="nearest")


def test_what_else_it_refuses() -> None:
    params, _, _ = problem()
    with pytest.raises(TypeError, match="LBFGS has no argument 'momentum'"):
        halflife.LBFGS(params, momentum=0.9)
    with pytest.raises(ValueError, match=r"decay='decoupled' is not for LBFGS"):
        halflife.LBFGS(params, decay="decoupled")
    halflife.LBFGS(params, decay="coupled")
    with pytest.raises(ValueError, match=r"L1\(\) has none"):
        halflife.LBFGS(params, regularizer=rz.L1())
    with pytest.raises(ValueError, match="weight_decay must be at least 0"):
        halflife.LBFGS(params, weight_decay=-1.0)
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        halflife.LBFGS([{"params": params[:1]}, {"params": params[1:]}])


def test_sparse_complex_and_missing_gradients() -> None:
    table = torch.nn.Embedding(5, 3, sparse=True)
    optimizer = halflife.LBFGS(table.parameters(), weight_decay=0.5, max_iter=1, lr=0.1)
    before = table.weight.detach().clone()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = table(torch.tensor([1, 2])).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert (table.weight[0] - before[0]).abs().max() > 1e-3, "the decay is of the whole table"
    z = torch.nn.Parameter(torch.ones(2, dtype=torch.complex128))
    complex_ = halflife.LBFGS([z], weight_decay=2.0, max_iter=1, lr=0.1)
    complex_.step(lambda: torch.zeros(()))
    assert (z.detach() - 1).abs().max() > 1e-3
