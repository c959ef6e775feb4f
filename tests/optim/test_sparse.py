"""Sparse gradients: as torch where torch takes them, refused elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .layouts import (
    ENGINES,
    TORCH,
    both,
    each_engine,
    noise,
    ours,
    train,
)
from .users import asked_of


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
    optimizers = [c([torch.nn.Parameter(noise(shape))], lr=0.1, **flags, **asked_of(c, engine)) for c in both(name)]
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
        optimizer = optimizer_class(model.parameters(), lr=0.1, **asked_of(optimizer_class, engine))
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
    said = [message(c([torch.nn.Parameter(noise((5, 3)))], **asked_of(c, engine))) for c in both(name)]
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
