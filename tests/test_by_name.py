"""Optimizers by name: the list, the spellings, and what is made for a model."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import halflife
from halflife import create_optimizer, list_optimizers, optimizers, param_groups, registry, rules
from halflife.by_name import optimizer_named
from halflife.catalogue import command_name
from halflife.regularizers import L1, Box, ElasticNet, GroupLasso
from halflife.schedules import CosineWD

CLASSES = {name: x for name in optimizers.__all__ if isinstance(x := getattr(optimizers, name), type)}
SOURCE = str(Path(halflife.__file__).parents[1])


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 6), nn.Linear(6, 2))


def settings_of(optimizer: Any, *words: str) -> dict[str, tuple[Any, ...]]:
    """Of each parameter by its name what its group says."""
    return {n: tuple(g.get(w) for w in words) for g in optimizer.param_groups for n in g["param_names"]}


def trained(make: Any, steps: int = 30) -> torch.Tensor:
    """The weights after some steps under a moving learning rate, which have moved by more than 0.1."""
    net = model().double()
    start = nn.utils.parameters_to_vector(net.parameters()).detach().clone()
    optimizer, g = make(net), torch.Generator().manual_seed(1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2 * steps)
    for _ in range(steps):
        x = torch.randn(8, 4, generator=g, dtype=torch.float64)
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
        schedule.step()
    now = nn.utils.parameters_to_vector(net.parameters()).detach()
    assert (now - start).abs().max() > 0.1
    return now


@dataclass(frozen=True)
class HalfStep(rules.Rule):
    """Half a step of gradient descent, or another share."""

    share: float

    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        return self.share * g, 1.0, {}


@dataclass(frozen=True)
class WholeMatrix(rules.Rule):
    acts_on = "matrices"

    def check(self, p: Any) -> None:
        if p.dim() != 2:
            raise ValueError("WholeMatrix takes matrices alone.")

    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        return g, 1.0, {}


@pytest.fixture
def more_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_entries", {**registry._entries})
    for rule in (HalfStep, WholeMatrix):
        registry.register(registry.RuleEntry(rule, registry.by_fields(rule)))


def test_the_list_has_every_optimizer_sorted() -> None:
    ours = sorted(command_name(name) for name in CLASSES)
    assert [name for name in list_optimizers() if name in ours] == ours
    assert list_optimizers() == sorted(list_optimizers())
    assert {"sparse-adam", "lbfgs", "prox-adam", "adamw", "muon"} <= {*list_optimizers()}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("adam*",), ["adam", "adam-l2", "adam-p", "adamax", "adamw"]),
        (("Prox_*",), ["prox-adam", "prox-sgd"]),
        (("proxadam",), ["prox-adam"]),
        ((["*sgd*", "lion"],), ["asgd", "lion", "prox-sgd", "sgd", "sgdw"]),
        (("*sgd*", "prox*"), ["asgd", "sgd", "sgdw"]),
        (("adam*", ["*-*", "adamax"]), ["adam", "adamw"]),
        (("adamw", None), ["adamw"]),
        (("adamw", [""]), ["adamw"]),
        (("nothing*",), []),
    ],
)
def test_patterns(asked: Any, found: list[str]) -> None:
    assert list_optimizers(*asked) == found


def test_descriptions_are_one_plain_line() -> None:
    described = list_optimizers(with_description=True)
    assert [name for name, _ in described] == list_optimizers()
    for _, text in described:
        assert len(text) > 10
        assert not re.search(r"[`\n]|[.: ]$", text)
    assert "decoupled" in dict(described)["adamw"]


def test_a_pattern_that_is_no_string() -> None:
    with pytest.raises(TypeError, match="filter must be a glob such as 'adam\\*'"):
        list_optimizers([3])  # type: ignore[list-item]


def test_rules_that_are_registered_later(more_rules: None) -> None:
    assert ("half-step", "Half a step of gradient descent, or another share") in list_optimizers(with_description=True)
    w = nn.Parameter(torch.ones(1))
    w.grad = torch.ones(1)
    create_optimizer("Half_Step", [w], lr=1.0, share=0.25).step()
    assert w.item() == 0.75
    net = model()
    assert len(create_optimizer("half-step", net, share=0.25).param_groups) == 2
    routed = settings_of(create_optimizer("wholematrix", net, lr=0.1), "rule")
    assert [name for name, (rule,) in routed.items() if rule != "Adam"] == ["0.weight", "2.weight"]


PLUGIN = "from halflife import registry, rules\nfrom tests.test_by_name import HalfStep\n"
PLUGIN += "registry.register(registry.RuleEntry(HalfStep, registry.by_fields(HalfStep)))\n"


@pytest.mark.parametrize("asked", ["list_optimizers('half*')", "create_optimizer('halfstep', p, share=0.5)"])
@pytest.mark.parametrize("module", [PLUGIN, "import no_such_module"], ids=["works", "broken"])
def test_an_installed_distributions_rules(asked: str, module: str, tmp_path: Path) -> None:
    about = tmp_path / "half_step-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: half-step\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[halflife.rules]\nhalf = half_step\n", encoding="utf-8")
    (tmp_path / "half_step.py").write_text(module, encoding="utf-8")
    run = f"import torch, halflife; p = [torch.nn.Parameter(torch.ones(2))]; print(halflife.{asked})"
    path = os.pathsep.join([str(tmp_path), SOURCE, str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, env=env, check=False)
    if module == PLUGIN:
        assert done.returncode == 0, done.stderr
        assert "half-step" in done.stdout or "HalfStep" in done.stdout
    else:
        assert "cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')" in done.stderr
        assert "no optimizer called 'halfstep'" in done.stderr or done.stdout == "[]\n"


@pytest.mark.parametrize("name", CLASSES)
def test_every_spelling_means_the_class(name: str) -> None:
    hyphens = command_name(name)
    for spelling in (name, hyphens, hyphens.upper(), hyphens.title(), hyphens.replace("-", "_")):
        assert optimizer_named(spelling) == (CLASSES[name], {})
    if name != "AdamP":
        assert optimizer_named(name.lower()) == (CLASSES[name], {})


@pytest.mark.parametrize("name", list_optimizers())
def test_each_is_made_for_a_model_as_its_class_is(name: str) -> None:
    """With the class's own defaults where nothing is said."""
    net = model()
    made, kind = create_optimizer(name, net), optimizer_named(name)[0]
    assert type(made) is kind
    assert {id(p) for g in made.param_groups for p in g["params"]} == {id(p) for p in net.parameters()}
    assert made.defaults == kind([net[0].weight]).defaults
    if kind not in (halflife.Muon, halflife.LBFGS):
        groups = [{**g, "params": None} for g in made.param_groups]
        assert groups == [{**g, "params": None} for g in kind(param_groups(net)).param_groups]
    plain = create_optimizer(name, [net[0].weight], 0.1)
    assert plain.param_groups[0]["lr"] == 0.1
    assert plain.defaults["weight_decay"] == made.defaults["weight_decay"]


