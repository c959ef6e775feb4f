"""Parameters and gradients as they come: strided, empty, mixed, sparse, infinite, half precision."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife

TORCH = ["SGD", "ASGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Rprop"]
ALL = [*TORCH, "Lion", "SGDW", "AdamL2", "ProxAdam", "AdamP", "ProxSGD"]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True}, {"centered": True}],
    "Adam": [{}, {"amsgrad": True}],
    "AdamW": [{}, {"amsgrad": True}],
    "NAdam": [{}, {"decoupled_weight_decay": True}],
}
SETTINGS = [(name, flags) for name in TORCH for flags in VARIANTS.get(name, [{}])]
ENGINES = [{"foreach": False}, {"foreach": True}]
HALVES = [torch.bfloat16, torch.float16]

each = pytest.mark.parametrize("name", ALL)
each_setting = pytest.mark.parametrize(("name", "flags"), SETTINGS, ids=str)
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=["eager", "foreach"])


def ours(name: str) -> Any:
    return getattr(halflife, name)


def both(name: str) -> tuple[Any, Any]:
    return getattr(torch.optim, name), getattr(halflife, name)


def noise(shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def train(optimizer: Any, grads: Callable[[int, torch.Tensor], torch.Tensor], steps: int = 3) -> list[torch.Tensor]:
    """That many steps; the weights after them."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for k in range(steps):
        for p in params:
            p.grad = grads(k, p)
        optimizer.step()
    return [p.detach().clone() for p in params]


def random_gradients(k: int, p: torch.Tensor) -> torch.Tensor:
    return noise(tuple(p.shape), 10 + k).to(p.dtype)


def tensors_of(state: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: (x.dtype, x.shape, x.device, x.stride()) for name, x in state.items()}


# ---------------------------------------------------------------- strides

POISON = 777.0
VIEWS: dict[str, tuple[tuple[int, ...], Callable[[torch.Tensor], torch.Tensor]]] = {
    "every other": ((12,), lambda b: b[::2]),
    "last but first": ((9,), lambda b: b[1:-1]),
    "column": ((5, 4), lambda b: b[:, 1]),
    "block": ((6, 8), lambda b: b[1:4, 2:7:2]),
    "transposed": ((4, 3), lambda b: b.t()),
    "transposed block": ((6, 5), lambda b: b[1:4, 1:3].t()),
    "channels_last": ((2, 5, 4, 3), lambda b: b.permute(0, 3, 1, 2)[:, :2]),
    "0-d": ((3,), lambda b: b[1]),
}


def strided(view: str) -> tuple[torch.Tensor, torch.nn.Parameter]:
    """A poisoned piece of memory, and a parameter that is a view of some of it."""
    shape, look = VIEWS[view]
    memory = torch.full(shape, POISON, dtype=torch.float64)
    p = torch.nn.Parameter(look(memory))
    p.data.copy_(noise(tuple(p.shape)))
    return memory, p


@each
@each_engine
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("gradient", ["packed", "strided alike"])
def test_strided_parameters(name: str, engine: dict[str, bool], view: str, gradient: str) -> None:
    memory, p = strided(view)
    packed = torch.nn.Parameter(p.detach().clone(memory_format=torch.contiguous_format))

    def grads(k: int, x: torch.Tensor) -> torch.Tensor:
        g = random_gradients(k, x)
        return strided(view)[1].detach().copy_(g) if x is p and gradient == "strided alike" else g

    expected = train(ours(name)([packed], lr=0.1, weight_decay=0.2, **engine), grads)[0]
    found = train(ours(name)([p, torch.nn.Parameter(torch.ones(2))], lr=0.1, weight_decay=0.2, **engine), grads)[0]
    assert (found == expected).all()
    assert (memory == POISON).sum() == memory.numel() - p.numel()


