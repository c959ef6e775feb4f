"""The learning rate by depth: towers, stages, heads, experts, dictionaries, tables that all layers share."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from halflife import param_groups


def rates(model: nn.Module) -> dict[str, float]:
    """What lr is multiplied by, as the exponent of layer_decay."""
    groups = param_groups(model, lr=1.0, layer_decay=0.5)
    return {name: g["lr"] for g in groups for name in g["param_names"]}


def distances(model: nn.Module) -> dict[str, int]:
    """Of each module's or parameter's name, two parts of it at most, how many blocks before the deepest it is."""
    return {name: round(-torch.tensor(lr).log2().item()) for name, lr in rates(model).items()}


def at(model: nn.Module, *prefixes: str) -> list[Any]:
    """The distances of all that begins with these, one each where they agree."""
    found = distances(model)
    sets = [{k for name, k in found.items() if f"{name}.".startswith(f"{prefix}.")} for prefix in prefixes]
    return [s.pop() if len(s) == 1 else s for s in sets]


def remark(model: nn.Module) -> str:
    return str(param_groups(model, lr=1.0, layer_decay=0.5))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn, self.norm = nn.Linear(2, 2), nn.LayerNorm(2)


def blocks(n: int) -> nn.ModuleList:
    return nn.ModuleList(Block() for _ in range(n))


def module(**parts: Any) -> nn.Module:
    """A module with these parts, in this order."""
    made = nn.Module()
    for name, part in parts.items():
        setattr(made, name, nn.Parameter(part) if isinstance(part, torch.Tensor) else part)
    return made


def tower(n: int) -> nn.Module:
    return module(transformer=module(resblocks=blocks(n)))


ZEROS = torch.zeros(3, 2)


def clip() -> nn.Module:
    """Names, and their order, as CLIP's own code has them: the text's tower lies in the model itself."""
    visual = module(proj=ZEROS, class_embedding=ZEROS[0], conv1=nn.Conv2d(3, 2, 2), ln_pre=nn.LayerNorm(2))
    visual.transformer, visual.ln_post = module(resblocks=blocks(4)), nn.LayerNorm(2)
    text = {"transformer": module(resblocks=blocks(2)), "token_embedding": nn.Embedding(3, 2)}
    own = {"text_projection": ZEROS, "logit_scale": ZEROS[0, 0], "positional_embedding": ZEROS}
    return module(visual=visual, **text, ln_final=nn.LayerNorm(2), **own)


def test_two_towers_side_by_side() -> None:
    model = clip()
    assert at(model, *(f"visual.transformer.resblocks.{k}" for k in range(4))) == [4, 3, 2, 1]
    assert at(model, *(f"transformer.resblocks.{k}" for k in range(2))) == [2, 1]
    assert at(model, "visual.conv1", "visual.class_embedding", "visual.ln_pre") == [5, 5, 5]
    assert at(model, "token_embedding", "positional_embedding") == [3, 3]
    assert at(model, "visual.proj", "visual.ln_post", "ln_final", "text_projection", "logit_scale") == [0] * 5
    text = remark(model)
    assert "visual.transformer.resblocks.3 (4) beside transformer.resblocks.0 … transformer.resblocks.1 (2)" in text
    assert "at the whole lr text_projection, logit_scale, visual.proj, …" in text


PAIRS = [("vision_model", "text_model"), ("image_encoder", "text_encoder"), ("query_encoder", "doc_encoder")]
PAIRS += [("left", "right"), ("tower_a", "tower_b"), ("visual", "transformer"), ("audio", "text"), ("one", "two")]


@pytest.mark.parametrize("names", PAIRS)
def test_names_of_towers(names: tuple[str, str]) -> None:
    a, b = names
    model = module(**{a: tower(3), b: tower(1), "logit_scale": ZEROS[0, 0]})
    assert at(model, f"{a}.transformer.resblocks.0", f"{a}.transformer.resblocks.2") == [3, 1]
    assert at(model, f"{b}.transformer.resblocks.0", "logit_scale") == [1, 0]


def test_towers_in_a_list_a_dictionary_or_by_the_names_of_their_blocks() -> None:
    for towers in (nn.ModuleList([tower(3), tower(1)]), nn.ModuleDict({"0": tower(3), "1": tower(1)})):
        model = module(towers=towers, out=nn.Linear(2, 2))
        assert at(model, "towers.0.transformer.resblocks.0", "towers.1", "out") == [3, 1, 0]
    model = module(visual_blocks=blocks(3), text_blocks=blocks(1), text_embed=nn.Linear(2, 2), out=nn.Linear(2, 2))
    assert at(model, "visual_blocks.0", "text_blocks", "text_embed", "out") == [3, 1, 2, 0]


SERIES = [("encoder", "decoder"), ("backbone", "decoder"), ("vision_tower", "language_model"), ("backbone", "body")]


@pytest.mark.parametrize("names", SERIES)
def test_what_follows_upon_one_another(names: tuple[str, str]) -> None:
    a, b = names
    model = module(**{a: tower(2), "between": nn.Linear(2, 2), b: tower(2), "lm_head": nn.Linear(2, 2)})
    blocks_of = [f"{name}.transformer.resblocks.{k}" for name in names for k in range(2)]
    assert at(model, *blocks_of) == [4, 3, 2, 1]
    assert at(model, "between", "lm_head") == [3, 0]
    assert f"resblocks.1 (2), then {b}.transformer" in remark(model)


def test_a_projector_tells_that_one_tower_feeds_the_other_whatever_is_declared_first() -> None:
    model = module(vision_model=tower(2), connector=nn.Linear(2, 2), text_model=tower(1))
    assert at(model, "vision_model.transformer.resblocks.0", "text_model") == [3 - 1, 0]
    model = module(language_model=tower(1), vision_tower=tower(2), lm_head=nn.Linear(2, 2))
    assert at(model, "vision_tower.transformer.resblocks.0", "language_model", "lm_head") == [3, 1, 0]


def test_a_third_model_above_two_towers() -> None:
    model = module(image_model=tower(3), text_model=tower(1), multimodal_model=tower(2), head=nn.Linear(2, 2))
    assert at(model, "image_model.transformer.resblocks.0", "text_model") == [5, 3]
    assert at(model, *(f"multimodal_model.transformer.resblocks.{k}" for k in range(2)), "head") == [2, 1, 0]


def test_heads_lie_deepest_wherever_they_are_declared() -> None:
    head = nn.Sequential(nn.LayerNorm(2), nn.Linear(2, 2))
    model = module(head=head, classifier=nn.Linear(2, 2), patch_embed=nn.Linear(2, 2), blocks=blocks(2))
    model.heads = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(3))
    assert at(model, "head", "classifier", "heads", "blocks.1", "blocks.0", "patch_embed") == [0, 0, 0, 1, 2, 3]
    assert "at the whole lr head.0.weight, head.0.bias, head.1.weight, …" in remark(model)
    named = nn.ModuleDict({"digits": nn.Sequential(nn.Linear(2, 2)), "letters": nn.Sequential(nn.Linear(2, 2))})
    assert at(module(task_heads=named, blocks=blocks(2)), "task_heads", "blocks.0") == [0, 2]


@pytest.mark.parametrize("name", ["fc", "out", "lm_head", "to_logits", "predictions", "score", "final_layer"])
def test_names_of_heads(name: str) -> None:
    model = module(**{name: nn.Linear(2, 2)}, embed=nn.Embedding(3, 2), blocks=blocks(2))
    assert at(model, name, "embed", "blocks.0") == [0, 3, 2]


def test_a_model_called_classifier_is_no_head() -> None:
    model = module(classifier=module(stem=nn.Linear(2, 2), blocks=blocks(2), head=nn.Linear(2, 2)))
    assert at(model, "classifier.stem", "classifier.blocks.0", "classifier.head") == [3, 2, 0]


def test_experts_are_as_deep_as_their_block() -> None:
    def sparse() -> nn.Module:
        return module(gate=nn.Linear(2, 3), experts=blocks(3))

    for layers in (
        nn.ModuleList(module(attn=nn.Linear(2, 2), mlp=sparse()) for _ in range(2)),
        nn.ModuleList(nn.ModuleList([Block(), sparse()]) for _ in range(2)),
        nn.ModuleList(module(experts=blocks(3), shared=Block()) for _ in range(2)),
    ):
        model = module(embed=nn.Embedding(3, 2), layers=layers, norm=nn.LayerNorm(2))
        assert at(model, "embed", "layers.0", "layers.1", "norm") == [3, 2, 1, 0]
    model = module(blocks=blocks(2), experts=blocks(3), head=nn.Linear(2, 2))
    assert at(model, "blocks.0", "blocks.1", "experts", "head") == [3, 2, 1, 0]


def test_a_dictionary_of_blocks_has_the_order_of_insertion() -> None:
    for keys in (("b", "a", "c"), ("10", "2", "1"), ("layer2", "layer0", "layer1")):
        model = module(blocks=nn.ModuleDict({key: Block() for key in keys}), head=nn.Linear(2, 2))
        assert at(model, *(f"blocks.{key}" for key in keys), "head") == [3, 2, 1, 0]
    gpt = nn.ModuleDict({"wte": nn.Embedding(3, 2), "h": blocks(2), "ln_f": nn.LayerNorm(2)})
    assert at(module(transformer=gpt, lm_head=nn.Linear(2, 2)), "transformer.wte", "transformer.h.0") == [3, 2]


@pytest.mark.parametrize("inner", ["blocks", "layers"])
def test_stages_count_by_their_blocks(inner: str) -> None:
    down = [nn.Identity(), *(nn.Sequential(nn.LayerNorm(2), nn.Conv2d(2, 2, 2)) for _ in range(2))]
    stages = nn.Sequential(*(module(downsample=d, **{inner: blocks(n)}) for d, n in zip(down, (2, 1, 3), strict=True)))
    model = module(stem=nn.Sequential(nn.Conv2d(3, 2, 2), nn.LayerNorm(2)), stages=stages, head=nn.Linear(2, 2))
    assert at(model, "stem", f"stages.0.{inner}.0", f"stages.0.{inner}.1") == [7, 6, 5]
    assert at(model, "stages.1", "stages.2.downsample", f"stages.2.{inner}.0", f"stages.2.{inner}.2") == [4, 3, 3, 1]


def test_a_stages_own_end_belongs_to_its_last_block() -> None:
    layers = nn.ModuleList(module(blocks=blocks(2), downsample=nn.Linear(2, 2)) for _ in range(2))
    model = module(layers=layers, norm=nn.LayerNorm(2))
    assert at(model, "layers.0.blocks.1", "layers.0.downsample", "layers.1.blocks.0", "norm") == [3, 3, 2, 0]


def test_blocks_of_two_sublayers_are_one_block() -> None:
    model = module(embed=nn.Embedding(3, 2), block=nn.ModuleList(module(layer=blocks(2)) for _ in range(3)))
    model.norm = nn.LayerNorm(2)
    assert at(model, "embed", "block.0", "block.2", "norm") == [4, 3, 1, 0]


def test_stages_by_numbers_in_their_names() -> None:
    dense = {f"denseblock{k}": nn.ModuleDict({f"denselayer{i}": Block() for i in (1, 2)}) for k in (1, 2)}
    model = module(features=module(conv0=nn.Conv2d(3, 2, 2), **dense), fc=nn.Linear(2, 2))
    assert at(model, "features.conv0", "features.denseblock1.denselayer1", "features.denseblock2.denselayer2") == [
        5,
        4,
        1,
    ]
    assert at(model, "fc") == [0]


def test_tables_that_all_blocks_share_are_as_deep_as_the_first() -> None:
    model = module(cls_token=ZEROS, blocks=blocks(2), rel_pos_bias=module(relative_position_bias_table=ZEROS))
    model.norm, model.mask_token = nn.LayerNorm(2), nn.Parameter(ZEROS)
    assert at(model, "cls_token", "mask_token", "rel_pos_bias", "blocks.0", "norm") == [3, 3, 3, 2, 0]


def test_a_tied_parameter_is_as_early_as_its_first_use() -> None:
    model = module(lm_head=nn.Linear(2, 3, bias=False), wte=nn.Embedding(3, 2), h=blocks(2), ln_f=nn.LayerNorm(2))
    model.lm_head.weight = model.wte.weight  # type: ignore
    assert at(model, "lm_head", "h.0", "ln_f") == [3, 2, 0]


class Matched(nn.Module):
    """As timm's models say it: ordinals by patterns, in which the downsampling is the first block's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(2, 2), nn.LayerNorm(2)
        self.parts = nn.ModuleList(module(units=blocks(2), down=nn.Linear(2, 2)) for _ in range(2))
        self.fc_norm, self.out = nn.LayerNorm(2), nn.Linear(2, 2)

    def group_matcher(self, coarse: bool = False) -> Any:
        fine = [(r"^parts\.(\d+)\.down", (0,)), (r"^parts\.(\d+)\.units\.(\d+)", None), (r"^norm", (99999,))]
        return {"stem": r"^first", "none": None, "blocks": r"^parts\.(\d+)" if coarse else fine}


