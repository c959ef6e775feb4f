"""What generated kernels leave in memory: weights, codes and scales are those of eager and native, bit for bit.

In one test all arithmetic is exact, so that nothing but the formats can differ; in another it is in float64, whose
roundings the formats do not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

import halflife
from halflife.decays import NAMED
from halflife.engines.formats import decode_8bit
from halflife.engines.library import Missing, load
from halflife.engines.memory import SCALE
from tests.conformance.variants import VARIANTS, Variant

from .deferred import Beforehand, Deferred, Written, compiled_by, needs_compiler

pytestmark = needs_compiler
OTHERS = ["eager", *([] if isinstance(load(), Missing) else ["native"])]
LENGTHS = (1, 255, 256, 257, 16384 + 300)
SPECIAL = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 2.0**-149, 2.0**-126, 2.0**-20, 3e38])

each_weight = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
STATES: list[Any] = [None, torch.float32, torch.bfloat16, "8bit"]
ROUNDINGS = ["nearest", "stochastic", "kahan"]


def coarse(n: int, seed: int, bits: int) -> torch.Tensor:
    """Numbers with so few bits that sums of some of them are exact in float32."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-(1 << bits), 1 << bits, (n,), generator=generator).float() / (1 << bits)


def exact(engine: str, dtype: torch.dtype, special: bool = False, **settings: Any) -> Any:
    """SGD with momentum whose factors are powers of two, after five steps."""
    params = [torch.nn.Parameter(coarse(n, n, 7).to(dtype)) for n in LENGTHS]
    settings = {"lr": 0.5, "momentum": 0.5, "dampening": 0.5, "weight_decay": 0.5, **settings}
    optimizer = halflife.SGDW(params, engine=engine, **settings)
    for t in range(5):
        for p in params:
            p.grad = coarse(p.numel(), 50 + t, 9).to(dtype)
            if special and p.numel() > 300 and t == 1:
                p.grad[300 : 300 + len(SPECIAL)] = SPECIAL.to(dtype)
                p.data[400 : 400 + len(SPECIAL)] = SPECIAL.to(dtype)
        assert optimizer.engines()[0].name == engine, optimizer.engines()[0].reason
        optimizer.step()
    return optimizer