@each_setting
@each_engine
def test_states_are_laid_out_as_torchs(name: str, flags: dict[str, Any], engine: dict[str, bool]) -> None:
    states = []
    for optimizer_class in both(name):
        p = torch.nn.Parameter(noise((2, 3, 4, 5)).to(memory_format=torch.channels_last))
        q = torch.nn.Parameter(noise((3, 4)).t())
        optimizer = optimizer_class([p, q], **flags, **engine)
        train(optimizer, lambda k, x: torch.empty_like(x).copy_(random_gradients(k, x)))
        states.append([tensors_of(optimizer.state[x]) for x in (p, q)])
    assert states[0] == states[1]


# ---------------------------------------------------------------- sizes and mixtures


@each
@each_engine
@pytest.mark.parametrize("shapes", [((0,), (3, 0)), ((), (1,)), ((0,), (), (2, 3))], ids=str)
def test_empty_and_single_numbers(name: str, engine: dict[str, bool], shapes: tuple[tuple[int, ...], ...]) -> None:
    params = [torch.nn.Parameter(noise(shape)) for shape in shapes]
    alone = [torch.nn.Parameter(noise(shape).reshape(-1)) for shape in shapes]
    found = train(ours(name)(params, lr=0.1, **engine), lambda k, p: torch.full_like(p, 0.1 + k))
    expected = train(ours(name)(alone, lr=0.1, foreach=False), lambda k, p: torch.full_like(p, 0.1 + k))
    assert [tuple(x.shape) for x in found] == list(shapes)
    assert all((x.reshape(-1) == y).all() for x, y in zip(found, expected, strict=True))


def mixture() -> list[torch.nn.Parameter]:
    dtypes = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.float32)
    return [torch.nn.Parameter(noise((3, 2), i, torch.float64).to(dtype)) for i, dtype in enumerate(dtypes)]


@each
@pytest.mark.parametrize("engine", [{}, *ENGINES], ids=str)
def test_mixed_dtypes_in_one_group(name: str, engine: dict[str, bool]) -> None:
    together = ours(name)(mixture(), lr=0.1, weight_decay=0.2, **engine)
    found = train(together, random_gradients)
    for i, (x, p) in enumerate(zip(found, mixture(), strict=True)):
        expected = train(ours(name)([p], lr=0.1, weight_decay=0.2, foreach=False), random_gradients)[0]
        assert x.dtype == expected.dtype == mixture()[i].dtype
        tolerance = 16 * torch.finfo(x.dtype).eps if engine != {"foreach": False} else 0
        assert (x - expected).abs().max() <= tolerance


@each
@each_engine
def test_parameters_of_different_ages_in_one_group(name: str, engine: dict[str, bool]) -> None:
    """One of three gets no gradient at first: its clock starts later."""
    params = [torch.nn.Parameter(noise((4,), i)) for i in range(3)]
    optimizer = ours(name)(params, lr=0.1, **engine)
    for k in range(6):
        for i, p in enumerate(params):
            p.grad = noise((4,), 100 * i + k) if k >= 2 * i else None
        optimizer.step()
    for i, p in enumerate(params):
        alone = ours(name)([torch.nn.Parameter(noise((4,), i))], lr=0.1, foreach=False)
        expected = train(alone, lambda k, _, i=i: noise((4,), 102 * i + k), steps=6 - 2 * i)[0]
        assert (p - expected).abs().max() <= 1e-14


# ---------------------------------------------------------------- sparse gradients


def sparse_gradients(k: int, p: torch.Tensor) -> torch.Tensor:
    """Row gradients as an embedding gives them; rows may repeat."""
    rows = torch.tensor([[0, 2, 2, (k % 3) + 1]])
    return torch.sparse_coo_tensor(rows, noise((4, *p.shape[1:]), k).to(p.dtype), p.shape)


@pytest.fixture(autouse=True)
def checked_sparse_tensors():
    with torch.sparse.check_sparse_tensor_invariants():
        yield


SPARSE = [("SGD", f) for f in ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"maximize": True})]
SPARSE += [("Adagrad", f) for f in ({}, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}, {"maximize": True})]