SAME = {
    "momentum": lambda p: halflife.SGD(p, lr=0.1, weight_decay=0.3, momentum=0.9),
    "nesterov": lambda p: halflife.SGD(p, lr=0.1, weight_decay=0.3, momentum=0.9, nesterov=True),
    "nesterovw": lambda p: halflife.SGD(p, lr=0.1, weight_decay=0.3, momentum=0.9, nesterov=True, decay="decoupled"),
    "sgdc": lambda p: halflife.SGD(p, lr=0.1, weight_decay=0.3, momentum=0.9, nesterov=True, decay="corrected"),
    "adamwlegacy": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.3),
    "adamc": lambda p: halflife.AdamW(p, lr=0.1, weight_decay=0.3, decay="corrected"),
    "lionc": lambda p: halflife.Lion(p, lr=0.1, weight_decay=0.3, decay="corrected"),
    "radamw": lambda p: torch.optim.RAdam(p, lr=0.1, weight_decay=0.3, decoupled_weight_decay=True),
}


@pytest.mark.parametrize("name", SAME)
def test_timms_names_of_what_is_ours(name: str) -> None:
    by_name = trained(lambda net: create_optimizer(name, net.parameters(), 0.1, 0.3))
    assert (by_name - trained(lambda net: SAME[name](net.parameters()))).abs().max() < 1e-12
    undecayed = trained(lambda net: create_optimizer(name, net.parameters(), 0.1, 0.0))
    assert (by_name - undecayed).abs().max() > 1e-3


