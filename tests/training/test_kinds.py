"""Which parameters are spared from decay by their names, classes and shapes, and by what a model itself declares."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from halflife import param_groups

ZEROS = torch.zeros


def spared(model: nn.Module, **kwargs: Any) -> set[str]:
    groups = param_groups(model, weight_decay=0.1, **kwargs)
    return {name for g in groups if g["weight_decay"] == 0 for name in g["param_names"]}


def named(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_parameters()}


def holding(class_name: str, **shapes: Any) -> nn.Module:
    """A module of a class so called, with parameters of these names and shapes."""
    module = type(class_name, (nn.Module,), {})()
    for name, shape in shapes.items():
        module.register_parameter(name, nn.Parameter(ZEROS(shape)))
    return module


MATRIX = (3, 4)
NORMS = ["RMSNormGated", "LayerNormFp32", "GRN", "T5LayerNorm", "ScaleNorm", "DynamicTanh", "DyT", "BatchNormAct2d"]
NORMS += ["LlamaRMSNorm", "FrozenBatchNorm2d", "GlobalResponseNorm", "InplaceABN", "RMSNORM", "LayerNorm2d", "Affine"]
NORMS += ["LayerNormalization", "Qwen3NextRMSNormGated", "FilterResponseNormTlu2d", "EvoNorm2dS0", "AttentionNorm"]
NOT_NORMS = [
    "LayerNormLinear",
    "LayerNormMLP",
    "NormMlpClassifierHead",
    "Normalized",
    "NormAttention",
    "Design",
    "SIGN",
]


@pytest.mark.parametrize("name", NORMS)
def test_norms_by_their_class(name: str) -> None:
    model = nn.ModuleDict({"x": holding(name, weight=MATRIX), "out": nn.Linear(2, 2)})
    assert spared(model, no_decay=["norm"]) == {"x.weight"}


@pytest.mark.parametrize("name", NOT_NORMS)
def test_what_only_has_a_norm_within_is_none(name: str) -> None:
    model = nn.ModuleDict({"x": holding(name, weight=MATRIX, layer_norm_weight=MATRIX)})
    assert spared(model, no_decay=["norm"]) == {"x.layer_norm_weight"}


def test_norms_by_the_name_of_their_module() -> None:
    parts = {"q_norm": holding("Gain", scale_by=MATRIX), "norm1": holding("Gain", g=MATRIX), "norm": nn.Linear(2, 2)}
    parts |= {"ada_norm": nn.Sequential(nn.Linear(2, 2)), "normal": holding("Gain", g=MATRIX)}
    assert spared(nn.ModuleDict(parts), no_decay=["norm"]) == {"q_norm.scale_by", "norm1.g"}


SPARED = {
    **dict.fromkeys(["cls_token", "reg_token", "dist_token", "mask_token", "cls_token_1", "cls_token1"], (1, 2, 4)),
    **dict.fromkeys(["register_tokens", "query_tokens", "queries", "latents", "prompt", "class_embedding"], (2, 4)),
    **dict.fromkeys(["attention_biases", "relative_position_bias_table", "beta", "in_proj_bias"], MATRIX),
    **dict.fromkeys(["pos_embed_0", "rel_pos_h", "rel_pos_w", "pos_embed", "positional_encoding"], MATRIX),
    **dict.fromkeys(["logit_scale", "gamma", "gamma_1", "layer_scale_1", "scale", "temperature", "slopes"], (3, 2, 1)),
    **dict.fromkeys(["alpha", "weight_of_channels", "anything", "time_mix_k", "probe"], (1, 1, 4)),
    **dict.fromkeys(["row", "lambda_q1"], (1, 4)),
    "column": (4, 1, 1),
    "A_log": (4,),
    "bias_last": (2,),
}
DECAYED = {
    **dict.fromkeys(["weight", "in_proj_weight", "w1", "A", "token_mixer_weight", "query", "kernel", "rel"], MATRIX),
    **dict.fromkeys(["scale_weight", "exposure", "composition", "lora_A", "lora_B", "cls_proj", "a"], MATRIX),
    "weight_of_one_output": (1, 4),
    "experts": (2, 3, 4),
}


def test_names_and_shapes_of_plain_parameters() -> None:
    model = holding("Model", **SPARED, **DECAYED)
    assert spared(model) == {*SPARED}
    assert spared(nn.Sequential(model)) == {f"0.{name}" for name in SPARED}


def test_b_is_a_bias_beside_a_w_and_a_factor_beside_an_a() -> None:
    model = holding("Experts", w1=MATRIX, b1=MATRIX, weight=MATRIX, b=MATRIX, b2=MATRIX)
    assert spared(model, no_decay=["bias"]) == {"b1", "b"}
    assert spared(holding("Lora", a=MATRIX, b=MATRIX)) == set()


def test_a_layer_of_one_output_or_rank_is_decayed() -> None:
    parts = {"head": nn.Linear(4, 1), "conv": nn.Conv2d(1, 4, 1), "rnn": nn.LSTM(1, 1), "cell": nn.GRUCell(1, 1)}
    parts |= {"own": holding("BitLinear", table=(1, 4)), "lora": holding("LoraLayer", down=(1, 4))}
    model = nn.ModuleDict(parts)
    assert spared(model) == {name for name in named(model) if "bias" in name}
    assert "head.weight" in named(model) - spared(model)


def test_parameters_in_lists_are_called_as_the_list_is() -> None:
    model = nn.Module()
    model.tokens, model.mats = nn.ParameterList([ZEROS(2, 3)]), nn.ParameterList([ZEROS(2, 3)])
    model.gammas = nn.ParameterDict({"one": ZEROS(2, 3)})
    assert spared(model) == {"tokens.0", "gammas.one"}


def test_what_makes_a_positions_bias_is_spared_with_it() -> None:
    parts = {"cpb_mlp": nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)), "rel_pos_bias": nn.Linear(3, 2, bias=False)}
    parts |= {"continuous_position_bias_mlp": nn.Linear(2, 2, bias=False), "pos_proj": nn.Linear(2, 2, bias=False)}
    assert spared(nn.ModuleDict(parts), no_decay=["position"]) == named(nn.ModuleDict(parts)) - {"pos_proj.weight"}


class Declares(nn.Module):
    def __init__(self, found: Any = None) -> None:
        super().__init__()
        self.found, self.inner = found, nn.Linear(2, 2)
        self.free, self.mat = nn.Parameter(ZEROS(2, 2)), nn.Parameter(ZEROS(2, 2))

    def no_weight_decay(self) -> Any:
        return self.found


class Raises(Declares):
    def no_weight_decay(self) -> Any:
        raise KeyError("free")


class Asks(Declares):
    def no_weight_decay(self, which: str) -> Any:
        return {which}


class Attribute(Declares):
    no_weight_decay = ("free",)  # type: ignore


class Property(Declares):
    @property
    def no_weight_decay(self) -> Any:  # type: ignore
        return {"free": 1}


class Broken(Declares):
    @property
    def no_weight_decay(self) -> Any:  # type: ignore
        raise AttributeError("no_weight_decay")


@pytest.mark.parametrize(
    "found", [{"free"}, ["free"], ("free", "not.there"), "free", {"free": 0}, iter(["free"]), "f*e"]
)
def test_the_models_own_word_is_asked(found: Any) -> None:
    assert spared(Declares(found), no_decay=["declared"]) == {"free"}


@pytest.mark.parametrize("kind", [Attribute, Property])
def test_it_may_be_an_attribute_or_a_property(kind: Any) -> None:
    assert spared(kind(), no_decay=["declared"]) == {"free"}
    model = nn.Linear(2, 2)
    model.no_weight_decay = True  # type: ignore
    assert spared(nn.Sequential(model, nn.Linear(2, 2)), no_decay=["declared"]) == {"0.weight", "0.bias"}


@pytest.mark.parametrize("found", [None, (), False])
def test_it_may_name_nothing(found: Any) -> None:
    assert spared(Declares(found)) == {"inner.bias"}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Raises(), r"no_weight_decay of Raises cannot be read \(KeyError: 'free'\)"),
        (Asks(), r"of Asks cannot be read \(TypeError: .*which"),
        (Broken(), r"of Broken cannot be read \(AttributeError"),
        (Declares(3), r"of Declares cannot be read \(TypeError"),
        (Declares([3]), "of Declares has 3 in it, which is no name"),
    ],
)
def test_one_that_cannot_be_read_is_a_warning(model: nn.Module, words: str) -> None:
    with pytest.warns(UserWarning, match=words) as told:
        assert spared(model) == {"inner.bias"}
    assert len(told) == 1
    assert told[0].filename == __file__


def test_a_parts_names_are_within_it_and_globs_count() -> None:
    model = nn.ModuleDict({"a": Declares({"inner.*"}), "b": Declares(["free"]), "free": nn.Linear(2, 2)})
    assert spared(model, no_decay=["declared"]) == {"a.inner.weight", "a.inner.bias", "b.free"}
    whole = Declares({"inner.free", "mat"})
    whole.inner = Declares({"mat"})  # type: ignore
    assert spared(whole, no_decay=["declared"]) == {"inner.free", "mat", "inner.mat"}


def test_keywords_and_marks_of_parameters_are_read_too() -> None:
    model = Declares()
    model.no_weight_decay_keywords = lambda: {"nner.we"}  # type: ignore
    model.mat._no_weight_decay = True  # type: ignore
    assert spared(model, no_decay=["declared"]) == {"inner.weight", "mat"}


def test_wrapped_and_parametrized_and_copied() -> None:
    model = Declares({"inner.weight", "free"})
    plain = spared(model)
    compiled = torch.compile(model, backend="eager")
    assert spared(compiled) == {f"_orig_mod.{name}" for name in plain}  # type: ignore
    wrapped = nn.Module()
    wrapped.module = model  # as DDP
    assert spared(wrapped) == {f"module.{name}" for name in plain}
    assert spared(copy.deepcopy(model)) == plain
    nn.utils.parametrizations.weight_norm(model.inner)
    weights = {f"inner.parametrizations.weight.original{k}" for k in (0, 1)}
    assert spared(model, no_decay=["declared"]) == {"free", *weights}


def test_the_table_says_that_the_model_said_so() -> None:
    text = str(param_groups(Declares({"free", "inner.bias"}), weight_decay=0.1))
    assert text.splitlines()[-1].split("  ")[0] == "'declared'"
    assert "named by no_weight_decay()  2        6        free, inner.bias" in text


def test_an_explicit_list_asks_only_for_what_is_in_it() -> None:
    assert spared(Declares({"free"}), no_decay=["bias"]) == {"inner.bias"}
    assert spared(Declares({"free"}), no_decay=["bias", "declared"]) == {"inner.bias", "free"}
