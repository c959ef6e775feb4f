"""Muon from framework to framework: flags, scales, shapes, and the decay that no scale reaches."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife
from halflife.conventions import CONVENTIONS, convert, describe, find
from halflife.conventions.framework_muon import FrameworkMuon, FrameworkMuonW, MuonScale, muon_scale

from .problem import EPS, LRS, MATRIX, W0, apart, left, run, λ, μ

MUONS = [name for name, c in CONVENTIONS.items() if c.rule == "muon"]
SHRINKING = [name for name in MUONS if CONVENTIONS[name].order != "coupled"]
SCALES: dict[str, dict[str, tuple[Any, ...]]] = {
    "torch-muon": {"adjust_lr_fn": ("original", "match_rms_adamw")},
    "dion-muon": {"adjust_lr": ("spectral_norm", "rms_norm", None)},
    **{n: {"scale_mode": ("spectral", "shape_scaling", "unit_rms_norm")} for n in MUONS if n.startswith("emerging")},
}
Shape = tuple[int, int]


def optimizer(name: str, shape: Shape = (6, 2), **flags: Any) -> torch.optim.Optimizer:
    p = torch.nn.Parameter(torch.ones(shape, dtype=torch.float64))
    return find(name).optimizer([p], lr=0.1, weight_decay=0.3, **flags)


def walk(name: str, shape: Shape, **settings: Any) -> Any:
    given = {"lr": LRS[0], "weight_decay": λ, "momentum": μ, "eps": EPS, "ns_precision": "float64", **settings}
    lr = given["lr"]
    return run(lambda p: find(name).optimizer(p, **given), [η / LRS[0] * lr for η in LRS], shape=shape)


@pytest.mark.parametrize("shape", [(6, 2), (2, 6), (3, 3)])
@pytest.mark.parametrize("name", SHRINKING)
def test_trap_an_adjusted_lr_does_not_scale_the_decay(name: str, shape: Shape) -> None:
    expected = {"lr": 0.97, "one": 0.7, "lr*lr": 0.997}[CONVENTIONS[name].factor]
    ((flag, words),) = SCALES[name].items()
    for word in words:
        assert left(optimizer(name, shape, **{flag: word})) == pytest.approx(expected, abs=1e-15)
    if name.startswith("emerging"):
        assert left(optimizer(name, shape, extra_scale_factor=0.2)) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("shape", [(6, 2), (2, 6)])
@pytest.mark.parametrize("name", MUONS)
def test_its_flags_scale_the_step(name: str, shape: Shape) -> None:
    ((flag, words),) = SCALES[name].items()
    A, B = shape
    original, spectral, longest = max(1, A / B) ** 0.5, (A / B) ** 0.5, 6**0.5
    ρ = {
        "torch-muon": (original, 0.2 * longest),
        "dion-muon": (spectral, 0.2 * longest, 1.0),
    }.get(name, (longest, original, spectral))
    steps = [walk(name, shape, weight_decay=0.0, **{flag: word})[0] - W0 for word in words]
    for step, scale in zip(steps, ρ, strict=True):
        assert apart(step / scale, steps[0] / ρ[0]) <= 1e-12


def test_from_torch_to_emerging_by_flags() -> None:
    result = convert(0.1, "torch-muon", "emerging-muon", lr=1e-3)
    assert (result.verdict, result.lr, result.weight_decay, result.momentum) == ("exact", 1e-3, 0.1, 0.95)
    assert result.flags == {"nesterov": True, "coefficient_type": "simple", "scale_mode": "shape_scaling"}
    assert "nesterov=True" in result.why
    independent = convert(0.1, "torch-muon", "emerging-independent", lr=1e-3)
    assert (independent.verdict, independent.weight_decay) == ("exact", pytest.approx(1e-4))
    palm = convert(0.1, "torch-muon", "emerging-palm", lr=1e-3)
    assert (palm.verdict, palm.weight_decay) == ("exact", pytest.approx(100.0))


def test_palm_follows_the_square_of_a_schedule() -> None:
    given = {"lr": 1e-2, "schedule": "cosine", "steps": 1000}
    to_torch = convert(0.1, "emerging-palm", "emerging-muon", **given)
    assert (to_torch.verdict, to_torch.exact_at_each_step) == ("approximate", True)
    mean, square = 0.5 + 0.5e-3, 3 / 8 + 0.5e-3
    assert to_torch.weight_decay == pytest.approx(0.1 * 1e-2 * square / mean, rel=1e-9)
    corrected = convert(0.1, "emerging-palm", "emerging-palm", **given)
    assert corrected.verdict == "exact"


@pytest.mark.parametrize("shape", [(6, 2), (2, 6), (3, 4)])
def test_of_one_shape_the_learning_rate_makes_up_for_the_scale(shape: Shape) -> None:
    assert "give rows and columns" in convert(λ, "torch-muon", "dion-muon", lr=LRS[0]).why
    result = convert(λ, "torch-muon", "dion-muon", lr=LRS[0], momentum=μ, eps=1e-30, shape=shape)
    ratio = muon_scale("original", *shape) / muon_scale("spectral_unclamped", *shape)
    assert (result.lr, result.weight_decay) == (pytest.approx(LRS[0] * ratio), pytest.approx(λ / ratio))
    assert result.eps == pytest.approx(1e-30 / (1 - μ), abs=0)
    told = {"lr": result.lr, "weight_decay": result.weight_decay, "eps": result.eps, **result.flags}
    assert apart(walk("dion-muon", shape, **told), walk("torch-muon", shape, eps=1e-30)) <= 1e-12


@pytest.mark.parametrize("shape", [(6, 2), (2, 6)])
def test_spectral_is_five_times_rms_norm_of_every_shape(shape: Shape) -> None:
    result = convert(λ, "emerging-muon", "dion-muon", lr=LRS[0], momentum=μ, eps=1e-30)
    assert result.flags == {"adjust_lr": "rms_norm"}
    assert (result.lr, result.weight_decay) == (pytest.approx(5 * LRS[0]), pytest.approx(λ / 5))
    told = {"lr": result.lr, "weight_decay": result.weight_decay, "eps": result.eps, **result.flags}
    assert apart(walk("dion-muon", shape, **told), walk("emerging-muon", shape, eps=1e-30)) <= 1e-12


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (("dion-muon", "torch-muon"), "iterates by the coefficients 'quintic'"),
        (("emerging-muon", "emerging-l2"), "is orthogonalized with it"),
        (("torch-muon", "torch"), "takes Muon's steps and torch takes Adam's"),
        (("torch", "emerging-muon"), "takes Adam's steps and emerging-muon takes Muon's"),
    ],
)
def test_what_cannot_be_is_said(pair: tuple[str, str], why: str) -> None:
    result = convert(0.1, *pair)
    assert result.verdict == "impossible"
    assert why in result.why


def test_a_shape_is_for_matrices() -> None:
    with pytest.raises(ValueError, match="is for matrices that Muon steps"):
        convert(0.1, "torch", "paper", shape=(3, 4))
    with pytest.raises(ValueError, match="two numbers of at least 1"):
        convert(0.1, "torch-muon", "dion-muon", shape=(3, 0))


@pytest.mark.parametrize("matrices", ["flattened", "stacked"])
def test_more_dimensions_are_one_matrix_or_many(matrices: str) -> None:
    shape = (3, 2, 2)
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(shape, generator=generator, dtype=torch.float64)
    g = torch.randn(shape, generator=generator, dtype=torch.float64)

    def stepped(w: torch.Tensor, g: torch.Tensor, **flags: Any) -> torch.Tensor:
        p = torch.nn.Parameter(w.clone())
        p.grad = g.clone()
        find("dion-muon").optimizer([p], lr=0.1, weight_decay=0.3, ns_precision="float64", **flags).step()
        return p.detach()

    if matrices == "flattened":
        whole, parts = stepped(w, g, flatten=True), stepped(w.flatten(1), g.flatten(1)).view(shape)
    else:
        whole, parts = stepped(w, g), torch.stack([stepped(*pair) for pair in zip(w, g, strict=True)])
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-13)


def test_what_is_refused() -> None:
    with pytest.raises(
        ValueError, match="adjust_lr='spectral' is not known; choose one of 'spectral_norm', 'rms_norm'"
    ):
        optimizer("dion-muon", adjust_lr="spectral")
    with pytest.raises(ValueError, match="must be a multiple of 5"):
        optimizer("emerging-muon", num_ns_steps=7)
    with pytest.raises(ValueError, match="this Muon takes matrices"):
        find("dion-muon").optimizer([torch.ones(3).requires_grad_()])
    with pytest.raises(RuntimeError, match="complex"):
        find("dion-muon").optimizer([torch.ones(3, 3, dtype=torch.complex64).requires_grad_()])


def test_beside_a_sum_of_gradients_eps_is_as_much_larger() -> None:
    def stepped(average: Any, eps: float) -> Any:
        return run(lambda p: FrameworkMuonW(p, lr=0.1, **forms, average=average, eps=eps), shape=MATRIX)

    forms: dict[str, Any] = {"momentum": μ, "ns_precision": "float64"}
    assert apart(stepped("sum", 1 / (1 - μ)), stepped("mean", 1.0)) <= 1e-12
    assert apart(stepped("sum", 1.0), stepped("mean", 1.0)) >= 1e-2


@pytest.mark.parametrize("scale", ["original", "match_rms_adamw", "spectral_unclamped"])
def test_the_scales_are_the_rules_own(scale: MuonScale) -> None:
    for shape in (torch.Size([6, 2]), torch.Size([2, 6])):
        assert muon_scale(scale, *shape) == pytest.approx(halflife.rules.Muon(scale=scale).ρ(shape))
        assert FrameworkMuon(scale=scale).ρ(shape) == muon_scale(scale, *shape)


@pytest.mark.parametrize("kind", [torch.optim.Muon, halflife.Muon])
def test_muon_is_described_in_muons_conventions(kind: Any) -> None:
    described = describe(kind([torch.nn.Parameter(torch.ones(6, 2))], lr=1e-2, weight_decay=0.1))
    (group,) = described.groups
    assert group.removed == pytest.approx(1e-3)
    assert group.weight_decays == {
        "torch-muon": pytest.approx(0.1),
        "dion-muon": pytest.approx(0.1),
        "emerging-muon": pytest.approx(0.1),
        "emerging-independent": pytest.approx(1e-3),
        "emerging-palm": pytest.approx(10.0),
    }


@pytest.mark.parametrize("name", SHRINKING)
def test_a_half_life_of_each(name: str) -> None:
    shrunk = find(name).optimizer(
        [torch.nn.Parameter(torch.ones(2, 2, dtype=torch.float64))], lr=0.1, weight_decay=halflife.HalfLife(steps=1)
    )
    assert left(shrunk) == pytest.approx(0.5)
