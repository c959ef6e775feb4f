"""One signature: the class, its ``__init__``, its type hints, its source text and torch's class agree."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import Any, Literal, get_args, get_type_hints

import cloudpickle
import pytest
import torch

import halflife
from halflife.decays import NAMED
from halflife.optim import DecayName, Options
from halflife.optim.signature import constructor

from ..optim.users import EVERY, TORCH, each_class, each_of_torch, ours, theirs, weights

OPTIONS = get_type_hints(Options)
NEWEST = "decoupled_weight_decay" in inspect.signature(torch.optim.Adam).parameters


def shape(signature: Signature) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults, in order."""
    return [(p.name, p.kind, p.default) for p in signature.parameters.values() if p.name != "self"]


def text_of(name: str) -> Any:
    """The ``__init__`` as it is written in the source, which type checkers and editors read."""
    return ours(name).__init__.__wrapped__


@each_class
def test_class_and_constructor_and_hints_agree(name: str) -> None:
    cls = ours(name)
    signature, hints = inspect.signature(cls), get_type_hints(cls.__init__)
    assert shape(signature) == shape(inspect.signature(cls.__init__))
    assert list(hints) == [*signature.parameters, "return"]
    assert all(hints[p.name] == p.annotation for p in signature.parameters.values())
    assert {option: hints[option] for option in OPTIONS} == OPTIONS
    assert not {Any, Parameter.empty} & {p.annotation for p in signature.parameters.values()}
    assert not any(p.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL) for p in signature.parameters.values())
    assert cls.__init__.__qualname__ == f"{name}.__init__"


def test_the_base_class_has_hints_too() -> None:
    assert "params" in get_type_hints(halflife.Optimizer.__init__)
    assert "params" in inspect.signature(halflife.Optimizer).parameters


@each_of_torch
def test_torchs_part_is_torchs(name: str) -> None:
    mine, original = shape(inspect.signature(ours(name))), shape(inspect.signature(theirs(name)))
    assert mine[: len(original)] == original
    added = [kind for _, kind, _ in mine[len(original) :]]
    assert added == [Parameter.KEYWORD_ONLY] * len(added)


@pytest.mark.skipif(not NEWEST, reason="the text is that of newer versions of torch")
@each_of_torch
def test_the_written_text_is_torchs(name: str) -> None:
    *written, options = shape(inspect.signature(text_of(name)))
    assert written == shape(inspect.signature(theirs(name)))
    assert options[1] is Parameter.VAR_KEYWORD


@each_of_torch
def test_types_are_torchs_but_where_ours_are_wider(name: str) -> None:
    mine, original = inspect.signature(ours(name)).parameters, inspect.signature(theirs(name)).parameters
    for parameter in original.values():
        theirs_of, ours_of = (get_args(p.annotation) or (p.annotation,) for p in (parameter, mine[parameter.name]))
        assert {*map(str, theirs_of)} <= {*map(str, ours_of)} or not NEWEST, parameter.name


def test_what_class_keywords_set_is_shown() -> None:
    shown = {name: inspect.signature(ours(name)).parameters for name in EVERY}
    assert shown["SGDW"]["momentum"].default == 0.9
    assert [shown[name]["weight_decay"].default for name in ("AdamL2", "ProxAdam", "AdamP")] == [1e-2, 1e-5, 1e-2]
    decays = {name: parameters["decay"].default for name, parameters in shown.items()}
    assert {name: decay for name, decay in decays.items() if decay} == {
        **{name: "decoupled" for name in ("Adafactor", "Muon") if name in EVERY},
        "AdamW": "decoupled",
        "Lion": "decoupled",
        "SGDW": "independent",
        "AdamL2": "coupled",
        "ProxAdam": "proximal",
        "AdamP": "euclidean",
        "ProxSGD": "proximal_lr",
    }


def test_the_words_are_the_decays_names() -> None:
    assert get_args(DecayName) == tuple(NAMED)


@each_of_torch
def test_an_instance_is_torchs_by_class_and_name(name: str) -> None:
    optimizer = ours(name)(weights())
    assert isinstance(optimizer, theirs(name))
    assert type(optimizer).__name__ == name
    assert optimizer.defaults["decay"] == inspect.signature(type(optimizer)).parameters["decay"].default


class Older(torch.optim.SGD):
    """As torch's class was before it had dampening, and as it may be when it will have a horizon."""

    def __init__(self, params: Any, lr: float = 1e-3, momentum: float = 0, *, maximize: bool = False, horizon: int = 3):
        super().__init__(params, lr, momentum, maximize=maximize)
        self.defaults["horizon"] = horizon


@dataclass(frozen=True)
class Plain(halflife.rules.Rule):
    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        return g, 1.0, {}


