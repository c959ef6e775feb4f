"""What others put into gradients, states and flags: the step is torch's, and theirs is left as it is."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

import halflife
from halflife.engines import native_table
from halflife.engines.library import Missing, load

from .users import each_engine, ours

needs_native = pytest.mark.skipif(isinstance(load(), Missing), reason="no native engine here")


def ones(n: int = 1) -> list[torch.Tensor]:
    return [torch.ones(3).requires_grad_() for _ in range(n)]


def step(optimizer: torch.optim.Optimizer, times: int = 1) -> list[float]:
    """Steps with gradients of one; the first weight of each parameter."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for _ in range(times):
        for p in params:
            p.grad = torch.ones_like(p)
        optimizer.step()
    return [p.detach()[0].item() for p in params]


@pytest.mark.parametrize("name", ["AdamW", "RAdam", "Adamax", "NAdam", "ASGD"])
@each_engine
def test_a_state_of_another_does_not_hide_that_the_rule_has_none(name: str, engine: dict[str, Any]) -> None:
    (p,), (q,) = ones(), ones()
    optimizer = ours(name)([p], lr=0.1, **engine)
    optimizer.state[p]["slow"] = p.detach().clone()  # as wrappers that look ahead do
    expected = step(getattr(torch.optim, name)([q], lr=0.1), 3)
    assert step(optimizer, 3) == pytest.approx(expected, rel=1e-6)
    assert torch.equal(optimizer.state[p]["slow"], torch.ones(3))


@pytest.mark.parametrize("x", [3, "a", [1], torch.ones(7)], ids=repr)
@each_engine
def test_entries_of_others_are_carried_saved_and_loaded(x: Any, engine: dict[str, Any]) -> None:
    optimizer, resumed = (halflife.AdamW(ones(), lr=0.1, **engine) for _ in range(2))
    (p,), (q,) = (o.param_groups[0]["params"] for o in (optimizer, resumed))
    optimizer.state[p]["mine"] = x
    step(optimizer)
    resumed.load_state_dict(optimizer.state_dict())
    q.data.copy_(p.data)
    assert str(resumed.state[q]["mine"]) == str(optimizer.state[p]["mine"]) == str(x)
    assert step(resumed) == step(optimizer)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
@needs_native
def test_a_step_count_of_another_dtype_becomes_ones_own(dtype: torch.dtype) -> None:
    optimizer = halflife.AdamW(ones())
    step(optimizer)
    saved = optimizer.state_dict()
    saved["state"][0]["step"] = torch.tensor(1, dtype=dtype)
    optimizer.load_state_dict(saved)
    step(optimizer)
    (state,) = optimizer.state.values()
    assert (state["step"].dtype, float(state["step"])) == (torch.float32, 2)
    assert optimizer.engines()[0].name == "native"


@needs_native
def test_states_that_a_hook_makes_narrow_are_stepped_natively() -> None:
    optimizer, narrow = halflife.AdamW(ones(2)), halflife.AdamW(ones(2), state_dtype=torch.bfloat16)
    for o in (optimizer, narrow):
        step(o)
    for state in optimizer.state.values():
        state.update({name: state[name].bfloat16() for name in ("exp_avg", "exp_avg_sq")})
    step(optimizer)
    assert optimizer.engines()[0].name == "native"
    assert {state["exp_avg"].dtype for state in optimizer.state.values()} == {torch.bfloat16}


class Sub(torch.Tensor):
    pass


@each_engine
def test_a_gradient_of_another_class(engine: dict[str, Any]) -> None:
    p, q = ones(2)
    optimizer = halflife.SGD([p, q], lr=0.1, **engine)
    for _ in range(2):
        p.grad, q.grad = torch.ones(3).as_subclass(Sub), torch.ones(3)
        optimizer.step()
    assert p.tolist() == q.tolist() == pytest.approx([0.8] * 3)
    assert "eager" in optimizer.engines()[0].name
    assert "1 tensors, a parameter or its gradient is a tensor subclass" in optimizer.engines()[0].reason or engine


@pytest.mark.parametrize("flags", [{"state_dtype": "8bit", "rounding": "stochastic"}, {"ema_decay": 0.9}], ids=str)
@each_engine
def test_a_default_device_is_nothing_to_a_step(flags: dict[str, Any], engine: dict[str, Any]) -> None:
    ended = []
    for device in ("cpu", "meta"):
        optimizer = halflife.NAdam(ones(2), lr=0.1, max_grad_norm=1.0, skip_nonfinite=True, **flags, **engine)
        for p in optimizer.param_groups[0]["params"]:
            p.grad = torch.ones(3)
        with torch.device(device):
            optimizer.step()
            optimizer.step()
        ended.append([p.tolist() for p in optimizer.param_groups[0]["params"]])
    assert ended[0] == ended[1]
    assert ended[0][0][0] < 1


