"""Parameter groups: what each rule is about, that every parameter stands in one group, and what the table says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import halflife
from halflife import param_groups
from halflife.lab.models import resnet, transformer
from halflife.parameters import layer_depths, named_parameters


class Norm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))


class LlamaRMSNorm(Norm): ...


class Normalized(Norm): ...


class Vit(nn.Module):
    """Names and classes as vision transformers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(2, 4))
        self.patch = nn.Conv2d(1, 4, 2)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(4, 2, 8) for _ in range(3))
        self.middle, self.last, self.head = Normalized(), LlamaRMSNorm(), nn.Linear(4, 2)


def small(tied: bool = False) -> nn.Module:
    torch.manual_seed(0)
    model = transformer(7, 5, width=8, depth=2)
    if tied:
        model.predict[1].weight = model.tokens.weight  # type: ignore
    return model


def settings(groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each parameter's own settings, by name."""
    pairs = ((name, group) for group in groups for name in group["param_names"])
    return {name: {k: v for k, v in group.items() if k not in ("params", "param_names")} for name, group in pairs}


def spared(model: nn.Module, **kwargs: Any) -> set[str]:
    found = settings(param_groups(model, weight_decay=0.1, **kwargs))
    assert {s["weight_decay"] for s in found.values()} <= {0.0, 0.1}
    return {name for name, s in found.items() if s["weight_decay"] == 0}


def test_two_groups_of_all_parameters_under_torchs_names() -> None:
    model = small()
    groups = param_groups(model, weight_decay=0.1)
    assert len(groups) == 2
    listed = {name: p for group in groups for name, p in zip(group["param_names"], group["params"], strict=True)}
    own = dict(model.named_parameters())
    assert listed.keys() == own.keys()
    assert all(listed[name] is own[name] for name in own)
    sharp = {name for name, p in own.items() if p.ndim == 2 and name not in ("tokens.weight", "places.weight")}
    assert {*own} - spared(model) == sharp


def test_the_three_words() -> None:
    model = Vit()
    biases = {n for n, _ in model.named_parameters() if n.endswith("bias")}
    assert spared(model, no_decay=["bias"]) == biases
    assert "blocks.0.self_attn.in_proj_bias" in biases
    assert spared(model, no_decay=["embedding"]) == {"pos_embed"}
    norms = spared(model, no_decay=("norm",))
    assert norms == {
        "last.weight",
        *(f"blocks.{i}.norm{k}.{w}" for i in range(3) for k in (1, 2) for w in ("weight", "bias")),
    }
    assert spared(nn.LSTM(2, 2), no_decay="bias") == {"bias_ih_l0", "bias_hh_l0"}


class Gained(nn.LayerNorm): ...


class Grouped(nn.GroupNorm): ...


class LearnedPositionalEncoding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.table = nn.Parameter(torch.zeros(5, 4)), nn.Parameter(torch.zeros(2, 2))


class Mixer(nn.Module):
    """Parameters that only their shape, their class's base or their own name tells from weights."""

    def __init__(self) -> None:
        super().__init__()
        self.A_log, self.logit_scale = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.tensor(1.0))
        self.pos, self.rel_pos_h = nn.Parameter(torch.zeros(1, 5, 4)), nn.Parameter(torch.zeros(7, 4))
        self.pos_embed_0, self.positional = nn.Parameter(torch.zeros(1, 5, 4)), nn.Parameter(torch.zeros(5, 4))
        self.stages_pos_emb = nn.ParameterList([torch.zeros(5, 4), torch.zeros(3, 4)])
        self.encode = LearnedPositionalEncoding()
        self.gained, self.grouped = Gained((3, 4)), Grouped(2, 4)  # a gain of two dimensions, one of one
        self.out, self.conv, self.rnn = nn.Linear(4, 1), nn.Conv1d(4, 4, 3), nn.RNN(4, 4)
        self.composition, self.exposure = nn.Parameter(torch.zeros(4, 4)), nn.Parameter(torch.zeros(4, 4))
        self.pos_proj = nn.Linear(4, 4)
        self.register_buffer("position_ids", torch.zeros(1, 5))