def test_the_installed_torch_decides() -> None:
    members = {"__init__": constructor(text_of("SGD"))}
    mine: Any = type("Mine", (halflife.Optimizer, Older), members, rule=Plain)
    signature = inspect.signature(mine)
    names = ["params", "lr", "momentum", "maximize", "horizon", "weight_decay", *OPTIONS]
    assert list(signature.parameters) == names == list(get_type_hints(mine.__init__))[:-1]
    assert signature.parameters["horizon"].annotation in (int, "int")
    assert mine(weights(), horizon=5).defaults["horizon"] == 5
    with pytest.raises(TypeError, match="no argument 'dampening'"):
        mine(weights(), dampening=0.1)
    without: Any = type("Without", (halflife.Optimizer,), members, rule=Plain)
    assert list(inspect.signature(without).parameters)[:4] == ["params", "lr", "momentum", "dampening"]


@dataclass(frozen=True)
class Toy(halflife.rules.Rule):
    """A rule with settings of every kind."""

    beta1: float = 0.9
    beta2: float = 0.99
    form: Literal["plain", "signed"] = "plain"
    sizes: list[int] = field(default_factory=lambda: [1])
    scale: float = 1.0

    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        return self.scale * g, 1.0, {}


class ToyOptimizer(halflife.Optimizer, rule=Toy, lr=0.1, decay="proximal", betas=(0.5, 0.6)):
    pass


def test_a_users_rule_gives_the_signature() -> None:
    shown = inspect.signature(ToyOptimizer).parameters
    assert list(shown)[:7] == ["params", "lr", "betas", "form", "sizes", "scale", "weight_decay"]
    assert [shown[name].default for name in ("lr", "betas", "sizes", "decay")] == [0.1, (0.5, 0.6), [1], "proximal"]
    assert get_type_hints(ToyOptimizer.__init__)["form"] == Literal["plain", "signed"]
    assert ToyOptimizer(weights(), form="signed").param_groups[0]["form"] == "signed"
    with pytest.raises(ValueError, match=r"form='sign' is not known.*did you mean 'signed'"):
        ToyOptimizer(weights(), form="sign")


def test_a_setting_without_a_default_must_be_given() -> None:
    @dataclass(frozen=True)
    class Needs(halflife.rules.Rule):
        gain: float

        def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
            return self.gain * g, 1.0, {}

    class Must(halflife.Optimizer, rule=Needs):
        pass

    class Has(Must, gain=2.0):
        pass

    with pytest.raises(TypeError, match=r"Must: missing a required.* argument: 'gain'"):
        Must(weights())
    assert Must(weights(), gain=3.0).defaults["gain"] == 3.0
    assert Has(weights()).defaults["gain"] == 2.0


class Written(halflife.AdamW):
    def __init__(self, params: Any, strength: float = 0.1) -> None:
        super().__init__(params, weight_decay=strength)


class Preset(Written, lr=0.5):
    pass


def test_a_written_constructor_stays_and_so_do_a_presets_defaults() -> None:
    assert list(inspect.signature(Preset).parameters) == ["params", "strength"]
    group = Preset(weights(), strength=0.3).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.3)


@pytest.mark.parametrize("cls", [*map(ours, EVERY), ToyOptimizer, Preset])
def test_classes_and_instances_are_copied_and_pickled(cls: Any) -> None:
    optimizer = cls(weights())
    assert pickle.loads(pickle.dumps(cls)) is copy.deepcopy(cls) is cls
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert type(twin) is cls
        assert twin.defaults.keys() == optimizer.defaults.keys()


def test_a_class_by_value() -> None:
    """As of a notebook's class, sent to another process."""

    class Local(halflife.ProxAdam, weight_decay=0.25):
        pass

    twin = cloudpickle.loads(cloudpickle.dumps(Local))
    assert shape(inspect.signature(twin)) == shape(inspect.signature(Local))
    assert twin(weights()).defaults["weight_decay"] == 0.25
    assert inspect.signature(type("Child", (twin,), {}, lr=0.5)).parameters["lr"].default == 0.5


@each_class
def test_docstrings_explain_each_argument(name: str) -> None:
    """In the class's own words or, for what all take, in those of ``Optimizer``."""
    classes = [cls for cls in ours(name).__mro__ if cls.__module__.startswith("halflife.optim")]
    words = " ".join(inspect.getdoc(cls) or "" for cls in classes)
    assert all(parameter in words for parameter in inspect.signature(ours(name)).parameters)
    own = " ".join(cls.__doc__ or "" for cls in classes if "Args:" in (cls.__doc__ or ""))
    assert all(section in own for section in ("::", "Args:", "hapes", "Raises:", "Source"))
    assert len((ours(name).__doc__ or "").splitlines()[0]) < 120


def test_each_written_constructor_is_only_a_signature() -> None:
    """A body would be lost without a word."""
    for name in ("sgd", "adam", "matrix"):
        module = __import__(f"halflife.optimizers.{name}", fromlist=["__file__"])
        inits = [n for n in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(n, ast.FunctionDef)]
        written = [init for init in inits if init.name == "__init__"]
        assert written
        assert all(isinstance(init.body[0], ast.Expr) and len(init.body) == 1 for init in written)


def test_all_of_torchs_are_covered() -> None:
    assert {name for name in TORCH if not issubclass(ours(name), theirs(name))} == set()
