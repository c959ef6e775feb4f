"""Groups of different rules in one optimizer: as two optimizers, with one state_dict, one clip and one λ schedule."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

import halflife
from halflife import rules
from halflife.schedules import LinearWD

from .users import apart, flat, give_gradients, train

MUON = {"lr": 0.02, "ns_precision": "float64", "weight_decay": 0.3}


def tensors(seed: int = 0) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    generator = torch.Generator().manual_seed(seed)

    def made(shapes: Any) -> list[torch.nn.Parameter]:
        return [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64)) for s in shapes]

    return made(((4, 3), (3, 5), (4, 3))), made(((5,), (3,)))


def both(kind: Any = halflife.AdamW, **settings: Any) -> halflife.Optimizer:
    matrices, others = tensors()
    own = {"rule": "Adam", "decay": "decoupled", "lr": 0.01, "weight_decay": 0.1}
    return kind([{"params": matrices, "rule": "muon", **MUON}, {"params": others, **own}], **settings)


@pytest.mark.parametrize("kind", [halflife.AdamW, halflife.Muon, halflife.SGD])
def test_one_optimizer_steps_as_two(kind: Any) -> None:
    (matrices, others), found = tensors(), train(both(kind))
    apart_ = [halflife.Muon(matrices, **MUON), halflife.AdamW(others, lr=0.01, weight_decay=0.1)]
    for k in range(4):
        give_gradients(both_groups := Groups(apart_), k)
        for optimizer in both_groups.optimizers:
            optimizer.step()
    assert torch.equal(flat([*matrices, *others]), found)


class Groups:
    """Two optimizers' groups in one list, for the same gradients."""

    def __init__(self, optimizers: list[Any]) -> None:
        self.optimizers = optimizers
        self.param_groups = [group for optimizer in optimizers for group in optimizer.param_groups]


def test_a_group_has_its_rules_settings_and_the_shared_ones() -> None:
    matrices, others = tensors()
    optimizer = halflife.AdamW([{"params": matrices, "rule": rules.Muon}, {"params": others}], lr=3e-4, maximize=True)
    muon, adam = optimizer.param_groups
    assert muon["rule"] == "Muon"
    assert not {"betas", "amsgrad", "decoupled_weight_decay"} & muon.keys()
    assert (muon["lr"], muon["maximize"], muon["eps"], muon["weight_decay"]) == (3e-4, True, 1e-7, 0.1)
    assert "momentum" not in adam
    assert "rule" not in adam
    assert optimizer.view(muon).decay == optimizer.view(adam).decay
    assert "update: Muon × (explicit × lr)" in repr(optimizer)


def test_the_class_own_rule_needs_no_word() -> None:
    _, others = tensors()
    (group,) = halflife.AdamW([{"params": others, "rule": "adam"}]).param_groups
    assert group == halflife.AdamW([{"params": others}]).param_groups[0]


def test_defaults_are_of_the_groups_rule() -> None:
    matrices, _ = tensors()
    (group,) = halflife.AdamW([{"params": matrices, "rule": "SGD", "lr": 0.5}]).param_groups
    plain = halflife.SGD(matrices, lr=0.5).param_groups[0]
    assert {name: group[name] for name in plain.keys() - {"params", "decay"}} == {
        name: plain[name] for name in plain.keys() - {"params", "decay"}
    }
    assert str(halflife.AdamW([{"params": matrices, "rule": "SGD"}]).view(group).decay) == "before"
    (paper,) = halflife.SGD([{"params": matrices, "rule": "Muon", "decay": "independent"}]).param_groups
    assert paper["weight_decay"] == pytest.approx(1e-4), "as much a step as Muon's 0.1 times its lr"


@pytest.mark.parametrize("copied", ["deepcopy", "pickle", "state_dict", "torch.load"])
def test_copies_and_checkpoints_go_on_to_the_same_bits(copied: str) -> None:
    optimizer = both()
    train(optimizer, 2)
    if copied == "deepcopy":
        other = copy.deepcopy(optimizer)
    elif copied == "pickle":
        other = pickle.loads(pickle.dumps(optimizer))
    else:
        saved = optimizer.state_dict()
        if copied == "torch.load":
            buffer = io.BytesIO()
            torch.save(saved, buffer)
            buffer.seek(0)
            saved = torch.load(buffer, weights_only=True)
        other = both()
        with torch.no_grad():
            for new, old in zip(parameters(other), parameters(optimizer), strict=True):
                new.copy_(old)
        other.load_state_dict(saved)
    assert [type(group) for group in other.param_groups] == [type(group) for group in optimizer.param_groups]
    assert torch.equal(train(other, 2, seed=1), train(optimizer, 2, seed=1))
    other.add_param_group({"params": [torch.zeros(2, 2, requires_grad=True)], "rule": "Muon"})
    assert other.param_groups[-1]["momentum"] == 0.95


def parameters(optimizer: Any) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def test_a_state_dict_of_other_rules_is_refused() -> None:
    matrices, others = tensors()
    plain = halflife.AdamW([{"params": matrices}, {"params": others}])
    with pytest.raises(ValueError, match=r"group 0 is stepped by the optimizer's own rule in .*, and by Muon here"):
        both().load_state_dict(plain.state_dict())
    with pytest.raises(ValueError, match=r"group 0 is stepped by Muon in the state_dict, and by the optimizer's"):
        plain.load_state_dict(both().state_dict())
    broken = both().state_dict()
    del broken["param_groups"][0]["ns_steps"]
    with pytest.raises(KeyError, match="ns_steps"):
        both().load_state_dict(broken)


