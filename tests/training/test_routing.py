"""Which parameters go to a rule for matrices, and who takes the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import halflife
from halflife import param_groups, rules


class Block(nn.Module):
    def __init__(self, d: int = 8) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(d, 2)
        self.norm = nn.LayerNorm(d)
        self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        self.experts = nn.Parameter(torch.randn(3, d, d))


class Transformer(nn.Module):
    def __init__(self, d: int = 8, tied: bool = False) -> None:
        super().__init__()
        self.wte, self.pos_embed = nn.Embedding(20, d), nn.Parameter(torch.randn(1, 5, d))
        self.patch = nn.Conv2d(3, d, 2)
        self.h = nn.ModuleList([Block(d), Block(d)])
        self.lm_head = nn.Linear(d, 20, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight


def owner(groups: Any) -> dict[str, dict[str, Any]]:
    return {name: group for group in groups for name in group["param_names"]}


def test_hidden_matrices_go_to_muon_and_all_else_to_adam() -> None:
    groups = param_groups(Transformer(), matrix="muon", head="lm_head.*", lr=3e-4, weight_decay=0.1)
    own = owner(groups)
    inner = {"attention.in_proj_weight", "attention.out_proj.weight", "up.weight", "down.weight", "experts"}
    of_muon = {name for name, group in own.items() if group["rule"] == "Muon"}
    assert of_muon == {f"h.{k}.{name}" for k in (0, 1) for name in inner} | {"patch.weight"}
    assert {group["rule"] for group in groups} == {"Muon", "Adam"}
    assert own["patch.weight"]["matrices"] == "flattened"
    assert own["h.0.experts"]["matrices"] == "stacked"
    assert "matrices" not in own["h.0.up.weight"]
    assert own["h.0.up.weight"]["adjust_lr_fn"] == "match_rms_adamw"
    assert (own["lm_head.weight"]["weight_decay"], own["wte.weight"]["weight_decay"]) == (0.1, 0.0)
    text = str(groups)
    for line in ("stepped by", "Adam        the head", "Adam        an embedding", "of a normalization", "no decay"):
        assert line in text


def trained(kind: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = Transformer()
    optimizer = kind(param_groups(model, matrix={"lr": 0.02, "weight_decay": 0.3}, head="lm_head.*", lr=1e-3))
    for k in range(3):
        give(model, k)
        optimizer.step()
    return {name: p.detach() for name, p in model.named_parameters()}


def give(model: nn.Module, k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator)


def test_any_optimizer_takes_them_and_steps_as_torchs_two() -> None:
    found = trained(halflife.AdamW)
    for kind in (halflife.Muon, halflife.SGD):
        other = trained(kind)
        assert all(torch.equal(found[name], other[name]) for name in found)
    torch.manual_seed(0)
    control = Transformer()
    named = dict(control.named_parameters())
    by_muon = [named[f"h.{k}.{name}.weight"] for k in (0, 1) for name in ("up", "down")]
    head, table = named["lm_head.weight"], named["wte.weight"]
    theirs = [
        torch.optim.Muon(by_muon, lr=0.02, weight_decay=0.3),
        torch.optim.AdamW([{"params": [head]}, {"params": [table], "weight_decay": 0.0}], lr=1e-3),
    ]
    for k in range(3):
        give(control, k)
        for other in theirs:
            other.step()
    for name in ("h.0.up.weight", "h.1.down.weight", "lm_head.weight", "wte.weight"):
        torch.testing.assert_close(found[name], named[name].detach(), rtol=1e-6, atol=1e-6)


def test_settings_of_their_own() -> None:
    own = owner(
        param_groups(
            Transformer(),
            matrix={"rule": rules.Muon, "lr": 0.02, "weight_decay": 0.3, "ns_steps": 3},
            head="lm_head.*",
            lr=1e-3,
            weight_decay=0.1,
            layer_decay=0.5,
            overrides={"h.1.up.*": {"lr": 7.0}},
        )
    )
    up, down = own["h.0.up.weight"], own["h.1.down.weight"]
    assert (up["weight_decay"], up["ns_steps"], down["lr"]) == (0.3, 3, pytest.approx(0.01))
    assert up["lr"] == pytest.approx(0.005)
    assert "adjust_lr_fn" not in up
    assert own["h.1.up.weight"]["lr"] == 7.0
    assert own["lm_head.weight"]["lr"] == pytest.approx(1e-3)


def test_the_head_is_asked_for_with_candidates() -> None:
    with pytest.raises(ValueError, match=r"Say which it is, head='lm_head\.\*' perhaps, or head=\(\)"):
        param_groups(Transformer(), matrix="muon")
    mlp = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(ValueError, match=r"head='2\.\*' perhaps"):
        param_groups(mlp, matrix="muon")
    with pytest.raises(ValueError, match="head's 'had' matches no parameter"):
        param_groups(mlp, matrix="muon", head="had")
    assert {n for n, g in owner(param_groups(mlp, matrix="muon", head=())).items() if g["rule"] == "Muon"} == {
        "0.weight",
        "2.weight",
    }
    assert owner(param_groups(mlp, matrix="muon", head=["2.*"]))["2.weight"]["rule"] == "Adam"
    assert owner(param_groups(Transformer(tied=True), matrix="muon"))["wte.weight"]["rule"] == "Adam"


def test_another_rule_and_one_that_is_none() -> None:
    own = owner(param_groups(Transformer(), matrix={"rule": "lion", "lr": 1e-4}, head="lm_head.*"))
    assert own["h.0.up.weight"]["rule"] == "Lion"
    with pytest.raises(ValueError, match=r"matrix='moun': no rule called 'moun' is registered; there are .*Muon"):
        param_groups(Transformer(), matrix="moun", head=())


def test_without_matrix_no_group_names_a_rule() -> None:
    assert not any("rule" in group for group in param_groups(Transformer(), lr=1e-3))
