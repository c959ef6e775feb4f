"""Learning rates by depth beside timm's own, model by model, and what is found in towers of transformers."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from halflife import param_groups

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    timm = pytest.importorskip("timm")
    transformers = pytest.importorskip("transformers")
    from timm.optim import param_groups_layer_decay
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

pytestmark = pytest.mark.filterwarnings("ignore")

TIMM = """
beit_base_patch16_224 beitv2_base_patch16_224 cait_xxs24_224 coat_tiny coatnet_0_rw_224 convnext_atto convnext_tiny
convnext_base convnextv2_nano crossvit_9_240 deit_tiny_distilled_patch16_224 densenet121 edgenext_xx_small
efficientformer_l1 efficientnet_b0 eva02_tiny_patch14_224 fastvit_t8 hiera_tiny_224 hrnet_w18_small inception_v3
levit_128 maxvit_tiny_tf_224 mixer_s32_224 mobilenetv3_small_050 mobilevit_xs mvitv2_tiny naflexvit_base_patch16_map
nest_tiny regnety_002 resmlp_12_224 resnet18 resnet50 samvit_base_patch16 swin_tiny_patch4_window7_224
swinv2_tiny_window8_256 tnt_s_patch16_224 twins_pcpvt_small vgg11_bn vit_base_r50_s16_224 vit_relpos_small_patch16_224
vit_tiny_patch16_224 volo_d1_224 xcit_nano_12_p8_224
"""
LAYERS = {"convnext_atto": 14, "convnext_tiny": 20, "vit_tiny_patch16_224": 14, "swin_tiny_patch4_window7_224": 14}
LAYERS |= {"resnet18": 10, "densenet121": 60}

NO_MATCHER = "it has no group_matcher(), and timm cuts the list of its tensors into dozens, whatever their blocks"
OTHERWISE = dict.fromkeys(["pit_ti_224", "caformer_s18", "csatv2"], NO_MATCHER)

BY_NAMES_ALONE = """
beit_base_patch16_224 botnet26t_256 convmixer_768_32 convnext_atto convnext_tiny davit_tiny densenet121
edgenext_xx_small efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224 hiera_tiny_224 levit_128 mambaout_femto
regnety_002 repvit_m0_9 res2net50_14w_8s resnest14d resnet18 resnet50 rexnet_100 samvit_base_patch16
swinv2_cr_tiny_224 tiny_vit_5m_224 vitamin_small_224 xception41
"""
BY_NAMES_BUT_FOR = {  # what timm counts to the last block, by names alone is with the head
    "swin_tiny_patch4_window7_224": {"norm.weight", "norm.bias"},
    "deit3_small_patch16_224": {"norm.weight", "norm.bias"},
    "convit_tiny": {"norm.weight", "norm.bias"},
    "efficientnet_b0": {"conv_head.weight", "bn2.weight", "bn2.bias"},
    "mobilevit_xs": {"final_conv.conv.weight", "final_conv.bn.weight", "final_conv.bn.bias"},
}


def made(name: str) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(name)


def ours(model: nn.Module) -> dict[str, float]:
    groups = param_groups(model, lr=1.0, layer_decay=0.75)
    return {name: g["lr"] for g in groups for name in g["param_names"]}


def timms(model: nn.Module) -> dict[str, float]:
    name_of = {id(p): name for name, p in model.named_parameters()}
    groups = param_groups_layer_decay(model, layer_decay=0.75)
    return {name_of[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}


def distances(rates: dict[str, float]) -> dict[str, int]:
    return {name: round(float(torch.tensor(lr).log() / torch.tensor(0.75).log())) for name, lr in rates.items()}


@pytest.mark.parametrize("name", TIMM.split())
def test_as_timm(name: str) -> None:
    model = made(name)
    expected = timms(model)
    assert ours(model) == pytest.approx(expected, rel=1e-12)
    layers = len({*expected.values()})
    assert layers == LAYERS.get(name, layers) > 1


@pytest.mark.parametrize("name", OTHERWISE)
def test_otherwise_than_timm(name: str) -> None:
    model = made(name)
    assert not hasattr(model, "group_matcher")
    expected, found = timms(model), ours(model)
    assert found != pytest.approx(expected)
    block = re.compile(r".*(blocks|stages\.\d+)\.\d+\.")
    of_block: dict[str, set[float]] = {}
    for n in filter(block.match, found):
        of_block.setdefault(block.match(n)[0], set()).add(found[n])  # type: ignore
    assert len(of_block) > 5
    assert {len(rates) for rates in of_block.values()} == {1}


def by_names(model: nn.Module, monkeypatch: Any) -> dict[str, int]:
    def refuses(self: Any, coarse: bool = False) -> Any:
        raise NotImplementedError

    monkeypatch.setattr(type(model), "group_matcher", refuses)
    return distances(ours(model))


@pytest.mark.parametrize("name", [*BY_NAMES_ALONE.split(), *BY_NAMES_BUT_FOR])
def test_by_names_alone_as_timm(name: str, monkeypatch: Any) -> None:
    model = made(name)
    expected = distances(timms(model))
    found = by_names(model, monkeypatch)
    assert {n for n in found if found[n] != expected[n]} == BY_NAMES_BUT_FOR.get(name, set())


def test_timms_tower_beside_a_texts() -> None:
    class Clip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual, self.logit_scale = nn.Module(), nn.Parameter(torch.zeros(()))
            self.visual.trunk = timm.create_model("convnext_atto", num_classes=0)
            self.visual.head = nn.Linear(2, 2)
            layer = nn.TransformerEncoderLayer(4, 2, 8)
            self.text = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(4), enable_nested_tensor=False)

    with torch.device("meta"):
        model = Clip()
    found, alone = distances(ours(model)), distances(timms(made("convnext_atto")))
    trunk = {name.removeprefix("visual.trunk."): k for name, k in found.items() if "trunk" in name}
    assert trunk == {name: alone[name] for name in trunk}
    assert [found[f"text.layers.{k}.linear1.weight"] for k in (0, 1)] == [2, 1]
    assert {found[n] for n in ("logit_scale", "visual.head.weight", "text.norm.weight")} == {0}
    assert "ConvNeXt.group_matcher() (13 groups) beside text.layers.0" in str(
        param_groups(model, lr=1.0, layer_decay=0.75)
    )


TOWERS = {
    "clip": {"text_model.encoder.layers.0": 12, "vision_model.encoder.layers.0": 12, "logit_scale": 0},
    "siglip": {"text_model.encoder.layers.0": 12, "vision_model.head": 0, "vision_model.embeddings": 13},
    "aimv2": {"vision_model.encoder.layers.0": 24, "text_model.encoder.layers.0": 12, "text_projection": 0},
    "flava": {
        "image_model.encoder.layer.0": 18,
        "text_model.encoder.layer.11": 7,
        "multimodal_model.encoder.layer.5": 1,
    },
    "blip-2": {"vision_model.encoder.layers.38": 24, "qformer.encoder.layer.11": 12},
    "llava": {"vision_tower.encoder.layers.23": 33, "multi_modal_projector": 33, "language_model.layers.31": 1},
    "t5": {"shared": 13, "encoder.block.0": 12, "decoder.block.0": 6, "decoder.final_layer_norm": 0},
    "whisper": {"encoder.conv1": 9, "encoder.layers.0": 8, "decoder.layers.3": 1, "decoder.layer_norm": 0},
    "mixtral": {"embed_tokens": 33, "layers.0.mlp.experts": 32, "layers.31": 1, "norm": 0},
    "swinv2": {"embeddings": 13, "encoder.layers.0.downsample": 11, "encoder.layers.3.blocks.1": 1, "layernorm": 0},
    "convnext": {"embeddings": 19, "encoder.stages.1.downsampling_layer": 15, "layernorm": 0},
    "gpt2": {"wte": 13, "h.0": 12, "h.11": 1, "ln_f": 0},
    "bert": {"embeddings": 13, "encoder.layer.11": 1, "pooler": 0},
}


@pytest.mark.parametrize("name", TOWERS)
def test_towers_of_transformers(name: str) -> None:
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(CONFIG_MAPPING[name]())
    found = distances(ours(model))
    for prefix, expected in TOWERS[name].items():
        assert {k for n, k in found.items() if f"{n}.".startswith(f"{prefix}.")} == {expected}, prefix
