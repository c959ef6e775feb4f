"""Groups of which some tensors are stepped natively and the others by other engines: as if all were by eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.engines import foreach

from .users import needs_native, table_of

pytestmark = needs_native


class Subclass(Tensor):
    pass


def sparse(g: Tensor) -> Tensor:
    return g.to_sparse()


OTHERS: dict[str, tuple[Callable[[], Tensor], Callable[[Tensor], Tensor]]] = {
    "gaps": (lambda: torch.linspace(-1, 1, 12)[::2], lambda g: g),
    "complex": (lambda: torch.view_as_complex(torch.linspace(-1, 1, 12).view(6, 2)), lambda g: g),
    "subclass": (lambda: torch.linspace(-1, 1, 6).as_subclass(Subclass), lambda g: g),
    "sparse gradient": (lambda: torch.linspace(-1, 1, 6), sparse),
    "expanded gradient": (lambda: torch.linspace(-1, 1, 6), lambda g: g[0].expand(6)),
}
RULES: list[tuple[str, dict[str, Any]]] = [
    ("AdamW", {}),
    ("SGD", {"momentum": 0.9, "dampening": 0.5, "decay": "decoupled"}),
    ("SGD", {"decay": "decoupled"}),
    ("Adagrad", {"weight_decay": 0.0}),
    ("NAdam", {"max_grad_norm": 0.5, "ema_decay": 0.9}),
    ("ASGD", {"skip_nonfinite": True, "maximize": True}),
]
CELLS = [
    (other, name, settings)
    for other in OTHERS
    for name, settings in RULES
    if other != "sparse gradient" or name in ("SGD", "Adagrad")
]


def begun(other: str, name: str, settings: dict[str, Any], engine: str | None) -> tuple[Any, list[Tensor]]:
    """Two groups: two plain tensors with another kind between them, and a plain one."""
    starts = [torch.linspace(-1, 1, 300), OTHERS[other][0](), torch.linspace(-2, 1, 7), torch.linspace(0, 1, 40)]
    params = [x.requires_grad_() for x in starts]
    groups = [{"params": params[:3]}, {"params": params[3:], "lr": 0.02}]
    optimizer = getattr(halflife, name)(groups, lr=0.05, **{"weight_decay": 0.1, **settings}, engine=engine)
    return optimizer, params


def give(params: list[Tensor], k: int, to_other: Callable[[Tensor], Tensor]) -> None:
    for i, p in enumerate(params):
        g = torch.linspace(-1, 1, p.numel()).mul(k + 1 + i).sin().to(p.dtype)
        p.grad = to_other(g) if i == 1 else g


def close(a: list[Tensor], b: list[Tensor]) -> None:
    for pair in zip(a, b, strict=True):
        x, y = (of.detach().to_dense() if of.is_sparse else of.detach().as_subclass(Tensor) for of in pair)
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("other", "name", "settings"), CELLS, ids=str)
def test_as_eager_and_by_one_table(other: str, name: str, settings: dict[str, Any]) -> None:
    optimizer, params = begun(other, name, settings, None)
    reference, twins = begun(other, name, settings, "eager")
    tables = []
    for k in range(6):
        for opt, own in ((optimizer, params), (reference, twins)):
            give(own, k, OTHERS[other][1])
            opt.param_groups[1]["lr"] = 0.02 / (1 + k)
            opt.step()
        tables.append(table_of(optimizer))
        close(params, twins)
    assert all(table is tables[0] is not None for table in tables)
    for p, q in zip(params, twins, strict=True):
        assert optimizer.state.get(p, {}).keys() == reference.state.get(q, {}).keys()
        close([*optimizer.state.get(p, {}).values()], [reference.state[q][n] for n in optimizer.state.get(p, {})])
    assert len(tables[0].entries) == 3


@pytest.mark.parametrize("other", OTHERS)
def test_what_engines_says_of_a_mixed_group(other: str) -> None:
    optimizer, params = begun(other, "Adagrad", {"weight_decay": 0.0}, None)
    give(params, 0, OTHERS[other][1])
    mixed, plain = optimizer.engines()
    assert mixed.name == "native, eager"
    assert mixed.reason.startswith("native: 2 tensors, on the CPU")
    assert "; eager: 1 tensors, " in mixed.reason
    assert plain.name == "native"
    assert f"engine: native, eager ({mixed.reason})" in repr(optimizer)


ROLES: dict[str, Callable[[int, Tensor], Tensor | None]] = {
    "sparse, then dense": lambda k, g: sparse(g) if k < 3 else g,
    "dense, then sparse": lambda k, g: g if k < 3 else sparse(g),
    "by turns": lambda k, g: sparse(g) if k % 2 else g,
    "by turns with none": lambda k, g: sparse(g) if k % 2 else None,
    "none, then sparse": lambda k, g: None if k < 3 else sparse(g),
    "dense, none, sparse": lambda k, g: (g, None, sparse(g))[k % 3],
}


@pytest.mark.parametrize(
    ("role", "name", "settings"),
    # a momentum that began with a sparse gradient is sparse, as torch's, and takes no dense one
    [(role, *rule) for rule in RULES[1:4] for role in ROLES if (role, rule) != ("sparse, then dense", RULES[1])],
    ids=str,
)
def test_a_tensor_that_changes_its_engine(role: str, name: str, settings: dict[str, Any]) -> None:
    pair = [begun("sparse gradient", name, settings, engine) for engine in (None, "eager")]
    for k in range(7):
        for optimizer, params in pair:
            give(params, k, lambda g: ROLES[role](k, g))  # noqa: B023
            optimizer.step()
        close(pair[0][1], pair[1][1])
        grad = pair[0][1][1].grad
        dense = grad is not None and not grad.is_sparse
        table = table_of(pair[0][0])
        assert table is not None
        assert len(table.entries) == 3 + dense


def test_others_go_to_foreach_together(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    run = foreach.run
    monkeypatch.setattr(foreach, "run", lambda step: (steps.append(len(step.params)), run(step)))
    gaps = [torch.linspace(-1, 1, 12)[k::2].requires_grad_() for k in (0, 1)]
    params = [gaps[0], torch.ones(4, requires_grad=True), gaps[1]]
    optimizer = halflife.AdamW(params)
    for k in range(3):
        for p in params:
            p.grad = torch.full_like(p, k + 1.0)
        optimizer.step()
        assert len(table_of(optimizer).entries) == 1
    assert steps == [2, 2, 2]


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_one_norm_for_all_of_them(name: str) -> None:
    """The factor by which all gradients are clipped is of all engines' gradients together."""
    norms = []
    for engine in (None, "eager"):
        optimizer, params = begun("gaps", name, {"max_grad_norm": 1e-3}, engine)
        for k in range(3):
            give(params, k, lambda g: g)
            optimizer.step()
            expected = torch.cat([p.grad.flatten() for p in params]).norm()
            norms.append(float(optimizer.grad_norm))
            assert norms[-1] == pytest.approx(float(expected), rel=1e-6)
    assert norms[:3] == pytest.approx(norms[3:], rel=1e-6)
