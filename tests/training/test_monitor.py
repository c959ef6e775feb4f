"""The monitor: its numbers by hand, a step that it does not change, what it follows, and where it writes."""

from __future__ import annotations

import copy
import pickle
from math import acos, sqrt
from typing import Any

import pytest
import torch
from torch import nn

import halflife
from halflife.regularizers import L1, Box, GroupLasso, TowardInit
from halflife.training import Measurement

from ..optim.users import ALL, apart, each, flat, give_gradients, ours, train, weights

DOUBLE = torch.float64


def watched(optimizer: Any, steps: int = 1, seed: int = 0, **kwargs: Any) -> list[Measurement]:
    """The measurements of that many steps on random gradients, each recorded."""
    measurements: list[Measurement] = []
    with halflife.Monitor(optimizer, to=measurements.append, every=1, **kwargs):
        train(optimizer, steps, seed)
    return measurements


def lengths(before: torch.Tensor, after: torch.Tensor, undecayed: torch.Tensor) -> dict[str, float]:
    """What a measurement must say, from the weights themselves."""
    d, r = float((after - undecayed).norm()), float((undecayed - before).norm())
    cosine = float(before @ after / (before.norm() * after.norm()))
    change = float((after - before).norm() / before.norm())
    return {"weight_norm": float(after.norm()), "change": change, "angle": acos(cosine), "decay_share": d / (d + r)}


def said(measurement: Measurement, expected: dict[str, float], rel: float = 1e-6) -> None:
    assert {name: getattr(measurement, name) for name in expected} == pytest.approx(expected, rel=rel)


CASES: list[dict[str, Any]] = [
    {"decay": "decoupled", "weight_decay": 0.5},
    {"decay": "independent", "weight_decay": 0.05},
    {"decay": "proximal", "weight_decay": 0.05},
    {"decay": "proximal", "weight_decay": 0.05, "regularizer": L1()},
    {"decay": "proximal", "weight_decay": 0.05, "regularizer": GroupLasso(dim=0)},
    {"decay": "proximal", "regularizer": Box(-0.5, 0.5), "weight_decay": 0.0},
    {"decay": "independent", "weight_decay": 0.05, "regularizer": TowardInit()},
    {"decay": "euclidean", "weight_decay": 0.5},
    {"decay": "cautious", "weight_decay": 0.5},
    {"decay": "coupled", "weight_decay": 0.5},
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_the_numbers_by_two_runs(name: str, case: dict[str, Any]) -> None:
    """The step without decay is made by another optimizer that has none, from the same weights and state."""
    params = weights(DOUBLE)[:1] if isinstance(case.get("regularizer"), GroupLasso) else weights(DOUBLE)
    optimizer = ours(name)(params, lr=0.1, **case)
    train(optimizer, 3)
    before = flat(optimizer.param_groups[0]["params"])
    without = copy.deepcopy(optimizer)
    for group in without.param_groups:
        group.update(weight_decay=0.0, regularizer=None)
    undecayed = train(without, 1, seed=5)
    [measurement] = watched(optimizer, 1, seed=5)
    after = flat(optimizer.param_groups[0]["params"])
    assert apart(after, undecayed) > 1e-4
    said(measurement, lengths(before, after, undecayed))


def test_sgd_by_hand() -> None:
    w = nn.Parameter(torch.tensor([3.0, -4.0], dtype=DOUBLE))
    w.grad = torch.tensor([1.0, 1.0], dtype=DOUBLE)
    optimizer = halflife.SGD([w], lr=0.1, weight_decay=0.5, decay="decoupled")
    monitor = halflife.Monitor(optimizer, every=1)
    optimizer.step()
    [measurement] = monitor.last
    d, r = 0.05 * 5, 0.1 * sqrt(2)  # lr·λ·‖w‖, lr·‖g‖
    said(measurement, {"decay_share": d / (d + r), "equilibrium": sqrt(2 * 0.05), "lr": 0.1, "weight_decay": 0.5})
    assert (measurement.step, measurement.group, measurement.skipped, measurement.cautious_skipped) == (
        1,
        "0",
        False,
        None,
    )


def test_small_angles_keep_their_digits() -> None:
    w = nn.Parameter(torch.tensor([1.0, 0.0]))
    w.grad = torch.tensor([0.0, 1.0])
    [measurement] = _one_step(halflife.SGD([w], lr=1e-6))
    assert measurement.angle == pytest.approx(1e-6, rel=1e-4)
    assert measurement.decay_share == 0


def _one_step(optimizer: Any, **kwargs: Any) -> list[Measurement]:
    monitor = halflife.Monitor(optimizer, every=1, **kwargs)
    optimizer.step()
    monitor.remove()
    return monitor.last


def test_cautious_decay_says_what_it_skipped() -> None:
    w = nn.Parameter(torch.tensor([1.0, -1.0, 1.0, 2.0], dtype=DOUBLE))
    w.grad = torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=DOUBLE)  # the second and third move away from zero
    [measurement] = _one_step(halflife.SGD([w], lr=0.1, weight_decay=0.5, decay="cautious"))
    assert measurement.cautious_skipped == 0.5
    assert measurement.equilibrium == pytest.approx(sqrt(2 * 0.05 * 5 / 7))