POSITIONS = {"pos", "rel_pos_h", "pos_embed_0", "positional", "stages_pos_emb.0", "stages_pos_emb.1"}
POSITIONS |= {"encode.weight", "encode.table"}
MATRICES = {"out.weight", "conv.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "composition", "exposure"}
MATRICES |= {"pos_proj.weight"}


def test_vectors_positions_and_derived_norms_are_spared() -> None:
    model = Mixer()
    every = {name for name, _ in model.named_parameters()}
    biases = {name for name in every if "bias" in name}
    norms = {"gained.weight", "gained.bias", "grouped.weight", "grouped.bias"}
    assert "rnn.bias_ih_l0" in biases
    assert spared(model, no_decay=["norm"]) == norms
    assert spared(model, no_decay=["position"]) == POSITIONS
    assert spared(model, no_decay=["vector"]) == {"A_log", "logit_scale", "grouped.weight"} | biases - {"gained.bias"}
    assert every - spared(model) == MATRICES


def test_an_explicit_list_means_what_it_says() -> None:
    model = Mixer()
    assert spared(model, no_decay=("bias",)) == {name for name, _ in model.named_parameters() if "bias" in name}
    assert not spared(model, no_decay=("bias", "norm", "embedding")) & {"A_log", "logit_scale", "pos", "rel_pos_h"}
    decayed = settings(param_groups(model, weight_decay=0.1, overrides={"vector": {"weight_decay": 0.2}}))
    assert decayed["A_log"] == decayed["out.bias"] == {"weight_decay": 0.2}


def test_a_tied_vector_is_spared_once_and_a_name_counts_under_either() -> None:
    model = Mixer()
    model.grouped.weight = model.A_log  # type: ignore
    model.composition = model.pos = nn.Parameter(torch.zeros(4, 4))
    groups = param_groups(model, weight_decay=0.1)
    assert settings(groups)["A_log"]["weight_decay"] == settings(groups)["pos"]["weight_decay"] == 0
    assert "'norm'       of a normalization     3        28       A_log, gained.weight, grouped.weight" not in str(
        groups
    )
    assert sum(p is model.A_log for group in groups for p in group["params"]) == 1


def test_a_shape_that_is_hidden_is_not_taken_for_a_vectors() -> None:
    lazy = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    assert spared(lazy) == {"0.bias", "1.weight", "1.bias"}
    flat, partitioned = nn.Linear(3, 3), nn.Linear(3, 3)
    for name, p in [*flat.named_parameters()]:
        setattr(flat, name, nn.Parameter(torch.zeros(p.numel())))
        getattr(flat, name)._fsdp_flattened = True
    assert spared(flat) == {"bias"}
    assert "2 tensors of unknown shape" in str(param_groups(flat))
    for name, p in [*partitioned.named_parameters()]:
        setattr(partitioned, name, nn.Parameter(torch.zeros(0)))
        getattr(partitioned, name).ds_shape = p.shape
    assert spared(partitioned, no_decay=["vector"]) == {"bias"}


def test_the_table_says_what_was_spared_and_by_what() -> None:
    model = nn.Sequential(nn.Linear(3, 2), Gained(2), nn.Embedding(4, 2))
    model.scale, model.pos, model.codes = (nn.Parameter(torch.zeros(n)) for n in ((), (1, 5, 2), (3, 3)))
    groups = param_groups(
        model,
        weight_decay=0.1,
        no_decay=("bias", "norm", "vector", "position", "codes", nn.Embedding),
        overrides={"1.bias": {"weight_decay": 0.3}},
    )
    assert str(groups).splitlines()[-7:] == [
        "no decay    because                tensors  numbers  examples",
        "'bias'      called a bias          1        2        0.bias",
        "'norm'      of a normalization     1        2        1.weight",
        "'vector'    one dimension or none  1        1        scale",
        "'position'  called a position      1        10       pos",
        "'codes'     so called              1        9        codes",
        "Embedding   inside such modules    1        8        2.weight",
    ]
    assert "because" not in str(param_groups(model, no_decay=()))


def test_a_normalized_weight_is_the_weight_of_its_layer() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), nn.Linear(3, 3))
    assert spared(model) == {"0.bias", "1.bias"}
    assert spared(model, no_decay=[nn.Linear]) == {n for n, _ in model.named_parameters()}


