"""The constructor: torch's signature, letter for letter, and what ours add."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest
import torch

from halflife import regularizers as rz
from halflife.decays import NAMED

from .users import (
    EXTRAS,
    each,
    each_of_torch,
    ours,
    theirs,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


@each_of_torch
def test_signature_is_torchs_with_our_keywords_after_it(name: str) -> None:
    mine = list(inspect.signature(ours(name)).parameters.values())
    original = list(inspect.signature(theirs(name)).parameters.values())
    assert mine[: len(original)] == original
    added = {p.name for p in mine[len(original) :]}
    assert {"decay", "regularizer"} <= added <= EXTRAS
    assert "weight_decay" not in added or name == "Rprop"
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in mine[len(original) :])


@each_of_torch
def test_defaults_hold_torchs(name: str) -> None:
    mine, original = ours(name)(weights()).defaults, theirs(name)(weights()).defaults
    assert {key: mine[key] for key in original} == original
    assert mine.keys() - original.keys() <= {*EXTRAS, "decoupled_weight_decay"}  # which torch < 2.7 does not say


@each
def test_positional_arguments_and_unknown_ones(name: str) -> None:
    assert ours(name)(weights(), 0.25).param_groups[0]["lr"] == 0.25
    with pytest.raises(TypeError, match="no_such_option"):
        ours(name)(weights(), no_such_option=1)
    with pytest.raises(TypeError, match="too many positional"):
        ours(name)(weights(), *range(20))


@each
def test_is_a_torch_optimizer(name: str) -> None:
    assert isinstance(ours(name)(weights()), torch.optim.Optimizer)
    assert not hasattr(torch.optim, name) or issubclass(ours(name), theirs(name))


@each
@pytest.mark.parametrize(("key", "wrong", "legal"), [("decay", "l2", NAMED), ("regularizer", "L1", ["L1()"])])
def test_a_wrong_word_is_answered_with_the_right_ones(name: str, key: str, wrong: Any, legal: Any) -> None:
    for value in (wrong, 3):
        with pytest.raises(ValueError, match=key) as caught:
            ours(name)(weights(), **{key: value})
        assert all(word in str(caught.value) for word in legal)


REFUSED = [("coupled", rz.L1()), ("decoupled", rz.GroupLasso(0)), ("cautious", rz.L0()), ("independent", rz.Box(-1, 1))]


@each
@pytest.mark.parametrize(("decay", "regularizer"), REFUSED)
def test_what_does_not_compose_is_refused_with_what_would(name: str, decay: str, regularizer: Any) -> None:
    with pytest.raises(ValueError, match="does not compose") as caught:
        ours(name)(weights(), lr=0.1, decay=decay, regularizer=regularizer)
    assert "'proximal'" in str(caught.value)
    optimizer = ours(name)(weights(), lr=0.1)
    train(optimizer, 2)
    before = copy.deepcopy(optimizer.state_dict())
    late = {"params": weights(seed=1), "decay": decay, "regularizer": regularizer}
    with pytest.raises(ValueError, match="does not compose"):
        optimizer.add_param_group(late)
    assert repr(optimizer.state_dict()) == repr(before)
    assert train(optimizer, 2).isfinite().all()


@each
@pytest.mark.parametrize("wrong", [{"lr": -0.1}, {"weight_decay": -0.1}])
def test_negative_numbers_are_refused(name: str, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("lr", "(lr|learning rate)")):
        ours(name)(weights(), **wrong)


@each
def test_repr_shows_update_and_engine(name: str) -> None:
    optimizer = ours(name)([{"params": [p]} for p in weights()], decay="proximal", regularizer=rz.L1(), lr=0.1)
    text = repr(optimizer)
    assert text.startswith(f"{name} (\nParameter Group 0\n    update: ")
    engine = optimizer.engines()[0].name
    assert text.count("× (implicit × schedule) × L1()") == text.count(f"engine: {engine} (") == 2
    lines = [line for line in text.split("\n") if "update:" not in line and "engine:" not in line]
    assert "\n".join(lines) == torch.optim.Optimizer.__repr__(optimizer)
