"""A state carried over from another framework: ours goes on to the same weights, and without the state would not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import halflife
from halflife.conventions import find, from_keras, from_optax, from_torch_like

from .problem import ADAM, LION, apart, peer

pytestmark = pytest.mark.filterwarnings("ignore")
FLOAT32, SHAPES, HALF = 1e-6, ((4, 3), (4,)), 5
_random = np.random.default_rng(1)
WEIGHTS = [_random.normal(size=shape) for shape in SHAPES]
GRADS = [[_random.normal(size=shape) * 10.0 ** -(k % 3) for shape in SHAPES] for k in range(2 * HALF)]
Make = Callable[[list[torch.nn.Parameter]], halflife.Optimizer]


def there(arrays: list[np.ndarray]) -> dict[str, Any]:
    """As a Dense layer has them: the kernel transposed, the bias first."""
    return {"bias": arrays[1], "kernel": arrays[0].T}


def here(tree: Any) -> list[Any]:
    return [tree["kernel"].T, tree["bias"]]


def goes_on(make: Make, weights: list[Any], loaded: Callable[[Any], dict[str, Any]], end: list[Any]) -> None:
    """From their weights halfway and their state, in float32, to where they ended; and not there without the state."""
    for with_state in (True, False):
        parameters = [torch.nn.Parameter(torch.tensor(np.array(w), dtype=torch.float32)) for w in weights]
        optimizer = make(parameters)
        if with_state:
            optimizer.load_state_dict(loaded(optimizer))
        step_on(optimizer, parameters)
        off = max(apart(p.detach().numpy(), np.array(w)) for p, w in zip(parameters, end, strict=True))
        assert off <= FLOAT32 if with_state else off > 100 * FLOAT32


def step_on(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], start: int = HALF) -> None:
    for grads in GRADS[start : start + HALF]:
        for p, g in zip(parameters, grads, strict=True):
            p.grad = torch.tensor(g, dtype=p.dtype)
        optimizer.step()


OPTAX: dict[str, tuple[Callable[[Any], Any], Make]] = {
    "adamw": (
        lambda optax: optax.adamw(0.1, b2=0.99, weight_decay=0.3),
        lambda p: halflife.AdamW(p, lr=0.1, betas=(0.9, 0.99), weight_decay=0.3),
    ),
    "deep in a chain": (
        lambda optax: optax.chain(
            optax.clip_by_global_norm(1e9),
            optax.inject_hyperparams(optax.adamw)(0.1, b2=0.99, weight_decay=0.3),
        ),
        lambda p: find("optax").optimizer(p, learning_rate=0.1, b2=0.99, weight_decay=0.3),
    ),
    "amsgrad": (
        lambda optax: optax.amsgrad(0.1, b2=0.9),
        lambda p: find("optax").optimizer(p, lr=0.1, betas=(0.9, 0.9), weight_decay=0.0, amsgrad=True),
    ),
    "lion": (
        lambda optax: optax.lion(0.01, weight_decay=0.3),
        lambda p: halflife.Lion(p, lr=0.01, betas=(0.9, 0.99), weight_decay=0.3),
    ),
    "sgd": (lambda optax: optax.sgd(0.1, momentum=0.9), lambda p: halflife.SGD(p, lr=0.1, momentum=0.9)),
}


@pytest.mark.parametrize("name", OPTAX)
def test_optax(name: str) -> None:
    jax, optax = peer("jax"), peer("optax")
    transformation, make = OPTAX[name][0](optax), OPTAX[name][1]
    w = {key: jax.numpy.asarray(x, "float32") for key, x in there(WEIGHTS).items()}
    state, halfway = transformation.init(w), None
    for k, grads in enumerate(GRADS):
        if k == HALF:
            halfway = w, state
        g = {key: jax.numpy.asarray(x, "float32") for key, x in there(grads).items()}
        updates, state = transformation.update(g, state, w)
        w = optax.apply_updates(w, updates)
    assert halfway is not None
    goes_on(make, here(halfway[0]), lambda optimizer: from_optax(halfway[1], optimizer, here), here(w))


KERAS: dict[str, tuple[Callable[[Any], Any], Make]] = {
    "AdamW": (
        lambda k: k.AdamW(0.1, beta_2=0.99, weight_decay=0.3),
        lambda p: find("keras").optimizer(p, learning_rate=0.1, beta_2=0.99, weight_decay=0.3),
    ),
    "AdamW into halflife.AdamW": (
        lambda k: k.AdamW(0.1, beta_2=0.99, epsilon=1e-8, weight_decay=0.3),
        lambda p: halflife.AdamW(p, lr=0.1, betas=(0.9, 0.99), weight_decay=0.3),
    ),
    "Adam with amsgrad and an average": (
        lambda k: k.Adam(0.1, beta_2=0.9, amsgrad=True, weight_decay=0.3, use_ema=True),
        lambda p: find("keras").optimizer(p, lr=0.1, betas=(0.9, 0.9), weight_decay=0.3, amsgrad=True),
    ),
    "Lion": (
        lambda k: k.Lion(0.01, weight_decay=0.3),
        lambda p: find("keras-lion").optimizer(p, lr=0.01, weight_decay=0.3),
    ),
    "SGD": (
        lambda k: k.SGD(0.1, momentum=0.9, weight_decay=0.3),
        lambda p: find("keras-sgd").optimizer(p, lr=0.1, momentum=0.9, weight_decay=0.3),
    ),
}


@pytest.mark.parametrize("name", KERAS)
def test_keras(name: str) -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    keras = peer("keras")
    optimizer, make = KERAS[name][0](keras.optimizers), KERAS[name][1]
    w, halfway = [keras.Variable(x, dtype="float32") for x in there(WEIGHTS).values()], None
    named = dict(zip(there(WEIGHTS), w, strict=True))

    def ours_of(arrays: list[Any]) -> list[Any]:
        return here(dict(zip(named, arrays, strict=True)))

    for k, grads in enumerate(GRADS):
        if k == HALF:
            halfway = ours_of([x.numpy().copy() for x in w])
            parameters = [torch.nn.Parameter(torch.tensor(x.copy())) for x in halfway]
            state = from_keras(optimizer, make(parameters), ours_of)
        optimizer.apply([keras.ops.convert_to_tensor(g, dtype="float32") for g in there(grads).values()], w)
    assert halfway is not None
    goes_on(make, halfway, lambda _: state, ours_of([x.numpy() for x in w]))


def in_torch(make: Callable[[Any], torch.optim.Optimizer]) -> tuple[list[Any], dict[str, Any], list[Any]]:
    """The weights halfway, the state_dict there, and the weights at the end."""
    parameters = [torch.nn.Parameter(torch.tensor(w, dtype=torch.float32)) for w in WEIGHTS]
    optimizer = make(parameters)
    step_on(optimizer, parameters, 0)
    halfway = [p.detach().numpy().copy() for p in parameters]
    saved = {"param_groups": optimizer.state_dict()["param_groups"], "state": {}}
    for i, row in optimizer.state_dict()["state"].items():
        saved["state"][i] = {k: x.clone() if isinstance(x, torch.Tensor) else x for k, x in row.items()}
    for group in saved["param_groups"]:
        group |= {k: x.clone() for k, x in group.items() if isinstance(x, torch.Tensor)}
    step_on(optimizer, parameters)
    return halfway, saved, [p.detach().numpy() for p in parameters]


TORCH_LIKE: dict[str, tuple[str, str, dict[str, Any], Make]] = {
    "optimi": ("optimi", "AdamW", ADAM, lambda p: find("optimi").optimizer(p, **ADAM)),
    "optimi-lion": ("optimi", "Lion", LION, lambda p: find("optimi-lion").optimizer(p, **LION)),
    "optimi-sgd": ("optimi", "SGD", {"lr": 0.1, "momentum": 0.9}, lambda p: halflife.SGD(p, lr=0.1, momentum=0.9)),
    "timm": ("timm.optim", "AdamWLegacy", ADAM, lambda p: halflife.AdamW(p, **ADAM)),
    "timm-nadamw": ("timm.optim", "NAdamW", ADAM, lambda p: find("timm-nadamw").optimizer(p, **ADAM)),
    "timm-lion": ("timm.optim", "Lion", LION, lambda p: halflife.Lion(p, **LION)),
    "torch": ("torch.optim", "AdamW", {**ADAM, "amsgrad": True}, lambda p: halflife.AdamW(p, **ADAM, amsgrad=True)),
}


@pytest.mark.parametrize("name", TORCH_LIKE)
def test_torch_like(name: str) -> None:
    module, kind, settings, make = TORCH_LIKE[name]
    halfway, saved, end = in_torch(lambda p: getattr(peer(module), kind)(p, **settings))
    goes_on(make, halfway, lambda optimizer: from_torch_like(saved, optimizer), end)


def fairseq(p: Any) -> halflife.Optimizer:
    return find("fairseq").optimizer(p, **ADAM)


@pytest.mark.parametrize("flat", [False, True])
def test_fairseqs_checkpoint(flat: bool) -> None:
    """Its groups have lr, betas, eps, weight_decay and amsgrad alone; in fp16 there is one flat parameter."""
    halfway, saved, end = in_torch(fairseq)
    rows = [{**row, "step": int(row["step"])} for row in saved["state"].values()]
    if flat:
        names = ("exp_avg", "exp_avg_sq")
        rows = [{"step": HALF} | {n: torch.cat([row[n].reshape(-1) for row in rows]) for n in names}]
    group = {**ADAM, "amsgrad": False, "params": list(range(len(rows)))}
    last = {"state": dict(enumerate(rows)), "param_groups": [group]}
    goes_on(fairseq, halfway, lambda optimizer: from_torch_like(last, optimizer), end)


def test_a_state_of_another_kind_or_shape_is_a_sentence() -> None:
    _, saved, _ = in_torch(lambda p: torch.optim.AdamW(p, **ADAM))
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    with pytest.raises(ValueError, match=r"keeps exp_avg, exp_avg_sq, max_exp_avg_sq, but the state has exp_avg, "):
        from_torch_like(saved, halflife.AdamW(parameters, amsgrad=True))
    with pytest.raises(ValueError, match=r"has the shapes \[\(4, 3\), \(4,\)\], but .* \[\(4,\), \(4, 3\)\]"):
        from_torch_like(saved, halflife.AdamW(parameters[::-1]))
    alone = {"state": {0: saved["state"][0]}, "param_groups": [{"params": [0]}]}
    with pytest.raises(ValueError, match="one flat state has 12 numbers, but the optimizer's parameters 16"):
        from_torch_like(alone, halflife.AdamW(parameters))
    with pytest.raises(ValueError, match="keeps exp_avg, but the state has exp_avg, exp_avg_sq; load"):
        from_torch_like(saved, halflife.Lion(parameters))
    with pytest.raises(ValueError, match="but 0 were found"):
        from_optax((), halflife.AdamW(parameters), here)