@pytest.mark.parametrize(("name", "flags"), SPARSE, ids=str)
@pytest.mark.parametrize("engine", [{}, *ENGINES], ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (6,)], ids=str)
def test_sparse_gradients(name: str, flags: dict[str, Any], engine: dict[str, bool], shape: tuple[int, ...]) -> None:
    optimizers = [c([torch.nn.Parameter(noise(shape))], lr=0.1, **flags, **engine) for c in both(name)]
    theirs, found = (train(o, sparse_gradients, steps=6)[0] for o in optimizers)
    assert (theirs - found).abs().max() <= 1e-12
    assert (found[4] == noise(shape)[4]).all()


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
@each_engine
def test_an_embedding_beside_a_dense_layer(name: str, engine: dict[str, bool]) -> None:
    runs = []
    for optimizer_class in both(name):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Embedding(7, 3, sparse=True), torch.nn.Linear(3, 2)).double()
        optimizer = optimizer_class(model.parameters(), lr=0.1, **engine)
        for k in range(4):
            optimizer.zero_grad()
            model(torch.tensor([0, k, 5, 5])).square().sum().backward()
            optimizer.step()
        runs.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach())
    assert (runs[0] - runs[1]).abs().max() <= 1e-12


def message(optimizer: Any) -> str:
    with pytest.raises(RuntimeError) as caught:
        train(optimizer, sparse_gradients, steps=1)
    return str(caught.value)


@pytest.mark.parametrize("name", [name for name in TORCH if name not in ("SGD", "Adagrad", "Adam", "AdamW")])
@each_engine
def test_sparse_gradients_are_refused_in_torchs_words(name: str, engine: dict[str, bool]) -> None:
    said = [message(c([torch.nn.Parameter(noise((5, 3)))], **engine)) for c in both(name)]
    assert said[0] == said[1] == f"{name} does not support sparse gradients"


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Lion", "AdamL2", "ProxAdam", "AdamP"])
def test_sparse_gradients_are_refused_by_the_adams(name: str) -> None:
    p = torch.nn.Parameter(noise((5, 3)))
    optimizer = ours(name)([p])
    assert "does not support sparse gradients" in message(optimizer)
    assert (p == noise((5, 3))).all()
    assert not optimizer.state


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "SGDW", "ProxSGD"])
@pytest.mark.parametrize("decay", ["coupled", "cautious", "decoupled", "independent", "proximal", "euclidean"])
def test_sparse_gradients_with_decay_are_refused_or_right(name: str, decay: str) -> None:
    settings = {"lr": 0.1, "weight_decay": 0.2, "decay": decay}
    optimizer = ours(name)([torch.nn.Parameter(noise((5, 3)))], **settings)
    if decay in ("coupled", "cautious") or name == "Adagrad":
        assert "is not compatible with sparse gradients" in message(optimizer)
        return
    dense = ours(name)([torch.nn.Parameter(noise((5, 3)))], **settings)
    expected = train(dense, lambda k, p: sparse_gradients(k, p).to_dense())[0]
    assert (train(optimizer, sparse_gradients)[0] - expected).abs().max() <= 1e-14


# ---------------------------------------------------------------- NaN and infinity

SPECIAL = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.0, 1.0, -2.0, 1e80, 1e-80], dtype=torch.float64)
ORDINARY = torch.linspace(-1.5, 1.4, 8, dtype=torch.float64)


def finite_alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Finite at the same places, and equal there."""
    finite = a.isfinite()
    return bool((finite == b.isfinite()).all()) and torch.allclose(a[finite], b[finite], rtol=1e-10, atol=1e-12)


def alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    """And NaN or the same infinity elsewhere."""
    return (
        finite_alike(a, b) and torch.allclose(a.nan_to_num(), b.nan_to_num(), rtol=1e-9) and a.isnan().equal(b.isnan())
    )


def specially(optimizer_class: Any, where: str, steps: int, **settings: Any) -> dict[str, torch.Tensor]:
    """The weights and states after steps with NaN, infinities and extremes in the weights or the gradients."""

    def grads(k: int, p: torch.Tensor) -> torch.Tensor:
        special = where == "gradient" or (where == "first gradient" and k == 0)
        return SPECIAL.clone() if special else ORDINARY * (1 + k)

    p = torch.nn.Parameter(SPECIAL.clone() if where == "weight" else ORDINARY.flip(0).clone())
    optimizer = optimizer_class([p, torch.nn.Parameter(ORDINARY.clone())], lr=0.1, **settings)
    return {"p": train(optimizer, grads, steps)[0], **optimizer.state[p]}


@each_setting
@each_engine
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("where", ["gradient", "weight", "first gradient"])
def test_special_numbers(name: str, flags: dict[str, Any], engine: Any, weight_decay: float, where: str) -> None:
    """As torch's single-tensor loop: its foreach loop makes some infinities NaN, and its lerp does from step 2."""
    settings = {**flags, "weight_decay": weight_decay} if name != "Rprop" else flags
    for steps, compare in ((1, alike), (3, finite_alike)):
        theirs = specially(getattr(torch.optim, name), where, steps, foreach=False, **settings)
        found = specially(ours(name), where, steps, **engine, **settings)
        assert found.keys() == theirs.keys()
        assert [key for key in found if not compare(theirs[key], found[key])] == []
        assert found["p"][0].isnan() or name == "Rprop"  # the sign of NaN is 0