@each
@pytest.mark.parametrize("engine", [{}, {"engine": "eager"}], ids=["default", "eager"])
def test_the_step_is_the_same_to_the_last_bit(name: str, engine: dict[str, Any]) -> None:
    kwargs = {"lr": 0.05, "weight_decay": 0.1, **engine}
    plain, optimizer = ours(name)(weights(torch.float32), **kwargs), ours(name)(weights(torch.float32), **kwargs)
    expected = train(plain, 5)
    assert len(watched(optimizer, 5)) == 5
    assert torch.equal(flat(optimizer.param_groups[0]["params"]), expected)
    torch.testing.assert_close(plain.state_dict()["state"], optimizer.state_dict()["state"], rtol=0, atol=0)


@pytest.mark.parametrize(
    "kwargs", [{"state_dtype": "8bit"}, {"rounding": "kahan"}, {"rounding": "stochastic"}, {"ema_decay": 0.9}], ids=str
)
def test_formats_and_averages(kwargs: dict[str, Any]) -> None:
    dtype = torch.bfloat16 if "rounding" in kwargs else torch.float32
    plain, optimizer = (halflife.AdamW(weights(dtype), lr=0.05, weight_decay=0.5, **kwargs) for _ in range(2))
    expected = train(plain, 4)
    measurements = watched(optimizer, 4)
    assert torch.equal(flat(optimizer.param_groups[0]["params"]), expected)
    assert all(0.01 < r.decay_share < 0.9 for r in measurements)


def test_groups_are_read_apart_and_named() -> None:
    first, second = weights(DOUBLE)
    groups = [{"params": [first], "name": "matrix"}, {"params": [second], "lr": 0.2, "weight_decay": 0.0}]
    a, b = watched(halflife.AdamW(groups, lr=0.1, weight_decay=0.5, decay="independent"), 1)
    assert (a.group, a.lr, b.group, b.lr) == ("matrix", 0.1, "1", 0.2)
    assert a.weight_norm == pytest.approx(float(first.detach().norm()))
    assert b.decay_share == 0
    assert a.decay_share > 0.1


def test_the_equilibrium_follows_the_form_and_the_schedule() -> None:
    q = (1 - 0.9) / (1 + 0.9)
    for decay, η in (("decoupled", None), ("independent", 0.25)):
        optimizer = halflife.AdamW(weights(), lr=0.1, weight_decay=0.02, decay=decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.25)
        [measurement] = watched(optimizer, 1)
        assert measurement.equilibrium == pytest.approx(sqrt(2 * 0.02 * (η or 0.025) * q))
        schedule.step()


BALANCED = {
    "AdamW": lambda p: halflife.AdamW(p, lr=0.05, weight_decay=0.2),
    "ProxAdam": lambda p: halflife.ProxAdam(p, lr=0.05, weight_decay=0.01),
    "SGDW": lambda p: halflife.SGDW(p, lr=5.0, weight_decay=0.01),
    "coupled SGD": lambda p: halflife.SGD(p, lr=5.0, momentum=0.9, weight_decay=0.002),
    "Nesterov": lambda p: halflife.SGD(p, lr=1.0, momentum=0.9, nesterov=True, weight_decay=0.01, decay="decoupled"),
    "RMSprop": lambda p: halflife.RMSprop(p, lr=0.05, weight_decay=0.2, decay="decoupled"),
    "Lion": lambda p: halflife.Lion(p, lr=0.05, weight_decay=0.1, betas=(0.9, 0.9)),
    "cautious": lambda p: halflife.AdamW(p, lr=0.05, weight_decay=0.2, betas=(0.0, 0.999), decay="cautious"),
}