def memory(optimizer: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor that a step leaves, codes as their numbers where they have none: of NaN and infinity."""
    never = optimizer.view(optimizer.param_groups[0]).rule.never_negative
    for p, state in optimizer.state.items():
        yield "w", p.detach()
        for name, x in state.items():
            if name + SCALE in state and not state[name + SCALE].isfinite().all():
                yield name, decode_8bit(x, state[name + SCALE], signed=name not in never)
            else:
                yield name, x


def same_bits(a: Any, b: Any) -> None:
    for (name, x), (other, y) in zip(memory(a), memory(b), strict=True):
        assert name == other
        torch.testing.assert_close(x, y, rtol=0, atol=0, equal_nan=True, msg=lambda m, name=name: f"{name}: {m}")


def different(dtype: torch.dtype, every: Sequence[dict[str, Any]]) -> list[str]:
    """With which of the settings which engine leaves other bits than the compiled kernel, and how."""
    written, wrong = Written(), list[str]()
    with compiled_by(written):
        for settings in every:
            exact("compiled", dtype, **settings)
    with compiled_by(Beforehand(written.texts)):
        found = [exact("compiled", dtype, **settings) for settings in every]
    for settings, ours in zip(every, found, strict=True):
        for engine in OTHERS:
            try:
                same_bits(ours, exact(engine, dtype, **settings))
            except AssertionError as error:
                wrong.append(f"{engine} with {settings}: {error}")
    return wrong


FORMS = [{"state_dtype": s, "rounding": r} for s in STATES for r in ROUNDINGS]


@each_weight
def test_where_arithmetic_is_exact_all_bits_are_the_same(dtype: torch.dtype) -> None:
    wrong = different(dtype, [{**form, "ema_decay": ema} for form in FORMS for ema in (None, 0.75)])
    assert not wrong, "\n".join(wrong)


@each_weight
def test_what_is_no_number_or_hardly_one_is_kept_alike(dtype: torch.dtype) -> None:
    wrong = different(dtype, [{**form, "special": True} for form in FORMS])
    assert not wrong, "\n".join(wrong)


def normal(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trained(variant: Variant, engine: str, dtype: torch.dtype, steps: int = 4, **settings: Any) -> tuple[Any, Any]:
    """The variant's optimizer after some steps, or with these queued; and the gradients, which must live until then."""
    params = [torch.nn.Parameter(normal(n, n).to(dtype)) for n in (1, 255, 256, 700)]
    settings = {"lr": 0.037, "weight_decay": 0.3, **settings}  # a first step of ±10 lr lies at no tie of a format
    optimizer = variant.optimizer(params, engine=engine, **settings)
    grads = [[normal(p.numel(), 60 + t).to(dtype) for p in params] for t in range(steps)]
    for own in grads:
        for p, g in zip(params, own, strict=True):
            p.grad = g
        optimizer.step()
        assert optimizer.engines()[0].name == engine, optimizer.engines()[0].reason
    return optimizer, grads


@pytest.fixture
def _double_precision() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("_double_precision")
@pytest.mark.parametrize("state_dtype", [torch.float32, torch.bfloat16, "8bit"], ids=str)
def test_states_of_weights_in_float64_have_the_same_bits(state_dtype: Any) -> None:
    processor, queued = Deferred(), list[Any]()
    with compiled_by(processor):
        for variant in VARIANTS:
            if variant.rule.acts_on == "coordinates":
                queued.append((variant, *trained(variant, "compiled", torch.float64, state_dtype=state_dtype)))
    processor.play()
    assert len(queued) > 20
    for variant, optimizer, _ in queued:
        eager, _ = trained(variant, "eager", torch.float64, state_dtype=state_dtype)
        for (name, x), (other, y) in zip(memory(optimizer), memory(eager), strict=True):
            assert name == other
            if x.dtype in (torch.bfloat16, torch.uint8):
                assert torch.equal(x, y), (variant, name)
            else:
                torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


FORMATS = [
    pytest.param(dtype, state, rounding, marks=() if (i + j + k) % 3 == 0 else pytest.mark.slow)
    for i, dtype in enumerate([torch.float32, torch.bfloat16, torch.float16])
    for j, state in enumerate(STATES)
    for k, rounding in enumerate(ROUNDINGS)
]
"""Each weight with each state; one rounding of the three is for every day."""


@pytest.mark.parametrize(("dtype", "state_dtype", "rounding"), FORMATS, ids=str)
def test_every_rule_in_every_format_is_eager_s_but_for_a_rounding(
    dtype: torch.dtype, state_dtype: Any, rounding: str
) -> None:
    """Of a number that is rounded otherwise before, the format may take the neighbour: of one in hundreds."""
    processor, queued = Deferred(), list[Any]()
    settings: dict[str, Any] = {"state_dtype": state_dtype, "rounding": rounding, "ema_decay": 0.5}
    with compiled_by(processor):
        for variant in VARIANTS:
            for decay in ("coupled", "proximal_lr"):
                if variant.rule.acts_on == "coordinates" and NAMED[decay] in variant.decays():
                    queued.append((variant, decay, *trained(variant, "compiled", dtype, 2, decay=decay, **settings)))
    processor.play()
    for variant, decay, optimizer, _ in queued:
        eager, _ = trained(variant, "eager", dtype, 2, decay=decay, **settings)
        for (name, x), (other, y) in zip(memory(optimizer), memory(eager), strict=True):
            assert name == other
            assert x.dtype == y.dtype, name
            if x.dtype in (torch.bfloat16, torch.float16, torch.uint8) and name != "kahan":
                assert (x != y).sum() <= max(1, x.numel() // 100), (variant, decay, name)
            elif name != "kahan":
                off = (x - y).abs() > 2e-6 * y.abs().clamp(min=float(y.abs().median()))
                assert off.sum() <= max(1, x.numel() // 100), (variant, decay, name)


@pytest.mark.parametrize("engine", ["compiled", *OTHERS])
def test_what_is_never_negative_has_the_code_0_for_0_alone(engine: str) -> None:
    p = torch.nn.Parameter(torch.ones(256))
    p.grad = torch.full((256,), 1e-6)
    p.grad[0], p.grad[1] = 1e3, 0.0
    optimizer = halflife.Adam([p], lr=0.1, state_dtype="8bit", engine=engine)
    optimizer.step()
    assert optimizer.engines()[0].name == engine
    codes = optimizer.state[p]["exp_avg_sq"]
    assert codes[1] == 0
    assert (codes[2:] == 1).all()