@each_engine
def test_the_average_of_asgd_is_the_weights_until_t0(engine: dict[str, bool]) -> None:
    """Exactly, and again after an infinity is put right, as in torch's single-tensor loop."""
    params = [torch.nn.Parameter(noise((50,), i)) for i in range(2)]
    optimizer = halflife.ASGD(params, lr=0.1, **engine)
    for k in range(5):
        params[0].data[0] = float("inf") if k == 2 else 0.5  # put right by the user
        train(optimizer, random_gradients, steps=1)
        assert all((optimizer.state[p]["ax"] == p).all() for p in params)


# ---------------------------------------------------------------- half precision, states


@each_setting
@each_engine
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_precision(name: str, flags: dict[str, Any], engine: dict[str, bool], dtype: torch.dtype) -> None:
    runs, states = [], []
    for optimizer_class in both(name):
        p = torch.nn.Parameter(noise((4, 5)).to(dtype))
        eps = {"eps": 1e-3} if "eps" in inspect.signature(optimizer_class).parameters else {}
        optimizer = optimizer_class([p, torch.nn.Parameter(p.detach().clone())], lr=0.05, **flags, **eps, **engine)
        runs.append(train(optimizer, random_gradients, steps=4)[0])
        states.append(tensors_of(optimizer.state[p]))
    assert runs[1].dtype == dtype
    assert states[0] == states[1]
    assert (runs[0].double() - runs[1].double()).abs().max() <= 16 * torch.finfo(dtype).eps
    assert (runs[1].double() - noise((4, 5))).abs().max() > 0.01


@each
@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("decay", ["coupled", "decoupled", "independent", "proximal", "euclidean", "cautious"])
def test_half_precision_under_every_decay(name: str, dtype: torch.dtype, decay: str) -> None:
    for engine in ENGINES:
        params = [torch.nn.Parameter(noise((4, 5)).to(dtype)) for _ in range(2)]
        optimizer = ours(name)(params, lr=0.05, weight_decay=0.1, decay=decay, **engine)
        found = train(optimizer, random_gradients)[0]
        assert found.dtype == dtype
        assert found.isfinite().all()
        assert all(x.dtype == dtype for s in optimizer.state.values() for x in s.values() if x.dim())


@each_setting
@pytest.mark.parametrize("flag", [{}, *ENGINES, {"fused": True}, {"differentiable": True}], ids=str)
@pytest.mark.parametrize("default", [torch.float32, torch.float64], ids=str)
def test_states_are_torchs(name: str, flags: dict[str, Any], flag: dict[str, bool], default: torch.dtype) -> None:
    if "fused" in flag and "fused" not in inspect.signature(ours(name)).parameters:
        flag = {}
    states = []
    torch.set_default_dtype(default)
    try:
        for optimizer_class in both(name):
            params = [noise((3, 2), dtype=torch.float32), noise((), dtype=torch.float64)]
            optimizer = optimizer_class(params, **flags, **flag)
            train(optimizer, random_gradients, steps=2)
            states.append([tensors_of(optimizer.state[p]) for p in params])
    finally:
        torch.set_default_dtype(torch.float32)
    assert states[0] == states[1]
