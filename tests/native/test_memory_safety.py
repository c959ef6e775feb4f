"""What a user changes behind the optimizer's back: an error or a new table, never memory that is not the tensor's."""

import pytest
import torch

from .users import in_processes, needs_native, outcome

pytestmark = needs_native

CHANGES = {
    "larger data": "p, o = steps(64); p.grad = None; p.data = torch.randn(100_000); step(p, o)",
    "smaller data": "p, o = steps(); p.grad = None; p.data = torch.randn(10); step(p, o)",
    "resize_": "p, o = steps(64); p.grad = None; p.requires_grad_(False).resize_(100_000).fill_(1.0); step(p, o)",
    "short state": "p, o = steps(); o.state[p]['exp_avg'] = torch.ones(3); step(p, o)",
    "short second state": "p, o = steps(); o.state[p]['exp_avg_sq'] = torch.ones(3); step(p, o)",
    "short max": "p, o = steps(amsgrad=True); o.state[p]['max_exp_avg_sq'] = torch.ones(3); step(p, o)",
    "short scale": "p, o = steps(state_dtype='8bit'); o.state[p]['exp_avg_scale'] = torch.ones(1); step(p, o)",
    "no scale": "p, o = steps(state_dtype='8bit'); del o.state[p]['exp_avg_scale']; step(p, o)",
    "half scale": "p, o = steps(state_dtype='8bit'); s = o.state[p]; "
    "s['exp_avg_scale'] = s['exp_avg_scale'].bfloat16(); step(p, o)",
    "short codes": "p, o = steps(state_dtype='8bit'); "
    "o.state[p]['exp_avg'] = torch.ones(3, dtype=torch.uint8); step(p, o)",
    "short ema": "p, o = steps(ema_decay=0.5); o.state[p]['ema'] = torch.ones(3); step(p, o)",
    "double after ema": "p, o = steps(state_dtype='8bit', ema_decay=0.5); "
    "p.grad = None; p.data = p.data.double(); step(p, o)",
    "half ema": "p, o = steps(ema_decay=0.5); o.state[p]['ema'] = o.state[p]['ema'].bfloat16(); step(p, o)",
    "short anchor": "p, o = steps(regularizer=TowardInit(), decay='proximal', weight_decay=0.1); "
    "o.state[p]['anchor'] = torch.ones(3); step(p, o)",
    "double after anchor": "p, o = steps(state_dtype='8bit', regularizer=TowardInit(), "
    "decay='proximal', weight_decay=0.1); p.grad = None; p.data = p.data.double(); step(p, o)",
    "short mask": "p, o = masked(); m.data = m.data[:3]; step(p, o)",
    "resized mask": "p, o = masked(); m.resize_(3); step(p, o)",
    "mask of another parameter": "p, o = masked(64); p.grad = None; p.data = torch.randn(100_000); step(p, o)",
    "other blocks": "p, o = steps(64, regularizer=GroupLasso(0), decay='proximal', weight_decay=0.1); "
    "p.grad = None; p.data = torch.randn(50_000, 2); step(p, o)",
    "short kahan": "p, o = steps(dtype=torch.bfloat16, rounding='kahan'); "
    "o.state[p]['kahan'] = torch.zeros(3, dtype=torch.bfloat16); step(p, o)",
    "empty clock": "p, o = steps(); o.state[p]['step'] = torch.zeros(0); step(p, o)",
    "half gradient": "p, o = steps(); p.grad.data = p.grad.data.half(); o.step()",
    "short gradient": "p, o = steps(); p.grad.data = torch.ones(3); o.step()",
    "loaded into another model": "p, o = steps(64); q, r = steps(times=1); "
    "r.load_state_dict(o.state_dict()); step(q, r)",
}
"""What to do, in code, with the tensors checked for their ends by the allocator: a write outside kills the process."""


WRONG = ["smaller data", "short state", "short anchor", "short mask", "short ema", "empty clock"]
CODES = {name: code + "\ndel p, o; torch.randn(1000); import gc; gc.collect()" for name, code in CHANGES.items()}
CODES |= {f"{name} is an error": CHANGES[name] + "\nraise SystemExit('no error')" for name in WRONG}


def ends_well(name):
    status, said = in_processes(tuple(CODES.items()))[name]
    assert status == 0, f"exit status {status}\n{said[-2000:]}"


@pytest.mark.parametrize("name", CHANGES)
def test_no_access_outside_a_tensor(name):
    ends_well(name)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_shape_is_an_error(name):
    ends_well(f"{name} is an error")


def _smuggle(dtype):
    def change(p, _):
        p.grad = torch.full(p.shape, 2.0)
        p.grad.data = torch.full(p.shape, 2.0, dtype=dtype)

    return change


def _reshape_gradient(p, _):
    p.grad.data = torch.ones(4, 9)


def _reshape_parameter(p, _):
    p.grad = None
    p.data = p.data.reshape(4, 9)
    p.grad = torch.ones(4, 9)


def _transpose_state(p, optimizer):
    optimizer.state[p]["exp_avg"] = optimizer.state[p]["exp_avg"].t()


def _negated_view(p, _):
    p.grad = torch._neg_view(torch.ones(p.shape))


SEEN = {
    "a gradient of float64": _smuggle(torch.float64),
    "a gradient of float16": _smuggle(torch.float16),
    "a gradient of bfloat16": _smuggle(torch.bfloat16),
    "a gradient of another shape": _reshape_gradient,
    "a parameter of another shape": _reshape_parameter,
    "a state transposed where it lies": _transpose_state,
    "a gradient whose sign is a flag": _negated_view,
}


@pytest.mark.parametrize("name", SEEN)
def test_native_does_as_eager_does(name):
    native, eager = (outcome(engine, SEEN[name]) for engine in (None, "eager"))
    if isinstance(eager, type) or isinstance(native, type):
        assert native is eager
    else:
        torch.testing.assert_close(native, eager, rtol=1e-5, atol=1e-6)