def test_one_clip_and_one_verdict() -> None:
    optimizer = both(max_grad_norm=0.1, skip_nonfinite=True)
    give_gradients(optimizer, 3)
    norm = torch.cat([p.grad.flatten() for p in parameters(optimizer)]).norm()
    optimizer.step()
    assert float(optimizer.grad_norm) == pytest.approx(float(norm), rel=1e-12)
    before = flat(parameters(optimizer))
    parameters(optimizer)[-1].grad.fill_(float("nan"))
    optimizer.step()
    assert optimizer.skipped_steps == 1
    assert torch.equal(flat(parameters(optimizer)), before)


def test_one_schedule_of_weight_decay() -> None:
    matrices, others = tensors()
    schedule = LinearWD(0.4, 0.0, 4)
    optimizer = halflife.AdamW([{"params": matrices, "rule": "Muon"}, {"params": others}], weight_decay=schedule)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.4, 0.4]
    schedule.step()
    assert [group["weight_decay"] for group in optimizer.param_groups] == pytest.approx([0.3, 0.3])
    optimizer.add_param_group({"params": [torch.zeros(2, 2, requires_grad=True)], "rule": "SGD"})
    assert optimizer.param_groups[-1]["weight_decay"] == pytest.approx(0.3)


@pytest.mark.parametrize("kind", [halflife.AdamW, halflife.Muon])
def test_torchs_cycles_move_each_groups_momentum(kind: Any) -> None:
    optimizer = both(kind)
    OneCycleLR(optimizer, max_lr=[0.1, 0.01], total_steps=10, base_momentum=0.6, max_momentum=0.8)
    muon, adam = optimizer.param_groups
    assert muon["momentum"] == pytest.approx(0.8)
    assert adam["betas"] == (pytest.approx(0.8), 0.999)
    assert "betas" not in muon
    assert "momentum" not in adam
    assert train(optimizer, 2).isfinite().all()
    cyclic = both(kind)
    scheduler = CyclicLR(cyclic, base_lr=0.01, max_lr=0.1, step_size_up=2, base_momentum=0.5, max_momentum=0.7)
    train(cyclic, 1, then=scheduler.step)
    assert cyclic.param_groups[0]["momentum"] == cyclic.param_groups[1]["betas"][0] == pytest.approx(0.6)


def test_a_rule_without_momentum_says_so() -> None:
    matrices, others = tensors()
    optimizer = halflife.AdamW([{"params": matrices, "rule": "Adagrad"}, {"params": others}])
    with pytest.raises(KeyError, match=r"the rule Adagrad, which has no 'betas'; .* cycle_momentum=False"):
        OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    by_momentum = halflife.SGD([{"params": matrices, "rule": "Adagrad"}, {"params": others}], momentum=0.9)
    with pytest.raises(ValueError, match=r"the rule Adagrad, which has no 'momentum'"):
        OneCycleLR(by_momentum, max_lr=0.1, total_steps=10)
    OneCycleLR(optimizer, max_lr=0.1, total_steps=10, cycle_momentum=False)


def test_what_is_refused() -> None:
    matrices, others = tensors()
    with pytest.raises(ValueError, match=r"rule='Moun' is no registered rule; choose one of .*'Muon'"):
        halflife.AdamW([{"params": matrices, "rule": "Moun"}])
    with pytest.raises(ValueError, match="AdamW is rule='Adam' with decay='decoupled'"):
        halflife.SGD([{"params": matrices, "rule": "AdamW"}])
    with pytest.raises(ValueError, match="of the rule Muon sets 'betas', which that rule does not have"):
        halflife.AdamW([{"params": matrices, "rule": "Muon", "betas": (0.5, 0.5)}])
    with pytest.raises(ValueError, match="Muon only supports 2D"):
        halflife.AdamW([{"params": others, "rule": "Muon"}])
    with pytest.raises(ValueError, match="does not compose with the rule Muon"):
        halflife.AdamW([{"params": matrices, "rule": "Muon"}], decay="euclidean")
    with pytest.raises(TypeError, match="momentum must be a number"):
        halflife.AdamW([{"params": matrices, "rule": "Muon", "momentum": "fast"}])


@pytest.mark.parametrize("engine", ["eager", "foreach", None])
def test_engines_and_formats_are_the_groups_affair(engine: Any) -> None:
    plain, found = train(both()), train(both(engine=engine))
    assert apart(plain, found) <= 1e-12
    narrow = both()
    narrow.param_groups[0]["state_dtype"] = torch.bfloat16
    train(narrow, 1)
    assert narrow.state[narrow.param_groups[0]["params"][0]]["momentum_buffer"].dtype is torch.bfloat16


def test_monitor_averages_and_fusing_take_them(tmp_path: Any) -> None:
    optimizer = both(ema_decay=0.5)
    with halflife.Monitor(optimizer) as monitor:
        train(optimizer, 2)
    assert monitor is not None
    with optimizer.averaged():
        pass
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    own = [{"params": [model[0].weight, model[1].weight], "rule": "Muon"}, {"params": [model[0].bias, model[1].bias]}]
    fused = halflife.fuse_with_backward(model, halflife.AdamW(own, lr=0.1))
    before = flat(list(model.parameters()))
    model(torch.ones(2, 3)).sum().backward()
    assert apart(before, flat(list(model.parameters()))) > 1e-3
    assert fused is not None