class ByFunction(Matched):
    def group_matcher(self, coarse: bool = False) -> Any:
        return lambda name: 0 if "first" in name else (1, 0) if "parts" in name else 2


class Refuses(Matched):
    def group_matcher(self, coarse: bool = False) -> Any:
        raise NotImplementedError


def test_a_models_own_matcher_is_asked() -> None:
    model = Matched()
    assert at(model, "first", "parts.0.down", "parts.0.units.0", "parts.0.units.1") == [5, 4, 4, 3]
    assert at(model, "parts.1.down", "parts.1.units.1", "norm", "fc_norm", "out") == [2, 1, 1, 0, 0]
    assert "Matched.group_matcher() (5 groups); at the whole lr fc_norm.weight" in remark(model)
    assert at(torch.compile(model, backend="eager"), "_orig_mod.first", "_orig_mod.out") == [5, 0]  # type: ignore
    assert at(Refuses(), "parts.0.units.0", "parts.0.down", "out") == [4, 3, 0]


def test_a_matcher_of_a_part() -> None:
    model = module(visual=module(trunk=Matched(), proj=nn.Linear(2, 2)), text=tower(2), logit_scale=ZEROS[0, 0])
    assert at(model, "visual.trunk.first", "visual.trunk.parts.1.units.1", "visual.trunk.out") == [5, 1, 0]
    assert at(model, "text.transformer.resblocks.0", "text.transformer.resblocks.1", "visual.proj") == [2, 1, 0]


def test_a_function_for_a_matcher() -> None:
    groups = param_groups(ByFunction(), lr=1.0, layer_decay=0.5)
    assert {g["lr"] for g in groups} == {0.25, 0.5, 1.0}