def test_globs_and_types_and_later_overrides_win() -> None:
    overrides = {
        nn.TransformerEncoderLayer: {"lr": 1.0},
        "blocks.1.*": {"lr": 2.0, "betas": (0.5, 0.9)},
        "*.bias": {"lr": 3.0},
    }
    found = settings(param_groups(Vit(), overrides=overrides))
    assert found["blocks.0.self_attn.in_proj_weight"] == {"lr": 1.0}
    assert found["blocks.1.linear1.weight"] == {"lr": 2.0, "betas": (0.5, 0.9)}
    assert found["blocks.1.linear1.bias"] == {"lr": 3.0, "betas": (0.5, 0.9), "weight_decay": 0.0}
    assert found["patch.weight"] == {}
    wins = param_groups(small(), weight_decay=0.1, overrides={"norm": {"weight_decay": 0.3}})
    assert settings(wins)["predict.0.weight"] == {"weight_decay": 0.3}


def test_a_tied_weight_is_listed_once_and_answers_to_both_names() -> None:
    model = small(tied=True)
    groups = param_groups(model, lr=1.0, overrides={"predict.1.*": {"lr": 5.0}})
    assert sum(len(group["params"]) for group in groups) == len([*model.parameters()])
    assert settings(groups)["tokens.weight"] == {"lr": 5.0, "weight_decay": 0.0}
    assert "1 tensor tied (tokens.weight = predict.1.weight)" in str(groups)


def test_frozen_parameters_are_left_out_and_count_for_depth() -> None:
    model = small()
    model.tokens.requires_grad_(False)  # type: ignore
    groups = param_groups(model, lr=1.0, layer_decay=0.5)
    assert "tokens.weight" not in settings(groups)
    assert settings(groups)["places.weight"]["lr"] == 0.125
    assert "1 frozen tensor of 56 numbers left out" in str(groups)


def test_equal_settings_are_one_group_but_tensors_stay_apart() -> None:
    schedule, one, two = halflife.schedules.ConstantWD(0.1), torch.tensor(1.0), torch.tensor(1.0)
    assert len(param_groups(small(), weight_decay=schedule, no_decay=())) == 1
    assert len(param_groups(small(), overrides={"*": {"lr": one}}, no_decay=())) == 1
    assert len(param_groups(small(), overrides={"*": {"lr": one}, "*bias": {"lr": two}}, no_decay=())) == 2


def rates(model: nn.Module) -> dict[str, float]:
    return {name: s["lr"] for name, s in settings(param_groups(model, lr=1.0, layer_decay=0.5)).items()}


def test_the_rate_falls_from_head_to_embedding() -> None:
    found = rates(small())
    assert found["predict.1.weight"] == found["predict.0.bias"] == 1
    assert {v for k, v in found.items() if k.startswith("blocks.1.")} == {0.5}
    assert {v for k, v in found.items() if k.startswith("blocks.0.")} == {0.25}
    assert found["tokens.weight"] == found["places.weight"] == 0.125


def test_depth_of_stages_and_of_plain_layers() -> None:
    found = rates(resnet(8, batch_norm=True))
    assert [found[f"stages.{k}.0.branch.0.weight"] for k in range(3)] == [0.125, 0.25, 0.5]
    assert (found["stem.0.weight"], found["stem.1.weight"], found["classify.weight"]) == (0.0625, 0.0625, 1)
    plain = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 1))
    assert rates(plain) == {
        **{"0.weight": 0.25, "0.bias": 0.25, "1.weight": 0.25, "1.bias": 0.25},
        **{"3.weight": 0.5, "3.bias": 0.5, "4.weight": 1, "4.bias": 1},
    }
    assert {*rates(nn.Sequential(nn.Flatten(), plain)).values()} == {0.25, 0.5, 1}


