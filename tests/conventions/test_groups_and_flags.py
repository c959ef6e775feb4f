"""What conventions do beyond one group of numbers: groups of their own, late ones, copies, flags, regularizers."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import halflife
from halflife import describe
from halflife import regularizers as rz
from halflife.conventions import convert, find


def matrix(fill: float = 1.0) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.full((3, 3), fill, dtype=torch.float64))


def groups() -> list[dict[str, Any]]:
    return [{"params": [matrix()]}, {"params": [matrix()], "weight_decay": 0.0, "lr": 1e-5}]


@pytest.mark.parametrize("module", [torch.optim, halflife])
def test_applying_a_conversion_leaves_each_group_its_share(module: Any) -> None:
    conversion = convert(0.1, "torch", "keras", lr=1e-3)
    optimizer = module.AdamW(groups(), lr=1e-3, weight_decay=0.1)
    for step in (0, 7, 500):
        conversion.apply(optimizer, step)
        now, (first, spared) = conversion.at(step), optimizer.param_groups
        assert (first["lr"], first["weight_decay"], first["eps"]) == (now.lr, pytest.approx(now.weight_decay), now.eps)
        assert spared["weight_decay"] == 0.0
        assert spared["lr"] == pytest.approx(now.lr * 0.01)
    optimizer.add_param_group({"params": [matrix()], "lr": 2e-3})
    conversion.apply(optimizer, 500)
    assert optimizer.param_groups[2]["lr"] == pytest.approx(2 * now.lr)
    assert optimizer.param_groups[2]["weight_decay"] == pytest.approx(now.weight_decay)


def test_applying_a_conversion_writes_into_tensors() -> None:
    lr = torch.tensor(1e-3)
    optimizer = halflife.AdamW([matrix()], lr=lr, weight_decay=0.1)
    convert(0.1, "torch", "keras", lr=1e-3).apply(optimizer, 3)
    assert isinstance(optimizer.param_groups[0]["lr"], torch.Tensor)
    assert optimizer.param_groups[0]["lr"] is lr


def rate(step: int) -> float:
    return 0.1 / (step + 1)


def amount(step: int) -> float:
    return 0.2 / (step + 1)


def followed() -> Any:
    own = [{"params": [matrix()]}, {"params": [matrix()], "weight_decay": 0.0}]
    return find("tensorflow-addons").optimizer(own, learning_rate=rate, weight_decay=amount)


def stepped(optimizer: Any, steps: int = 1) -> Any:
    for _ in range(steps):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.ones_like(p)
        optimizer.step()
    return optimizer


def test_callables_follow_one_count_and_spare_what_is_spared() -> None:
    optimizer = stepped(followed(), 3)
    decayed, spared = optimizer.param_groups
    assert (decayed["lr"], decayed["weight_decay"]) == (rate(2), amount(2))
    assert (spared["lr"], spared["weight_decay"]) == (rate(2), 0.0)
    optimizer.add_param_group({"params": [matrix()]})
    optimizer.add_param_group({"params": [matrix()], "lr": 0.05})
    stepped(optimizer)
    assert optimizer.param_groups[2]["lr"] == rate(3)
    assert optimizer.param_groups[2]["weight_decay"] == amount(3)
    assert optimizer.param_groups[3]["lr"] == pytest.approx(rate(3) / 2)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["copy", "pickle"])
@pytest.mark.parametrize("name", ["tensorflow-addons", "tensorflow-addons-sgdw", "optax", "optax-lion"])
def test_copies_follow_too(name: str, duplicate: Any) -> None:
    optimizer = stepped(find(name).optimizer([matrix()], learning_rate=rate, weight_decay=amount), 2)
    other = duplicate(optimizer)
    stepped(optimizer, 2), stepped(other, 2)
    assert other.param_groups[0]["lr"] == rate(3)
    assert torch.equal(other.param_groups[0]["params"][0], optimizer.param_groups[0]["params"][0])
    other.load_state_dict(optimizer.state_dict())
    assert stepped(other).param_groups[0]["lr"] == rate(4)
    assert type(other).__name__ == type(optimizer).__name__


def optax_amsgrad(w: np.ndarray, grads: list[np.ndarray], lr: float, λ: float) -> np.ndarray:
    """scale_by_amsgrad, then add_decayed_weights: the maximum is of v̂."""
    m = v = top = 0.0
    for t, g in enumerate(grads, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        top = np.maximum(top, v / (1 - 0.999**t))
        w = w - lr * (m / (1 - 0.9**t) / (np.sqrt(top) + 1e-8) + λ * w)
    return w


def keras_amsgrad(w: np.ndarray, grads: list[np.ndarray], lr: float, λ: float) -> np.ndarray:
    """The maximum is of v, ε beside its uncorrected root; the decay first."""
    m = v = top = 0.0
    for t, g in enumerate(grads, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        top = np.maximum(top, v)
        w = w * (1 - lr * λ) - lr * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(top) + 1e-7)
    return w


@pytest.mark.parametrize(("name", "by_hand"), [("optax", optax_amsgrad), ("keras", keras_amsgrad)])
def test_amsgrad_is_the_frameworks_own(name: str, by_hand: Any) -> None:
    rng = np.random.default_rng(0)
    w, grads = rng.normal(size=(3, 3)), [rng.normal(size=(3, 3)) * (3.0 if t < 5 else 0.3) for t in range(60)]
    found = {}
    for kind, settings in (
        (find(name).optimizer, {}),
        (halflife.AdamW, {}),
        (find(name).optimizer, {"amsgrad": False}),
    ):
        p = torch.nn.Parameter(torch.tensor(w))
        optimizer = kind([p], **{"lr": 0.01, "weight_decay": 0.1, "amsgrad": True, **settings})
        for g in grads:
            p.grad = torch.tensor(g)
            optimizer.step()
        found[len(found)] = p.detach().numpy()
    expected = by_hand(w, grads, 0.01, 0.1)
    assert np.abs(found[0] - expected).max() <= 1e-13
    assert np.abs(found[2] - expected).max() > 1e-6, "the flag is seen"
    if name == "optax":
        assert np.abs(found[1] - expected).max() > 1e-3, "torch's is another"


@pytest.mark.parametrize("name", ["bitsandbytes", "bitsandbytes-cpu", "apex", "deepspeed-cpu", "paper", "optimi"])
def test_an_amsgrad_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"amsgrad=True cannot be had of {find(name).name}, for .*; leave it out"):
        find(name).optimizer([matrix()], amsgrad=True)
    find(name).optimizer([matrix()], amsgrad=False)


def test_the_trainer_of_today_and_the_former_adamw() -> None:
    trainer, former = find("huggingface"), find("huggingface-former")
    assert (trainer.defaults.eps, trainer.order, trainer.eps) == (1e-8, "before", "standard")
    assert (former.defaults.eps, former.order, former.eps) == (1e-6, "after", "uncorrected")
    assert find("transformers") is trainer
    built = trainer.optimizer([matrix()], learning_rate=1e-4, adam_beta2=0.95)
    assert (type(built), built.param_groups[0]["betas"]) == (halflife.AdamW, (0.9, 0.95))


@pytest.mark.parametrize(
    ("R", "decay", "said"),
    [
        (rz.L1(), "proximal_lr", "L1() moves each weight toward 0 by 0.001 a step"),
        (rz.Scaled(3.0, rz.L1()), "proximal_lr", "toward 0 by 0.003 a step"),
        (rz.GroupLasso(dim=0), "proximal_lr", "shortens each block by 0.001 a step"),
        (rz.NonNegative(), "proximal", "is a constraint: it holds after each step, whatever λ"),
        (rz.Sphere(), "proximal", "is a constraint"),
        (rz.Huber(0.5), "decoupled", "acts with a threshold of 0.001 a step"),
        (rz.L1(), "euclidean", "depends on the gradients"),
    ],
    ids=str,
)
def test_a_regularizer_is_described_in_its_own_words(R: Any, decay: str, said: str) -> None:
    (group,) = describe(halflife.AdamW([matrix()], lr=0.1, weight_decay=0.01, regularizer=R, decay=decay)).groups
    assert said in group.pull
    assert (group.removed, group.half_life, group.weight_decays) == (None, None, {})
    assert said in str(describe(halflife.AdamW([matrix()], lr=0.1, weight_decay=0.01, regularizer=R, decay=decay)))


def test_a_multiple_of_the_ridge_is_that_multiple() -> None:
    (group,) = describe(
        halflife.AdamW([matrix()], lr=0.1, weight_decay=0.01, regularizer=rz.Scaled(3.0, rz.L2()))
    ).groups
    assert group.removed == pytest.approx(0.003)
    assert group.weight_decays["torch"] == pytest.approx(0.03)


@pytest.mark.parametrize("module", [torch.optim, halflife])
def test_muon_and_adafactor_are_decoupled(module: Any) -> None:
    for name in ("Muon", "Adafactor"):
        (group,) = describe(getattr(module, name)([matrix()], lr=0.1, weight_decay=0.2)).groups
        assert group.removed == pytest.approx(0.02), name


def test_the_base_is_what_a_scheduler_noted() -> None:
    optimizer = torch.optim.AdamW([matrix()], lr=0.1, weight_decay=0.1)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    (group,) = describe(optimizer).groups
    assert (group.lr, group.base_lr, group.warnings) == (0.0, 0.1, ())
    assert group.half_life == pytest.approx(math.log(0.5) / math.log(0.99))
    ours = halflife.AdamW([matrix()], lr=1e-5, weight_decay=1e-3, decay="independent")
    torch.optim.lr_scheduler.OneCycleLR(ours, max_lr=0.1, total_steps=10)
    (group,) = describe(ours).groups
    assert (group.base_lr, group.removed) == (0.1, pytest.approx(1e-3))


def test_a_strange_step_is_refused() -> None:
    class Mine(torch.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": 0.1, "weight_decay": 0.1})

        def step(self, closure: Any = None) -> None: ...

    with pytest.raises(ValueError, match="makes a step of its own, and what its weight_decay means is not known"):
        describe(Mine([matrix()]))
    AdamW = type("AdamW", (Mine,), {"__module__": "bitsandbytes.optim.adamw", "step": lambda self: None})
    assert describe(AdamW([matrix()])).groups[0].removed == pytest.approx(0.01)
