"""The formulas of conversions, their bounds, and what bad input is told."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import pytest
import torch

import halflife
from halflife.conventions import ALIASES, CONVENTIONS, convert, find
from halflife.decays import NAMED

COSINE = {"schedule": "cosine", "steps": 1000}


def test_lr_scaled_to_paper_is_a_product() -> None:
    result = convert(0.01, "torch", "paper", lr=1e-3)
    assert (result.verdict, result.weight_decay, result.lr) == ("exact", pytest.approx(1e-5, rel=1e-15), 1e-3)
    assert convert(1e-5, "paper", "torch", lr=1e-3).weight_decay == pytest.approx(0.01, rel=1e-15)
    assert convert(0.01, "torch", "paper", lr=1e-3, **COSINE).verdict == "exact"
    assert {"weight_decay"} == {*result.changes}


def test_after_to_before() -> None:
    result = convert(0.1, "bitsandbytes-cuda", "torch", lr=0.2)
    assert result.verdict == "exact"
    assert result.lr == pytest.approx(0.2 * (1 - 0.02))
    assert result.weight_decay == pytest.approx(0.1 / (1 - 0.02))


def test_proximal_to_explicit() -> None:
    result = convert(0.1, "zhuang-prox", "paper", lr=0.2)
    assert result.verdict == "exact"
    assert result.weight_decay == pytest.approx(0.1 / 1.1)
    assert result.lr == pytest.approx(0.2 / 1.1)


def test_epsilon_is_given_as_it_is_at_the_end_and_the_bound_is_that_of_the_first_step() -> None:
    result = convert(0.01, "keras", "torch", lr=1e-3, eps=1e-7, betas=(0.9, 0.99), steps=100)
    assert result.verdict == "approximate"
    assert result.eps == pytest.approx(1e-7 / sqrt(1 - 0.99**100))
    assert result.at(0).eps == pytest.approx(1e-7 / sqrt(0.01))
    assert result.decay_bound == 0
    assert result.step_bound == pytest.approx(1 - sqrt(0.01) / sqrt(1 - 0.99**100))
    assert convert(0.01, "keras", "torch", lr=1e-3, eps=1e-7).eps == 1e-7, "without an end, no bias is left"
    assert convert(0.01, "keras", "torch", lr=1e-3, eps=0.0).verdict == "exact"


def test_constant_to_scheduled_matches_the_total_decay() -> None:
    result = convert(0.01, "torch", "pytorch-optimizer-lion-fixed", lr=1e-3)
    assert result.verdict == "impossible", "another rule"
    result = convert(1e-5, "pytorch-optimizer-lion-fixed", "timm-lion", lr=1e-3, **COSINE)
    assert result.verdict == "approximate"
    mean = sum(1 / 2 for _ in range(1000)) / 1000 + 0.5e-3
    assert result.weight_decay == pytest.approx(1e-5 / 1e-3 / mean, rel=1e-9)
    assert 1e-4 < result.decay_bound < 1e-2
    back = convert(0.01, "timm-lion", "pytorch-optimizer-lion-fixed", lr=1e-3, **COSINE)
    assert back.weight_decay == pytest.approx(0.01 * 1e-3 * mean, rel=1e-9)


def test_the_bound_is_first_order_in_the_total_decay() -> None:
    bounds = [convert(λ, "timm-lion", "pytorch-optimizer-lion-fixed", **COSINE).bound for λ in (0.001, 0.01, 0.1)]
    assert bounds[1] / bounds[0] == pytest.approx(10, rel=1e-2)
    assert bounds[2] / bounds[1] == pytest.approx(10, rel=1e-1)


def test_normalized() -> None:
    result = convert(0.025, "loshchilov-hutter", "loshchilov-hutter-dec", steps=391 * 100)
    assert result.verdict == "exact"
    assert result.weight_decay == pytest.approx(0.025 / sqrt(391 * 100))


def test_sgd_coupled_is_decoupled_without_momentum_alone() -> None:
    assert convert(5e-4, "torch-sgd", "timm-sgdw", lr=0.1, momentum=0.0, **COSINE).verdict == "exact"
    result = convert(5e-4, "torch-sgd", "paper-sgdw", lr=0.1, momentum=0.0, **COSINE)
    assert (result.verdict, result.weight_decay) == ("exact", pytest.approx(5e-5))
    with_momentum = convert(5e-4, "torch-sgd", "timm-sgdw", lr=0.1, momentum=0.9)
    assert with_momentum.verdict == "impossible"
    assert "without momentum the two are the same" in with_momentum.why


def test_lr_inside_the_momentum_is_another_optimizer_once_lr_moves() -> None:
    assert convert(1e-5, "paper-sgdw", "timm-sgdw", lr=0.1).verdict == "exact"
    moving = convert(1e-5, "paper-sgdw", "timm-sgdw", lr=0.1, **COSINE)
    assert moving.verdict == "impossible"
    assert "remembers the old learning rates" in moving.why
    assert convert(1e-5, "paper-sgdw", "timm-sgdw", lr=0.1, momentum=0.0, **COSINE).verdict == "exact"


@pytest.mark.parametrize("name", ["timm-adamp", "stableadamw", "schedule-free", "euclidean", "cautious"])
def test_impossible_says_why_and_its_optimizer_is_refused_in_words(name: str) -> None:
    result = convert(0.1, name, "torch")
    assert result.verdict == "impossible"
    for f in (lambda: result.weight_decay, lambda: result.at(0)):
        with pytest.raises(ValueError, match="Impossible"):
            f()
    with pytest.raises(ValueError, match="cannot be built of a rule and a decay, for it"):
        find(name).optimizer([torch.ones(1).requires_grad_()])
    assert convert(0.1, name, name).verdict == "exact" or find(name).beyond


ADAMWS = [name for name, c in CONVENTIONS.items() if c.rule == "adam" and not c.beyond and c.order != "coupled"]
LIONS = [name for name, c in CONVENTIONS.items() if c.rule == "lion"]


def removed(name: str, settings: Any) -> float:
    """What it leaves out of a weight in a step, at a learning rate that stays."""
    c = find(name)
    x = settings.weight_decay * (settings.lr if c.factor.startswith("lr") else 1.0)
    return x / (1 + x) if c.order == "proximal" else x


def test_adamw_to_lion_is_a_rule_of_thumb_and_no_conversion() -> None:
    result = convert(0.01, "torch", "keras-lion", lr=1e-3, eps=1e-6, betas=(0.8, 0.95))
    assert (result.verdict, result.settings, result.exact_at_each_step) == ("impossible", None, False)
    for f in (lambda: result.lr, lambda: result.at(0), lambda: result.apply(torch.optim.SGD([torch.ones(1)]), 0)):
        with pytest.raises(ValueError, match=r"Impossible: torch takes Adam's steps .*Only a rule of thumb"):
            f()
    thumb = result.rule_of_thumb
    assert thumb is not None
    assert thumb.lr == pytest.approx((1e-4, 1e-3 / 3), rel=1e-14)
    assert thumb.weight_decay == pytest.approx((0.03, 0.1), rel=1e-14)
    s = thumb.settings
    assert (s.lr, s.weight_decay, s.betas) == (pytest.approx(1e-4), pytest.approx(0.1), (0.9, 0.99))
    assert "no conversion" in thumb.why
    assert "tune from there" in thumb.why.lower()
    assert "2302.06675" in thumb.source
    assert not any(word in f"{thumb} {result}".lower() for word in ("exact", "approximate"))


def test_lion_to_adamw_is_the_same_rule_the_other_way() -> None:
    thumb = convert(0.1, "timm-lion", "optimi", lr=1e-4).rule_of_thumb
    assert thumb is not None
    assert thumb.lr == pytest.approx((3e-4, 1e-3), rel=1e-14)
    assert thumb.weight_decay == pytest.approx((0.01, 0.1 / 3), rel=1e-14)
    assert thumb.settings == replace(find("optimi").defaults, lr=thumb.lr[1], weight_decay=thumb.weight_decay[0])


@pytest.mark.parametrize("name", ADAMWS)
def test_every_decoupled_adamw_has_it_and_what_a_step_removes_stays(name: str) -> None:
    for lion in LIONS:
        for source, target in ((name, lion), (lion, name)):
            start = find(source).settings(lr=2e-3, weight_decay=0.02)
            thumb = convert(0.02, source, target, lr=2e-3, steps=10_000).rule_of_thumb
            assert thumb is not None
            ends = (thumb.lr[0], thumb.weight_decay[1]), (thumb.lr[1], thumb.weight_decay[0])
            was = removed(source, start) / (100 if find(source).amount == "normalized" else 1)
            for lr, λ in ends:
                now = removed(target, replace(start, lr=lr, weight_decay=λ))
                now /= 100 if find(target).amount == "normalized" else 1
                assert now == pytest.approx(was, rel=0.05)  # to the first order in what is removed
            own = (thumb.settings.lr, thumb.settings.weight_decay)
            assert own == pytest.approx(ends[0] if target == lion else ends[1], rel=1e-12)
            ratio = ends[1][0] / ends[0][0]
            assert ratio == pytest.approx(10 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("torch-adam", "timm-lion"),
        ("schedule-free", "timm-lion"),
        ("timm-lion", "halflife-euclidean"),
        ("torch-sgd", "timm-lion"),
        ("timm-nadamw", "timm-lion"),
        ("torch", "torch-sgd"),
        ("torch", "torch-adam"),
    ],
)
def test_no_other_pair_has_one(source: str, target: str) -> None:
    result = convert(0.01, source, target)
    assert (result.verdict, result.rule_of_thumb) == ("impossible", None)
    assert "rule of thumb" not in str(result)


def test_a_rule_of_thumb_needs_the_steps_of_a_normalized_decay_and_is_only_for_the_impossible() -> None:
    assert convert(0.01, "loshchilov-hutter", "timm-lion").rule_of_thumb is None
    assert convert(0.01, "loshchilov-hutter", "timm-lion", steps=100).rule_of_thumb is not None
    assert convert(0.01, "torch", "keras").rule_of_thumb is None


def test_no_decay_is_no_decay_in_any_form() -> None:
    assert convert(0.0, "torch-adam", "paper").weight_decay == 0
    assert convert(0.0, "torch-adam", "paper").verdict == "exact"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"source": "kreas"}, "did you mean keras"),
        ({"target": "nothing like it"}, "choose one of torch, torch-adam"),
        ({"lr": 0.0}, "give the base learning rate"),
        ({"lr": float("nan")}, "lr must be above 0"),
        ({"weight_decay": -0.1}, "weight_decay must be a number of at least 0"),
        ({"weight_decay": 1.5, "source": "paper"}, "it must remove less than 1"),
        ({"weight_decay": 1.0, "source": "tensorflow"}, "it must remove less than 1"),
        ({"weight_decay": 2e3, "lr": 1e-3}, "removes 2 of each weight"),
        ({"betas": (0.9, 1.0)}, r"betas\[1\] must be"),
        ({"eps": -1.0}, "eps must be"),
        ({"schedule": "cosine"}, "never ends"),
        ({"schedule": lambda k: 1.0}, "never ends"),
        ({"schedule": "cosinus", "steps": 5}, "choose one of 'constant', 'linear'"),
        ({"schedule": lambda k: -1.0, "steps": 5}, "at least 0 at each of the 5 steps"),
        ({"schedule": lambda k: 0.0, "steps": 5}, "not 0 at all of them"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"steps": 10**400}, "steps must be at most 1e.18"),
        ({"target": "loshchilov-hutter"}, "give steps="),
    ],
)
def test_bad_input_gets_a_sentence_that_says_what_to_do(arguments: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        convert(**{"weight_decay": 0.01, "source": "torch", "target": "keras", **arguments})


def test_optimizers_told_wrongly_say_what_to_do() -> None:
    w = [torch.ones(1).requires_grad_()]
    with pytest.raises(ValueError, match="give steps="):
        find("loshchilov-hutter").optimizer(w)
    with pytest.raises(ValueError, match="give lr as a number"):
        find("paper").optimizer(w, lr=lambda k: 0.1)
    with pytest.raises(TypeError, match="has no argument 'learning_rat'; did you mean 'lr'"):
        find("keras").optimizer(w, learning_rat=0.1)
    for name, wrong in (
        ("timm-sgdw", {"betas": (0.9, 0.99)}),
        ("timm-lion", {"eps": 1e-8}),
        ("paper-sgdw", {"eps": 0}),
    ):
        with pytest.raises(TypeError, match="has no argument"):
            find(name).optimizer(w, **wrong)
    assert find("keras").optimizer(w, beta_2=0.9).param_groups[0]["betas"] == (0.9, 0.9)


def test_normalized_convention_takes_halflife_normalized() -> None:
    amount = halflife.Normalized(0.025, batch_size=128, dataset_size=50_000, epochs=100)
    optimizer = find("loshchilov-hutter").optimizer([torch.ones(1).requires_grad_()], weight_decay=amount)
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.025 * sqrt(128 / 5e6))


def test_every_treatment_of_ours_is_a_convention_too() -> None:
    assert [name for name in NAMED if name.replace("_", "-") not in {*CONVENTIONS, *ALIASES}] == []
    assert find("PyTorch") is find(" torch ") is find("decoupled")


def test_each_convention_is_complete() -> None:
    for name, c in CONVENTIONS.items():
        assert name == c.name == str(c)
        assert "←" in c.update
        assert c.title
        assert c.source
    assert len({*CONVENTIONS} | {*ALIASES}) == len(CONVENTIONS) + len(ALIASES)


def test_callables_are_counted_in_checkpoints() -> None:
    def make() -> torch.optim.Optimizer:
        p = torch.ones(1, dtype=torch.float64).requires_grad_()
        p.grad = torch.zeros(1, dtype=torch.float64)
        return find("tf").optimizer([p], weight_decay=lambda k: 0.1 * (k + 1))

    first, second = make(), make()
    for _ in range(2):
        first.step()
    second.load_state_dict(first.state_dict())
    second.step()
    assert float(second.param_groups[0]["params"][0].detach()) == pytest.approx(0.7)


def test_defaults_are_the_frameworks() -> None:
    group = find("keras").optimizer([torch.ones(1).requires_grad_()]).param_groups[0]
    assert (group["lr"], group["weight_decay"], group["eps"]) == (1e-3, 4e-3, 1e-7)
    assert find("optimi").defaults.betas == (0.9, 0.99)