@pytest.mark.parametrize("name", BALANCED)
def test_weights_without_a_scale_turn_by_the_equilibrium(name: str) -> None:
    """Random gradients at right angles to w, as a weight before a norm has them."""
    torch.manual_seed(0)
    w, measurements = nn.Parameter(torch.randn(4000)), list[Measurement]()
    optimizer = BALANCED[name]([w])
    with halflife.Monitor(optimizer, every=50, to=measurements.append):
        for _ in range(1000):
            g, v = torch.randn(4000) / w.detach().norm(), w.detach()
            w.grad = g - (g @ v) / v.square().sum() * v
            optimizer.step()
    angle = sum(r.angle / r.equilibrium for r in measurements[-6:]) / 6
    assert angle == pytest.approx(1, abs=0.05 if name != "Lion" else 0.1)


def test_where_no_equilibrium_is_known() -> None:
    kinds = [halflife.AdamP(weights()), halflife.NAdam(weights(), weight_decay=0.1, decay="decoupled")]
    kinds += [halflife.Rprop(weights()), halflife.ProxAdam(weights(), regularizer=L1()), halflife.AdamL2(weights())]
    assert all(measurement.equilibrium is None for optimizer in kinds for measurement in watched(optimizer))


def test_clipping_is_followed() -> None:
    plain = halflife.SGD(weights(DOUBLE), lr=0.1, weight_decay=0.5, decay="decoupled")
    clipped = halflife.SGD(weights(DOUBLE), lr=0.1, weight_decay=0.5, decay="decoupled", max_grad_norm=0.5)
    give_gradients(clipped, 0)
    norm = float(torch.cat([p.grad.flatten() for p in clipped.param_groups[0]["params"]]).norm())
    [measurement], [free] = watched(clipped), watched(plain)
    assert free.clip_factor is None
    said(measurement, {"grad_norm": norm, "clip_factor": 0.5 / (norm + 1e-6)})
    w = flat(weights(DOUBLE)).norm()
    d = 0.05 * float(w)
    said(measurement, {"decay_share": d / (d + 0.1 * 0.5)}, rel=1e-5)


def test_a_scaler_is_followed_and_a_skipped_step_is_said() -> None:
    def run(scale: float) -> list[Measurement]:
        params, measurements = weights(torch.float32), list[Measurement]()
        optimizer = halflife.AdamW(params, lr=0.1, weight_decay=0.5, max_grad_norm=1.0)
        halflife.Monitor(optimizer, every=1, to=measurements.append)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=scale > 1)
        for k in range(4):
            optimizer.zero_grad()
            loss = sum((torch.sin(p + k) ** 2).sum() for p in params)
            scaler.scale(loss * (float("inf") if k == 2 and scale > 1 else 1.0)).backward()
            if k != 2 or scale > 1:
                scaler.step(optimizer)
                scaler.update()
        return measurements

    scaled, plain = run(1024.0), run(1.0)
    assert [r.skipped for r in scaled] == [False, False, True, False]
    assert [r.skipped_steps for r in scaled] == [0, 0, 1, 1]
    assert (scaled[2].change, scaled[2].angle, scaled[2].equilibrium, scaled[2].clip_factor) == (0, 0, None, None)
    for a, b in zip([scaled[0], scaled[1], scaled[3]], plain, strict=True):
        said(a, {name: getattr(b, name) for name in ("decay_share", "change", "grad_norm", "clip_factor")}, rel=1e-4)


def test_skip_nonfinite_is_followed() -> None:
    params = weights()
    optimizer = halflife.AdamW(params, skip_nonfinite=True)
    monitor = halflife.Monitor(optimizer, every=1)
    give_gradients(optimizer, 0)
    params[0].grad[0, 0] = torch.nan
    optimizer.step()
    assert (monitor.last[0].skipped, monitor.last[0].decay_share) == (True, None)
    train(optimizer, 1)
    assert (monitor.last[0].skipped, monitor.last[0].skipped_steps) == (False, 1)


def test_closures_are_looked_at_after_they_were_called() -> None:
    def run(by_keyword: bool, closed: bool) -> Measurement:
        optimizer = halflife.AdamW(weights(), lr=0.1)
        monitor = halflife.Monitor(optimizer, every=1)
        closure = lambda: give_gradients(optimizer, 7) or 3.5  # noqa: E731
        if closed:
            assert (optimizer.step(closure=closure) if by_keyword else optimizer.step(closure)) == 3.5
        else:
            closure()
            optimizer.step()
        return monitor.last[0]

    assert run(False, True) == run(True, True) == run(False, False)