def test_what_was_given_up_is_freed() -> None:
    (p,) = ones()
    optimizer = halflife.AdamW([p])
    step(optimizer)
    gone = weakref.ref(optimizer.state[p]["exp_avg"])
    optimizer.load_state_dict(optimizer.state_dict())
    assert gone() is None
    step(optimizer)
    gone = weakref.ref(p)
    optimizer.state.clear()
    optimizer.param_groups.clear()
    del p
    assert gone() is None


@pytest.mark.parametrize(
    "settings",
    [
        {"decay": halflife.Decay("explicit", "one")},
        {"decay": "proximal", "regularizer": halflife.regularizers.Box(0, 0.5)},
    ],
    ids=["no learning rate", "a constraint"],
)
@each_engine
def test_reading_an_optimizer_that_has_not_stepped_moves_nothing(settings: Any, engine: dict[str, Any]) -> None:
    """As torch.distributed.checkpoint reads it: by a step with lr 0 and gradients of zero."""
    layer = torch.nn.Linear(3, 2)
    optimizer = halflife.AdamW(layer.parameters(), lr=0.1, weight_decay=0.2, **settings, **engine)
    before = layer.weight.detach().clone()
    read = get_optimizer_state_dict(layer, optimizer)
    assert torch.equal(layer.weight, before)
    assert {"exp_avg", "exp_avg_sq", "step"} <= read["state"]["weight"].keys()
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert (layer.weight - before).abs().max() > 0.01


FLAGS = [
    *({flag: value} for flag in ("fused", "foreach") for value in (True, False, None)),
    {"fused": True, "foreach": False},
    {"fused": False, "foreach": True},
    {"fused": False, "foreach": False},
]


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@needs_native
def test_torchs_flags_choose_no_slower_engine(flags: dict[str, Any]) -> None:
    optimizer = halflife.AdamW(ones(2), **flags)
    step(optimizer)
    assert [choice.name for choice in optimizer.engines()] == ["native"]


@needs_native
def test_one_tensor_of_another_engine_leaves_the_others_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[None] = []
    begin = native_table.Table.__init__
    monkeypatch.setattr(native_table.Table, "__init__", lambda self, steps: made.append(None) or begin(self, steps))
    table, params = torch.nn.Embedding(4, 2, sparse=True), ones(2)
    optimizer = halflife.SGD([{"params": params}, {"params": table.parameters()}], lr=0.1, momentum=0.5)
    before = table.weight.detach().clone()
    for _ in range(3):
        for p in params:
            p.grad = torch.ones(3)
        optimizer.param_groups[1]["params"][0].grad = None
        table(torch.tensor([1, 2])).sum().backward()
        optimizer.step()
    assert [choice.name for choice in optimizer.engines()] == ["native", "eager"]
    assert len(made) == 1
    assert params[0].tolist() == params[1].tolist() == pytest.approx([1 - 0.1 * (1 + 1.5 + 1.75)] * 3)
    assert (before - table.weight)[1:3].tolist() == [pytest.approx([0.425] * 2, rel=1e-5)] * 2


@each_engine
def test_a_tensor_may_be_swapped_for_another(engine: dict[str, Any]) -> None:
    """As ``Module.to`` and ``load_state_dict`` do where torch.__future__ says so: no weak reference may be left."""
    ends = []
    for optimizer in (halflife.AdamW(ones(2), lr=0.1, **engine), torch.optim.AdamW(ones(2), lr=0.1)):
        step(optimizer, 2)
        p = optimizer.param_groups[0]["params"][0]
        p.grad = None
        torch.utils.swap_tensors(p, torch.full((3,), 2.0).requires_grad_())
        ends.append(step(optimizer, 2))
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)


@each_engine
def test_a_state_may_be_turned_where_it_lies(engine: dict[str, Any]) -> None:
    ends = []
    for optimizer_class, flags in ((halflife.AdamW, engine), (torch.optim.AdamW, {})):
        p = torch.zeros(2, 2, dtype=torch.float64).requires_grad_()
        optimizer = optimizer_class([p], lr=0.1, **flags)
        for k in range(4):
            p.grad = torch.tensor([[1.0, 2.0], [-3.0, 4.0]], dtype=torch.float64)
            optimizer.step()
            if k == 1:
                optimizer.state[p]["exp_avg"].t_()
        ends.append(p.flatten().tolist())
    assert ends[0] == pytest.approx(ends[1], rel=1e-12)