@pytest.mark.parametrize("name", [*SAME, "adamw", "adam", "radam", "nadam", "adamax", "lion"])
def test_timm_means_the_same(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        timm = pytest.importorskip("timm.optim")
    expected = trained(lambda net: timm.create_optimizer_v2(net.parameters(), name, lr=0.1, weight_decay=0.3))
    assert (trained(lambda net: create_optimizer(name, net.parameters(), 0.1, 0.3)) - expected).abs().max() < 1e-11


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("adamp", "Heo et al. 2021.*'adam-p'"),
        ("ADAMP", "Heo et al. 2021.*'adam-p'"),
        ("nadamw", "'nadam' with decay='decoupled'.*timm-nadamw"),
        ("nadamc", "'nadam' with decay='corrected'"),
        ("rmsproptf", "eps_inside=True"),
        ("lookahead_radam", "Lookahead is not in halflife. Create 'radam'"),
        ("lookahead", "Create 'adamw'"),
        ("cadamw", "decay='cautious' is another thing"),
        ("cnadamw", "Cautious Optimizers"),
        ("fusedadamw", "Apex"),
        ("bnb_adamw8bit", "state_dtype='8bit'"),
        ("adamw_torch", "no optimizer called 'adamw_torch'; did you mean 'adamw'"),
        ("proxadm", "did you mean 'prox-adam'.*list_optimizers"),
        ("xyz", r"no optimizer called 'xyz'; halflife.list_optimizers\(\) lists all \d+"),
        ("", "no optimizer called ''"),
    ],
)
def test_other_names_are_refused_with_what_there_is(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        create_optimizer(name, model())


def test_the_way_out_for_nadamw_is_one() -> None:
    params = [*model().parameters()]
    halflife.conventions.find("timm-nadamw").optimizer(params, lr=0.1)
    create_optimizer("nadam", params, decay="decoupled")


@pytest.mark.parametrize("name", [model(), halflife.AdamW, None], ids=["model", "class", "None"])
def test_the_name_comes_first(name: Any) -> None:
    with pytest.raises(TypeError, match="the optimizer's name comes first, create_optimizer"):
        create_optimizer(name, "adamw")  # type: ignore[arg-type]


def test_what_a_class_refuses_stays_refused() -> None:
    with pytest.raises(TypeError, match="did you mean 'momentum'"):
        create_optimizer("sgd", model(), momentun=0.9)


def test_biases_and_norms_are_spared_and_lambda_may_be_a_time_or_a_schedule() -> None:
    decayed = {"0.weight", "2.weight", "3.weight"}
    steps, schedule = halflife.HalfLife(steps=100), CosineWD(0.25, 0.0, 10)
    for given, λ in ((0.2, 0.2), (steps, pytest.approx(0.0069, abs=1e-4)), (schedule, 0.25)):
        found = settings_of(create_optimizer("prox-adam", model(), 0.1, given), "weight_decay")
        assert {name for name, own in found.items() if own == (λ,)} == decayed
        assert {own for name, own in found.items() if name not in decayed} == {(0.0,)}


def test_parameters_groups_and_pairs_are_used_as_they_are() -> None:
    net = model()
    for given in (net.parameters(), net.named_parameters(), [{"params": [*net.parameters()], "lr": 0.5}]):
        (group,) = create_optimizer("adamw", given, 0.1, 0.2).param_groups
        assert group["params"] == [*net.parameters()]
        assert group["weight_decay"] == 0.2
    (group,) = create_optimizer("sgd", nn.ParameterList([*net.parameters()])).param_groups
    assert len(group["params"]) == 8


@pytest.mark.parametrize("option", ["no_decay", "layer_decay", "overrides", "matrix", "head"])
def test_options_of_a_model_want_one(option: str) -> None:
    with pytest.raises(ValueError, match=f"^{option}= is read from a model's names"):
        create_optimizer("adamw", model().parameters(), **{option: ()})


def test_layer_decay_without_a_rate_takes_the_classs_own() -> None:
    for lr, deepest in ((None, 1e-4), (0.1, 0.1)):
        found = settings_of(create_optimizer("lion", model(), lr, layer_decay=0.5), "lr")
        assert (found["3.weight"], found["2.weight"]) == ((deepest,), (deepest / 2,))


def test_no_decay_as_patterns_or_a_function() -> None:
    def spared(**kwargs: Any) -> set[str]:
        found = settings_of(create_optimizer("adamw", model(), 0.1, 0.2, **kwargs), "weight_decay")
        assert {own for (own,) in found.values()} <= {0.0, 0.2, 0.7}
        return {name for name, own in found.items() if own == (0.0,)}

    vectors = {"0.bias", "1.weight", "1.bias", "2.bias", "3.bias"}
    assert spared() == vectors
    assert spared(no_decay=()) == set()
    assert spared(no_decay=["2.*"]) == {"2.weight", "2.bias"}
    assert spared(no_decay=nn.LayerNorm) == {"1.weight", "1.bias"}
    assert spared(no_decay=lambda name, p: p.dim() < 2) == vectors
    only = {"no_decay": lambda name, p: name.startswith("2"), "overrides": {"*.bias": {"weight_decay": 0.7}}}
    assert spared(**only) == {"2.weight"}


def test_words_for_regularizers_and_dtypes() -> None:
    group = lambda **given: create_optimizer("prox-adam", model(), no_decay=(), **given).param_groups[0]  # noqa: E731
    assert group(regularizer="L1")["regularizer"] == L1()
    assert group(regularizer="elastic_net")["regularizer"] == ElasticNet()
    spec = {"name": "elastic-net", "l1_ratio": 0.25}
    assert group(regularizer=spec)["regularizer"] == ElasticNet(0.25)
    assert group(regularizer=L1())["regularizer"] == L1()
    assert group(state_dtype="bfloat16")["state_dtype"] is torch.bfloat16
    assert group(overrides={"*": {"regularizer": "l1"}})["regularizer"] == L1()
    with pytest.raises(ValueError, match="regularizer='l7' is not known; choose one of l2, l1"):
        group(regularizer="l7")
    with pytest.raises(ValueError, match=r"regularizer='scaled' cannot be made.*'scaled', …"):
        group(regularizer="scaled")


def test_a_regularizer_of_blocks_leaves_out_what_is_spared_and_a_constraint_does_not() -> None:
    found = settings_of(create_optimizer("prox-adam", model(), regularizer="group-lasso"), "regularizer")
    assert (found["0.weight"], found["0.bias"]) == ((GroupLasso(),), (None,))
    box = Box(-0.1, 0.1)
    found = settings_of(create_optimizer("prox-adam", model(), regularizer=box), "regularizer")
    assert found["0.weight"] == found["0.bias"] == (box,)


def test_muon_is_routed_with_adamw_for_the_rest() -> None:
    inside = {"0.weight", "2.weight"}
    made = create_optimizer("muon", model(), 0.1, 0.2)
    found = settings_of(made, "rule", "lr", "weight_decay", "adjust_lr_fn", "decay")
    assert type(made) is halflife.Muon
    for name, own in found.items():
        λ = 0.2 if name.endswith("weight") and name != "1.weight" else 0.0
        muon = (None, 0.1, λ, "match_rms_adamw", "decoupled")
        assert own == (muon if name in inside else ("Adam", 0.1, λ, None, "decoupled"))
    expected = lambda net: halflife.Muon(param_groups(net, matrix="muon", head="3.*"), lr=0.1, weight_decay=0.2)  # noqa: E731
    assert torch.equal(trained(lambda net: create_optimizer("muon", net, 0.1, 0.2)), trained(expected))


def test_muons_settings_go_where_they_belong() -> None:
    given = {"momentum": 0.8, "adjust_lr_fn": "original", "betas": (0.8, 0.9), "eps": 1e-3, "decay": "independent"}
    words = ("momentum", "adjust_lr_fn", "betas", "eps", "decay")
    found = settings_of(create_optimizer("muon", model(), 0.1, 0.001, **given), *words)
    assert found["0.weight"] == (0.8, "original", None, 1e-3, "independent")
    assert found["3.weight"] == found["0.bias"] == (None, None, (0.8, 0.9), 1e-3, "independent")
    more = {"overrides": {"3.*": {"decay": "decoupled", "betas": (0.5, 0.6)}}, "matrix": {"lr": 0.02}}
    found = settings_of(create_optimizer("muon", model(), 0.1, 0.001, **given, **more), "lr", "betas", "decay")
    assert found["0.weight"] == (0.02, None, "independent")
    assert found["3.weight"] == (0.1, (0.5, 0.6), "decoupled")
    everything = {"overrides": {"*": {"weight_decay": 0.003}}, "decay": "independent"}
    found = settings_of(create_optimizer("muon", model(), 0.1, **everything), "weight_decay", "decay")
    assert {*found.values()} == {(0.003, "independent")}


def test_matrices_of_adamw() -> None:
    made = create_optimizer("adamw", model(), 0.1, matrix="muon", betas=(0.8, 0.9), decay="independent", eps=1e-3)
    found = settings_of(made, "rule", "betas", "decay", "eps")
    assert found["0.weight"] == ("Muon", None, "independent", 1e-7)
    assert found["3.weight"] == (None, (0.8, 0.9), "independent", 1e-3)
    made = create_optimizer("adamw", model(), 0.1, matrix={"rule": "muon", "lr": 0.02}, head=())
    assert settings_of(made, "rule", "lr")["3.weight"] == ("Muon", 0.02)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("lion", {"matrix": "muon"}, "all else to AdamW, and Lion was named"),
        ("muon", {"matrix": "lion"}, "Muon is one of matrices already"),
        ("muon", {"matrix": {"rule": "lion"}}, "Muon is one of matrices already"),
        ("adamw", {"head": "3.*"}, "AdamW steps all layers"),
        ("lbfgs", {"weight_decay": 0.1}, "LBFGS has one parameter group, so no_decay= .* give no_decay=()"),
        ("lbfgs", {"layer_decay": 0.5}, "LBFGS has one parameter group, so layer_decay= .* leave it out"),
    ],
)
def test_what_does_not_go_together(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("()", r"\(\)")):
        create_optimizer(name, model(), **options)


def test_a_head_that_cannot_be_told() -> None:
    net = nn.ModuleDict({"inner": nn.Linear(3, 3), "classifier": nn.Linear(3, 2)})
    with pytest.raises(ValueError, match=r"head='classifier\.\*'"):
        create_optimizer("muon", net)
    found = settings_of(create_optimizer("muon", net, head="classifier.*"), "rule")
    assert (found["classifier.weight"], found["inner.weight"]) == (("Adam",), (None,))


def test_lbfgs_of_a_model_has_one_group() -> None:
    for given, λ in (({}, 0.0), ({"weight_decay": 0.0}, 0.0), ({"weight_decay": 0.1, "no_decay": ()}, 0.1)):
        (group,) = create_optimizer("lbfgs", model(), 0.5, **given).param_groups
        assert (len(group["params"]), group["lr"], group["weight_decay"]) == (8, 0.5, λ)


@pytest.mark.parametrize("module", ["names", "creation"])
def test_the_examples_run(module: str) -> None:
    done = doctest.testmod(import_module(f"halflife.by_name.{module}"))
    assert (done.failed, done.attempted > 0) == (0, True)