def test_a_fused_step_is_followed() -> None:
    def run(fuse: bool) -> list[Measurement]:
        torch.manual_seed(0)
        net, measurements = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), list[Measurement]()
        optimizer = halflife.AdamW(halflife.param_groups(net, weight_decay=0.5), lr=0.1)
        halflife.Monitor(optimizer, every=2, to=measurements.append)
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        for k in range(5):
            net(torch.full((2, 3), 1.0 + k)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return measurements

    assert run(True) == run(False)
    assert [(r.step, r.group) for r in run(True)] == [(2, "0"), (2, "1"), (4, "0"), (4, "1")]


def test_a_compiled_step_is_followed() -> None:
    def run(compiled: bool) -> list[Measurement]:
        optimizer = halflife.AdamW(weights(torch.float32), lr=0.1)
        monitor = halflife.Monitor(optimizer, every=1)
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        for k in range(2):
            give_gradients(optimizer, k)
            step()
        return monitor.last

    assert run(True) == run(False)


def test_every_and_resume_and_removal() -> None:
    optimizer, steps = halflife.AdamW(weights()), list[int]()
    monitor = halflife.Monitor(optimizer, every=3, to=lambda measurement: steps.append(measurement.step))
    train(optimizer, 7)
    assert steps == [3, 6]
    saved, there = monitor.state_dict(), optimizer.state_dict()
    monitor.remove()
    monitor.remove()
    train(optimizer, 7)
    assert steps == [3, 6]
    again = halflife.Monitor(optimizer, every=3, to=lambda measurement: steps.append(measurement.step))
    again.load_state_dict(saved)
    optimizer.load_state_dict(there)
    train(optimizer, 3)
    assert steps == [3, 6, 9]


def test_copies_and_pickles_have_no_monitor() -> None:
    optimizer, steps = halflife.AdamW(weights()), list[int]()
    halflife.Monitor(optimizer, every=1, to=lambda measurement: steps.append(measurement.step))
    train(optimizer, 2)
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert train(other, 2).isfinite().all()
    assert steps == [1, 2]
    train(optimizer, 1)
    assert steps == [1, 2, 3]


def test_between_recorded_steps_nothing_is_kept() -> None:
    optimizer = halflife.AdamW(weights())
    monitor = halflife.Monitor(optimizer, every=10**6)
    monitor.look_at(0, optimizer.param_groups[0]["params"][0])
    assert not monitor.due
    assert not monitor._before


def test_parameters_without_gradient_and_of_zeros() -> None:
    first, second = weights()
    second.data.zero_()
    optimizer = halflife.AdamW([first, second, nn.Parameter(torch.ones(2))])
    monitor = halflife.Monitor(optimizer, every=1)
    second.grad = torch.ones_like(second)
    optimizer.step()
    assert (monitor.last[0].change, monitor.last[0].angle) == (None, None)
    optimizer.zero_grad()
    optimizer.step()
    assert monitor.last == []


def test_bad_input_is_refused() -> None:
    optimizer = halflife.AdamW(weights())
    with pytest.raises(TypeError, match="an optimizer of halflife, not Adam"):
        halflife.Monitor(torch.optim.Adam(weights()))  # type: ignore
    with pytest.raises(ValueError, match="at least 1, but 0 was given"):
        halflife.Monitor(optimizer, every=0)
    with pytest.raises(TypeError, match="to=3 is nothing that a Monitor writes to"):
        halflife.Monitor(optimizer, to=3)
    with pytest.raises(TypeError, match=r"no folder and no CSV file; name it run\.csv"):
        halflife.Monitor(optimizer, to="run.txt")
    with pytest.raises(ValueError, match="differentiable=True"):
        halflife.Monitor(halflife.AdamW(weights(), differentiable=True))
    with pytest.raises(KeyError, match="'steps'"):
        halflife.Monitor(optimizer).load_state_dict({})
    assert len(optimizer._optimizer_step_pre_hooks) == 1


def test_the_old_name_of_a_measurement_still_works_and_says_so() -> None:
    with pytest.warns(DeprecationWarning, match="import Measurement instead"):
        from halflife.training import Reading
    assert Reading is Measurement
    with pytest.raises(AttributeError, match="has no attribute 'Writing'"):
        halflife.training.Writing  # noqa: B018


def test_all_classes_can_be_watched() -> None:
    for name in ALL:
        [measurement] = watched(ours(name)(weights(), lr=0.05, weight_decay=0.1))
        assert measurement.change > 0
