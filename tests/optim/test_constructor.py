"""The constructor: what it takes and keeps, and the sentence for what it does not take."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import halflife
from halflife import regularizers as rz
from halflife.decays import NAMED

from .users import (
    ALL,
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
def test_defaults_hold_torchs(name: str) -> None:
    mine, original = ours(name)(weights()).defaults, theirs(name)(weights()).defaults
    assert {key: mine[key] for key in original} == original
    assert mine.keys() - original.keys() <= EXTRAS


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
    said = {"lr": "(?i)(lr|learning rate)", "weight_decay": "(?i)weight[ _]decay"}
    with pytest.raises(ValueError, match=said[next(iter(wrong))]):
        ours(name)(weights(), **wrong)


@each
def test_repr_shows_update_and_engine(name: str) -> None:
    optimizer = ours(name)([{"params": [p]} for p in weights()], decay="proximal", regularizer=rz.L1(), lr=0.1)
    text = repr(optimizer)
    assert text.startswith(f"{name} (\nParameter Group 0\n    update: ")
    engine = optimizer.engines()[0].name
    assert text.count("× (implicit × schedule) × L1()") == text.count(f"engine: {engine} (") == 2
    lines = [line for line in text.split("\n") if "update:" not in line and f"engine: {engine} (" not in line]
    theirs = torch.optim.Optimizer.__repr__(optimizer).split("\n")
    assert lines == [line for line in theirs if line != "    engine: None"]  # one line says it, and why


NAN = float("nan")
MODEL = torch.nn.Linear(1, 1)
SENTENCES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"weight_decy": 0.1}, TypeError, "has no argument 'weight_decy'; did you mean 'weight_decay'?"),
    ({"regulariser": None}, TypeError, "has no argument 'regulariser'; did you mean 'regularizer'?"),
    ({"learning_rate": 0.1}, TypeError, "has no argument 'learning_rate'; did you mean 'lr'?"),
    ({"zz": 0.1}, TypeError, "has no argument 'zz'; it takes params, lr, "),
    ({"weight_decay": "0.1"}, TypeError, "weight_decay must be a number, a 0-d tensor, a schedule of "),
    ({"weight_decay": None}, TypeError, "or a halflife.HalfLife, but None (NoneType) was given."),
    ({"weight_decay": halflife.HalfLife}, TypeError, "weight_decay must be a number, "),
    ({"weight_decay": NAN}, ValueError, "weight_decay must be a number, but nan was given."),
    ({"weight_decay": torch.ones(2)}, ValueError, "Tensor weight_decay must be 1-element, but one of shape (2,)"),
    ({"lr": "1e-3"}, TypeError, "lr must be a number or a 0-d tensor, but '1e-3' (str) was given."),
    ({"lr": None}, TypeError, "lr must be a number or a 0-d tensor, but None (NoneType) was given."),
    ({"lr": True}, TypeError, "lr must be a number or a 0-d tensor, but True (bool) was given."),
    ({"lr": [0.1]}, TypeError, "lr must be a number or a 0-d tensor, but [0.1] (list) was given."),
    ({"lr": NAN}, ValueError, "lr must be a number, but nan was given."),
    ({"maximize": "False"}, ValueError, "maximize must be True or False, but 'False' (str) was given."),
    ({"skip_nonfinite": "no"}, ValueError, "skip_nonfinite must be True or False, but 'no' (str) was given."),
    ({"decay": "Decoupled"}, ValueError, " 'corrected' or 'cautious'; did you mean 'decoupled'?"),
    ({"decay": "indep"}, ValueError, "decay='indep' is not known; choose None, a halflife.Decay, 'coupled', "),
    ({"regularizer": rz.L1}, ValueError, "is not a regularizer; give one of halflife.regularizers, such as L1()"),
    ({"rounding": None}, ValueError, "rounding=None is not known; choose one of 'nearest', 'stochastic', 'kahan'."),
    ({"rounding": "kahn"}, ValueError, "'kahan'; did you mean 'kahan'?"),
    (
        {"state_dtype": "bf16"},
        ValueError,
        "is not known; choose None, torch.float32, torch.bfloat16 or '8bit'.",
    ),
    ({"state_dtype": torch.float64}, ValueError, "state_dtype=torch.float64 is not known; choose None"),
    (
        {"engine": "fast"},
        ValueError,
        "engine='fast' is not known; choose None, 'native', 'cuda', 'compiled', 'foreach'",
    ),
    ({"max_grad_norm": "1.0"}, TypeError, "max_grad_norm must be a number, a 0-d tensor or None, but '1.0' (str) was"),
    ({"ema_decay": "0.9"}, TypeError, "ema_decay must be a number, a 0-d tensor or None, but '0.9' (str) was given."),
    ({"base_lr": -1.0}, ValueError, "base_lr, by which lr is divided to η = lr/base_lr, must be above 0, but -1 was"),
    ({"base_lr": 0}, ValueError, "must be above 0, but 0 was given."),
    ({"params": MODEL}, TypeError, "params is a model (Linear); give model.parameters() or halflife.param_groups"),
    ({"params": torch.nn.Sequential(MODEL)}, TypeError, "params is a model (Sequential); give model.parameters()"),
    ({"params": MODEL.parameters}, TypeError, "params is the function parameters; call it: parameters()."),
    ({"params": {"params": list(MODEL.parameters())}}, TypeError, "params is a dict; put parameter groups in a list"),
    ({"params": None}, TypeError, "params must be tensors, (name, tensor) pairs or parameter groups, but None was"),
    ({"params": MODEL.weight}, TypeError, "params argument given to the optimizer should be an iterable of Tensors"),
    ({"params": []}, ValueError, "optimizer got an empty parameter list"),
]


@pytest.mark.parametrize(("wrong", "kind", "sentence"), SENTENCES, ids=lambda x: str(x)[:40])
def test_each_mistake_has_its_sentence(wrong: dict[str, Any], kind: type[Exception], sentence: str) -> None:
    for name in ALL:
        with pytest.raises(kind, match=re.escape(sentence)):
            ours(name)(**{"params": weights(), **wrong})


def test_each_mistake_in_a_group_too() -> None:
    late = halflife.AdamW(weights())
    for wrong, kind, sentence in SENTENCES:
        if not wrong.keys() & {"params", "weight_decy", "regulariser", "learning_rate", "zz", "base_lr"}:
            with pytest.raises(kind, match=re.escape(sentence)):
                halflife.AdamW([{"params": weights(), **wrong}])
            with pytest.raises(kind, match=re.escape(sentence)):
                late.add_param_group({"params": weights(seed=1), **wrong})
    late.add_param_group({"params": weights(seed=1), "lr": np.float64(0.25), "tag": "half"})
    assert type(late.param_groups[1]["lr"]) is float
    assert len(late.param_groups) == 2


BETAS: list[tuple[Any, type[Exception], str]] = [
    (0.9, TypeError, "betas must be a tuple of 2 numbers, but 0.9 (float) was given."),
    (None, TypeError, "betas must be a tuple of 2 numbers, but None (NoneType) was given."),
    ("ab", TypeError, "betas must be a tuple of 2 numbers, but 'ab' (str) was given."),
    ((0.9,), ValueError, "betas must be a tuple of 2 numbers, but (0.9,) has 1."),
    ((0.9, "0.9"), TypeError, "betas[1] must be a number or a 0-d tensor, but '0.9' (str) was given."),
    ((0.9, 1.0), ValueError, "1.0"),
]


@pytest.mark.parametrize(("betas", "kind", "sentence"), BETAS, ids=str)
def test_each_mistake_in_a_pair(betas: Any, kind: type[Exception], sentence: str) -> None:
    for name in ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Lion", "ProxAdam"):
        with pytest.raises(kind, match=re.escape(sentence)):
            ours(name)(weights(), betas=betas)


@each
def test_arguments_missing_doubled_or_too_many(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: missing a required argument: 'params'."):
        ours(name)()
    with pytest.raises(TypeError, match=f"{name}: multiple values for argument 'lr'."):
        ours(name)(weights(), 0.1, lr=0.2)
    with pytest.raises(TypeError, match=rf"too many positional arguments for {name}: 21 were given, .*params, lr"):
        ours(name)(weights(), *range(20))


@each
@pytest.mark.parametrize("number", [np.float64(0.25), np.float32(0.25), np.array(0.25), torch.tensor(0.25)], ids=repr)
def test_what_is_a_number_may_be_given_as_one(name: str, number: Any) -> None:
    """NumPy's become Python's own, which ``torch.load(weights_only=True)`` reads."""
    optimizer = ours(name)(weights(), lr=number, weight_decay=number)
    plain = ours(name)(weights(), lr=0.25, weight_decay=0.25)
    kept = optimizer.param_groups[0]
    assert [type(kept[key]) for key in ("lr", "weight_decay")] == [
        type(number) if torch.is_tensor(number) else float
    ] * 2
    assert float((train(optimizer) - train(plain)).abs().max()) <= 1e-12


def test_pairs_and_flags_of_other_types() -> None:
    for betas in ([0.9, 0.95], np.array([0.9, 0.95]), (np.float64(0.9), 0.95)):
        kept = halflife.AdamW(weights(), betas=betas).param_groups[0]["betas"]
        assert [*kept] == [0.9, 0.95]
        assert all(type(β) is float for β in kept)
    assert halflife.SGD(weights(), momentum=0.9, nesterov=np.bool_(True)).param_groups[0]["nesterov"] is True
    assert halflife.SGD(weights(), momentum=0.9, nesterov=1).param_groups[0]["nesterov"] == 1


@each
def test_no_decay_named_is_the_classs_own(name: str) -> None:
    assert ours(name)(weights(), decay=None).defaults == ours(name)(weights()).defaults


class RuleLess(halflife.Optimizer):
    """A step of classes may lie between; an optimizer it is not."""


@dataclass(frozen=True)
class Sign(halflife.rules.Rule):
    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        return g.sign(), 1.0, {}


class NoDataclass(halflife.rules.Rule):
    __call__ = Sign.__call__


CLASSES: list[tuple[type, dict[str, Any], type[Exception], str]] = [
    (halflife.Optimizer, {"lr": 0.1}, TypeError, "Mine has no rule; write class Mine(halflife.Optimizer, rule=MyRule)"),
    (halflife.Optimizer, {"rule": "adam"}, TypeError, "class Mine: rule='adam' is not a rule; give a class such as"),
    (
        halflife.Optimizer,
        {"rule": Sign()},
        TypeError,
        "class Mine: rule=Sign() is an object; give its class, rule=Sign.",
    ),
    (halflife.Optimizer, {"rule": NoDataclass}, TypeError, "rule=NoDataclass must be a frozen dataclass that derives"),
    (
        halflife.Optimizer,
        {"rule": int},
        TypeError,
        "rule=int must be a frozen dataclass that derives from halflife.rules",
    ),
    (
        halflife.AdamW,
        {"weight_decy": 1},
        TypeError,
        "class Mine sets weight_decy, but Mine has no argument 'weight_decy'",
    ),
    (halflife.AdamW, {"decay": "proximl"}, ValueError, "decay='proximl' is not known; "),
    (halflife.AdamW, {"lr": "0.1"}, TypeError, "lr must be a number or a 0-d tensor, but '0.1' (str) was given."),
]


@pytest.mark.parametrize(("base", "words", "kind", "sentence"), CLASSES, ids=str)
def test_a_mistake_in_a_class(base: type, words: dict[str, Any], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=re.escape(sentence)):
        type("Mine", (base,), {}, **words)


@pytest.mark.parametrize("cls", [RuleLess, halflife.Optimizer])
def test_an_optimizer_without_a_rule(cls: Any) -> None:
    with pytest.raises(TypeError, match=f"{cls.__name__} has no rule; write class {cls.__name__}"):
        cls(weights(), lr=0.1)
    built: Any = type("Built", (cls,), {}, rule=Sign)
    assert train(built(weights(), lr=0.1)).isfinite().all()


def test_halflife_in_the_place_of_torch_optim() -> None:
    for name in torch.optim.__all__:
        assert hasattr(halflife, name), name
        assert name in dir(halflife)
    assert halflife.lr_scheduler is torch.optim.lr_scheduler
    assert halflife.swa_utils is torch.optim.swa_utils
    assert set(halflife.__all__) <= set(dir(halflife))
    for wrong in ("AdmaW", "_functional"):
        with pytest.raises(AttributeError, match=f"module 'halflife' has no attribute '{wrong}'"):
            getattr(halflife, wrong)
