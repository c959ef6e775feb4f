"""Native against eager: every tail, every format, numbers at the ends of the range."""

import pytest
import torch

import halflife

from .users import needs_native

pytestmark = [needs_native, pytest.mark.filterwarnings("ignore:parameter group 0. the decay multiplies")]

TAILS = [*range(68), *range(255, 259), *range(511, 515), *range(16383, 16387)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2**-6, torch.float16: 2**-9}


def _stepped(engine, gradients, dtype, optimizer_class=halflife.AdamW, **settings):
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(gradients[0].shape).to(dtype))
    optimizer = optimizer_class([p], lr=0.05, engine=engine, **settings)
    for g in gradients:
        p.grad = g.to(dtype)
        optimizer.step()
    assert (optimizer.engines()[0].name == "native") == (engine is None)
    return p.detach(), optimizer.state[p]


def _gradients(n):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_every_tail(dtype):
    for n in TAILS:
        native, eager = (_stepped(engine, _gradients(n), dtype, rounding="stochastic")[0] for engine in (None, "eager"))
        torch.testing.assert_close(native, eager, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], msg=f"n = {n}")


@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "kahan"])
@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16, "8bit", torch.float32], ids=str)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_nearly_all_narrow_weights_have_the_same_bits(dtype, state_dtype, rounding):
    settings = {"state_dtype": state_dtype, "rounding": rounding, "weight_decay": 0.1}
    native, eager = (_stepped(engine, _gradients(16385), dtype, **settings)[0] for engine in (None, "eager"))
    assert (native == eager).double().mean() >= 0.99


@pytest.mark.parametrize("state_dtype", [torch.bfloat16, "8bit"], ids=str)
def test_every_tail_of_narrow_states_has_the_same_bits(state_dtype):
    """Of numbers that no order of the operations rounds: what differs would be the codec's."""
    settings = {"betas": (0.5, 0.5), "amsgrad": True, "state_dtype": state_dtype}
    for n in TAILS:
        gradients = [(g * 16).round() / 16 for g in _gradients(n)]
        (_, native), (_, eager) = (_stepped(engine, gradients, torch.float32, **settings) for engine in (None, "eager"))
        for name, x in eager.items():
            assert torch.equal(native[name], x), (n, name)


def test_nadam_in_float64_is_as_eager_and_torch():
    native, eager = (_stepped(engine, _gradients(67), torch.float64, halflife.NAdam)[0] for engine in (None, "eager"))
    torch.testing.assert_close(native, eager, rtol=1e-12, atol=1e-12)


def test_a_code_is_zero_for_zero_alone():
    wide = torch.full((256,), 1e-5)
    wide[0] = 1e18
    states = [
        _stepped(engine, [wide], torch.float32, halflife.RMSprop, state_dtype="8bit")[1] for engine in (None, "eager")
    ]
    assert torch.equal(states[0]["square_avg"] == 0, states[1]["square_avg"] == 0)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_block_that_is_not_finite_has_the_same_scale_in_both_engines(value):
    g = torch.ones(512)
    g[3] = value
    states = [_stepped(engine, [g], torch.float32, halflife.Adam, state_dtype="8bit")[1] for engine in (None, "eager")]
    for name in ("exp_avg_scale", "exp_avg_sq_scale"):
        torch.testing.assert_close(states[0][name], states[1][name], rtol=1e-6, atol=0, equal_nan=True)