def test_a_gradient_may_be_missing_where_parameters_keep_different_states() -> None:
    params = ones(3)
    optimizer = halflife.AdamW([{"params": params[:1]}, {"params": params[1:], "ema_decay": 0.9}], lr=0.1)
    step(optimizer, 2)
    for p, g in zip(params, (torch.ones(3), None, torch.ones(3)), strict=True):
        p.grad = g
    optimizer.step()
    assert [int(optimizer.state[p]["step"]) for p in params] == [3, 2, 3]


@pytest.mark.parametrize("name", ["ema", "anchor", "kahan"])
@pytest.mark.parametrize("x", [3, None, torch.ones(3)], ids=repr)
def test_a_name_that_this_optimizer_does_not_use_is_anybodys(name: str, x: Any) -> None:
    if name == "kahan" and isinstance(x, torch.Tensor):
        return  # the remainder of a rounding, which a checkpoint does not say: it goes with that
    optimizer, resumed = halflife.AdamW(ones()), halflife.AdamW(ones())
    optimizer.state[optimizer.param_groups[0]["params"][0]][name] = x
    step(optimizer)
    resumed.load_state_dict(optimizer.state_dict())
    (state,) = resumed.state.values()
    assert str(state[name]) == str(x)


def test_an_average_is_that_of_a_group_that_keeps_one() -> None:
    p, q = ones(2)
    optimizer = halflife.SGD([{"params": [p]}, {"params": [q], "ema_decay": 0.5}], lr=0.1)
    optimizer.state[p]["ema"] = torch.zeros(3)
    step(optimizer)
    with optimizer.averaged():
        assert (p[0].item(), q[0].item()) == pytest.approx((0.9, 0.95))


@each_engine
def test_gradients_that_are_to_be_conjugated(engine: dict[str, Any]) -> None:
    """As autograd leaves them."""
    ends = []
    for optimizer_class, flags in ((halflife.SGD, engine), (torch.optim.SGD, {})):
        p = torch.ones(3, dtype=torch.complex128).requires_grad_()
        optimizer = optimizer_class([p], lr=0.1, momentum=0.9, **flags)
        for _ in range(3):
            p.grad = None
            (p.conj() * torch.tensor([1 + 2j, 3j, 4])).sum().abs().backward()
            assert p.grad.is_conj()
            optimizer.step()
        ends.append(torch.view_as_real(p.detach()))
    assert torch.allclose(*ends, rtol=1e-12)
    optimizer = halflife.SGD([p], lr=0.1, max_grad_norm=1.0, **engine)
    optimizer.step()
    assert optimizer.grad_norm == pytest.approx(float(p.grad.abs().square().sum().sqrt()))


@each_engine
def test_states_and_weights_that_are_to_be_negated(engine: dict[str, Any]) -> None:
    ends = []
    for make, flags in ((halflife.AdamW, engine), (torch.optim.AdamW, {})):
        params = [torch.ones(3).requires_grad_(), torch._neg_view(-torch.ones(3)).requires_grad_()]
        optimizer = make(params, lr=0.1, **flags)
        step(optimizer)
        for state in optimizer.state.values():
            state["exp_avg"] = torch._neg_view(-state["exp_avg"])
        ends.append(step(optimizer, 2))
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)


@pytest.mark.parametrize("wrong", [torch.ones(3, dtype=torch.complex64), torch.ones(3, device="meta")], ids=str)
@each_engine
def test_a_state_that_cannot_be_this_parameters_is_refused(wrong: torch.Tensor, engine: dict[str, Any]) -> None:
    p, q = ones(2)
    optimizer = halflife.AdamW([p, q], **engine)
    step(optimizer)
    optimizer.state[q]["exp_avg"] = wrong
    before = p.tolist()
    with pytest.raises(ValueError, match="the state 'exp_avg' of a parameter in"):
        step(optimizer)
    assert p.tolist() == before


def test_a_list_of_parameters_that_is_a_module_is_a_list() -> None:
    optimizer = halflife.SGD(torch.nn.ParameterList(ones(2)), lr=0.1)
    assert step(optimizer) == pytest.approx([0.9, 0.9])