def test_wrappers_change_nothing_but_the_names() -> None:
    model = small()
    wrapped = torch.optim.swa_utils.AveragedModel(torch.compile(model, backend="eager"))  # module._orig_mod.…
    assert layer_depths(named_parameters(wrapped)).depths == layer_depths(named_parameters(model)).depths
    assert rates(wrapped) == {f"module._orig_mod.{name}": lr for name, lr in rates(model).items()}
    for pattern in ("blocks.0.*", "module._orig_mod.blocks.0.*"):
        assert (
            sum(
                s == {"lr": 1}
                for s in settings(param_groups(wrapped, no_decay=(), overrides={pattern: {"lr": 1}})).values()
            )
            == 12
        )


@pytest.mark.parametrize("make", [halflife.AdamW, torch.optim.AdamW], ids=["ours", "torch"])
def test_any_optimizer_takes_them_and_keeps_the_names(make: Any) -> None:
    model = small()
    optimizer = make(param_groups(model, weight_decay=0.5, overrides={"predict.*": {"lr": 0.25}}), lr=0.125)
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [
        (0.125, 0),
        (0.125, 0.5),
        (0.25, 0),
        (0.25, 0.5),
    ]
    model(torch.zeros(1, 5, dtype=torch.long)).sum().backward()
    optimizer.step()
    saved = optimizer.state_dict()
    assert "places.weight" in saved["param_groups"][0]["param_names"]
    other = make(param_groups(model, weight_decay=0.5, overrides={"predict.*": {"lr": 0.25}}))
    other.load_state_dict(saved)
    assert other.param_groups[2]["lr"] == 0.25


def test_a_half_life_is_the_same_time_at_every_depth() -> None:
    groups = param_groups(small(), weight_decay=halflife.HalfLife(steps=10), lr=1.0, layer_decay=0.5)
    optimizer = halflife.AdamW(groups)
    fractions = {round(g["lr"] * g["weight_decay"], 12) for g in optimizer.param_groups if g["weight_decay"]}
    assert fractions == {round(1 - 2 ** (-1 / 10), 12)}


def test_the_table() -> None:
    text = str(
        param_groups(
            nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 2)),
            weight_decay=0.1,
            lr=1e-3,
            overrides={"1.weight": {"decay": "independent"}},
        )
    )
    assert text.splitlines() == [
        "group  weight_decay  lr     decay        tensors  numbers  examples",
        "0      0.1           0.001  –            1        1,200    0.weight",
        "1      0             0.001  –            2        42       0.bias, 1.bias",
        "2      0.1           0.001  independent  1        80       1.weight",
        "3 groups, 4 tensors, 1,322 numbers; –: the optimizer's own",
        "no decay  because        tensors  numbers  examples",
        "'bias'    called a bias  2        42       0.bias, 1.bias",
    ]
    assert repr(param_groups(small())) == str(param_groups(small()))


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"no_decay": ["biases"]}, "'biases' matches no parameter; names here are like"),
        ({"overrides": {"predict": {"lr": 1}}}, "'predict.*' means all inside predict"),
        ({"overrides": {"out.weight": {}}}, "'*out.weight' means all that end so"),
        ({"overrides": {nn.Conv2d: {}}}, "Conv2d matches no parameter; the parameters stand in Embedding, LayerNorm"),
        ({"overrides": {3: {}}}, "which is no pattern"),
        ({"overrides": {"*": 0.1}}, "must be a dict such as"),
        ({"overrides": [1]}, "overrides must be a dict such as"),
        ({"overrides": {"*": {"params": []}}}, "leave out params"),
        ({"weight_decay": -1}, "weight_decay must be at least 0"),
        ({"lr": -1.0}, "lr must be at least 0"),
        ({"layer_decay": 0.5}, "give lr="),
        ({"lr": 1.0, "layer_decay": 1.5}, "at most 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(kwargs: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        param_groups(small(), **kwargs)
    assert words in str(error.value)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"give model, not model.parameters\(\)"):
        param_groups(small().parameters())  # type: ignore
    with pytest.raises(ValueError, match="has no parameters"):
        param_groups(nn.ReLU())
    with pytest.raises(ValueError, match="fewer than two numbered blocks"):
        param_groups(nn.Linear(2, 2), lr=1.0, layer_decay=0.5)
    with pytest.raises(ValueError, match="all parameters of the model are frozen"):
        param_groups(small().requires_grad_(False))
