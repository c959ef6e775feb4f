"""Patterns that say which parameters are meant: a kind of parameter, a glob over names, a type of module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import prod

from torch import nn

from .named_parameters import Location, NamedParameter, words

Pattern = str | type[nn.Module]

_NORM_BASES = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_TABLES = (nn.Embedding, nn.EmbeddingBag)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_LAYERS = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.MultiheadAttention, *_RECURRENT)
_LAYER_CLASS = re.compile(r"linear|conv(?!ne)|dense|lora", re.IGNORECASE)
_NORM_CLASS = re.compile(r"\w*(?<![A-Z])(GRN|FRN|ABN|BN|LN|GN|DyT|DynamicTanh|DynamicErf|Derf|Affine)\d*d?")
_NOT_OF_NORM = frozenset(
    {"linear", "mlp", "ffn", "conv", "attention", "attn", "block", "layer", "head", "proj", "projection", "embedding"}
    | {"expert", "router"}
)
_EMBEDDING_CLASS = re.compile(r"embed(ding)?s?(\d*d)?$", re.IGNORECASE)
_EMBEDDING = frozenset({"emb", "embd", "embed", "embeds", "embedding", "embeddings", "wte", "wpe"})
_POSITION = re.compile(r"(abs|rel)?pos(itions?|itional|emb(ed|eddings?)?|enc(odings?)?)?|[rw]?pe")
_POSITION_CLASS = re.compile(r"pos(ition(al)?)?_?(emb|enc|bias|table)", re.IGNORECASE)
_POSITION_BIAS = re.compile(r"pos(ition(al)?)?_([xy]_)?bias|cpb(_|$)")
_BIAS = frozenset({"bias", "biases", "beta", "betas"})
_TOKEN = frozenset({"token", "tokens", "cls", "register", "registers", "latents", "queries", "prompt", "prompts"})
_SCALE = frozenset({"scale", "scales", "scaling", "gamma", "gammas", "temperature", "slope", "slopes"})
_MULTIPLIES = frozenset({"weight", "weights", "w", "proj", "projection", "kernel", "mixer", "mixing", "lora"})


@dataclass(frozen=True)
class Kind:
    """A kind of parameter: whether one is of it at a location that it has, and what the printed table says of it."""

    holds: Callable[[NamedParameter, Location], bool]
    meaning: str


def _is_bias(_: NamedParameter, location: Location) -> bool:
    """``b`` is one beside a ``w``, and a factor beside an ``a``."""
    short = re.fullmatch(r"b(\d*)", location.leaf)
    beside = dict(location.owner.named_parameters(recurse=False)) if short else {}
    of_weight = any(f"{w}{short[1]}" in beside for w in ("w", "W", "weight")) if short else False
    return of_weight or not _BIAS.isdisjoint(words(location.own_name))


def _is_of_norm(_: NamedParameter, location: Location) -> bool:
    """The class's own name counts as far as it is no layer's that has a normalization within, ``LayerNormLinear``."""
    owner, class_name = location.owner, type(location.owner).__name__
    if isinstance(owner, (*_LAYERS, *_TABLES)):
        return False
    of_class = words(class_name.replace("LayerNorm", "Norm"))
    is_norm = isinstance(owner, _NORM_BASES) or bool(_NORM_CLASS.fullmatch(class_name)) or _ends_in_norm(of_class[-1:])
    is_norm = is_norm or (_ends_in_norm(of_class) and _NOT_OF_NORM.isdisjoint(of_class))
    called_so = next(owner.children(), None) is None and _ends_in_norm(words("_".join(location.path[-1:])))
    return is_norm or called_so or _ends_in_norm(words(location.leaf))


def _ends_in_norm(of_name: Iterable[str]) -> bool:
    return any(word.endswith(("norm", "normalization", "normalisation")) for word in of_name)


def _is_of_embedding(_: NamedParameter, location: Location) -> bool:
    owner, own = location.owner, set(words(location.own_name))
    by_class = bool(_EMBEDDING_CLASS.search(type(owner).__name__)) and not isinstance(owner, _LAYERS)
    return isinstance(owner, _TABLES) or by_class or _called(own, _EMBEDDING)


def _is_vector(named: NamedParameter, location: Location) -> bool:
    """Of one dimension, or laid out to be broadcast, as 1×C×1×1; but a layer of one output has a matrix."""
    shape, own = named.shape, set(words(location.own_name))
    if shape is None or len(shape) <= 1:
        return shape is not None
    of_layer = isinstance(location.owner, (*_LAYERS, *_TABLES)) or _LAYER_CLASS.search(type(location.owner).__name__)
    matrix = of_layer or not own.isdisjoint({"kernel", "lora"}) or (len(shape) == 2 and not own.isdisjoint(_MULTIPLIES))
    return prod(shape) == max(shape) and not matrix


def _is_position(_: NamedParameter, location: Location) -> bool:
    called_so = any(_POSITION.fullmatch(word) for word in words(location.own_name))
    called_so = called_so or any(_POSITION_BIAS.search(part) for part in location.path)
    return called_so or bool(_POSITION_CLASS.search(type(location.owner).__name__))


def _is_token(_: NamedParameter, location: Location) -> bool:
    return _called(set(words(location.own_name)), _TOKEN)


def _is_scale(_: NamedParameter, location: Location) -> bool:
    return _called(set(words(location.own_name)), _SCALE)


def _called(own: set[str], by: frozenset[str]) -> bool:
    return not own.isdisjoint(by) and own.isdisjoint(_MULTIPLIES)


KINDS: Mapping[str, Kind] = {
    "declared": Kind(lambda named, _: named.declared, "named by no_weight_decay()"),
    "bias": Kind(_is_bias, "called a bias"),
    "norm": Kind(_is_of_norm, "of a normalization"),
    "embedding": Kind(_is_of_embedding, "an embedding"),
    "vector": Kind(_is_vector, "one dimension or none"),
    "position": Kind(_is_position, "called a position"),
    "token": Kind(_is_token, "called a token"),
    "scale": Kind(_is_scale, "called a scale"),
}
"""Words in the place of a pattern.

``declared``: what the model itself, a part of it or the parameter says is not to be decayed: ``no_weight_decay()``, as
timm's models have it, ``no_weight_decay_keywords()``, as Swin has it, ``_no_weight_decay`` of a parameter, as Mamba has
it. ``bias``: a parameter with that word or ``beta`` in the last part of its name (``bias``, ``in_proj_bias``,
``attention_biases``), or ``b`` beside a ``w``. ``norm``: of a normalization of torch or a class derived from one, of a
class so called (``LlamaRMSNorm``, ``BatchNormAct2d``, ``GRN``), or of a module so called without others inside, but not
of what contains one. ``embedding``: of ``nn.Embedding``, of a class so called (``ViTEmbeddings``), or called so itself
(``pos_embed``). ``vector``: of one dimension or none, as gains, biases and scales are under any name (``A_log``,
``logit_scale``), or of one but for 1s (1×C×1×1), unless it is a layer's weight. ``position``: with a word for positions
in the last part of its name (``pos``, ``rel_pos_h``, ``pos_embed.0``), of a class so called
(``LearnedPositionalEncoding``), or in a module for a position's bias. ``token``: a learned token, by its name
(``cls_token``, ``registers``, ``query_tokens``, ``latents``). ``scale``: by its name (``gamma``, ``temperature``).
"""


def matches(pattern: Pattern, named: NamedParameter) -> bool:
    """Whether the pattern is about this parameter, under any of its names; a type means all inside its modules."""
    if isinstance(pattern, str):
        kind = KINDS.get(pattern)
        if kind:
            return any(kind.holds(named, location) for location in named.locations)
        return any(
            fnmatchcase(name, pattern) for location in named.locations for name in (location.name, location.full)
        )
    return any(isinstance(module, pattern) for location in named.locations for module in location.modules)


def first_match(patterns: Iterable[Pattern], named: NamedParameter) -> Pattern | None:
    """The first of the patterns that is about this parameter."""
    return next((pattern for pattern in patterns if matches(pattern, named)), None)


def check_patterns(patterns: Iterable[Pattern], parameters: Iterable[NamedParameter], what: str) -> None:
    """Raise unless each is a pattern and about some parameter; a kind's word may be about none."""
    parameters = list(parameters)
    for pattern in patterns:
        if not (isinstance(pattern, str) or (isinstance(pattern, type) and issubclass(pattern, nn.Module))):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"{what} has {pattern!r}, which is no pattern; give {', '.join(map(repr, KINDS))}, a glob over names "
                "such as 'head.*', or a type of module such as nn.Linear."
            )
        if pattern not in KINDS and not any(matches(pattern, named) for named in parameters):
            raise ValueError(f"{what}'s {shown(pattern)} matches no parameter; {_hint(pattern, parameters)}")


def meaning(pattern: Pattern) -> str:
    """Why a parameter that the pattern matches is one of those meant, in a few words."""
    if not isinstance(pattern, str):
        return "inside such modules"
    return KINDS[pattern].meaning if pattern in KINDS else "so called"


def shown(pattern: Pattern) -> str:
    """The pattern as its user wrote it."""
    return repr(pattern) if isinstance(pattern, str) else pattern.__name__


def _hint(pattern: Pattern, parameters: list[NamedParameter]) -> str:
    names = [location.name for named in parameters for location in named.locations]
    if not isinstance(pattern, str):
        types = sorted({type(location.owner).__name__ for named in parameters for location in named.locations})
        return f"the parameters stand in {', '.join(types)}."
    if any(name.startswith(f"{pattern}.") for name in names):
        return f"a glob is over the parameters' full names: {pattern + '.*'!r} means all inside {pattern}."
    if any(f".{pattern}".endswith(f".{name}") or fnmatchcase(name, f"*{pattern}") for name in names):
        return f"a glob is over the parameters' full names: {'*' + pattern!r} means all that end so."
    near = get_close_matches(pattern, [*names, *KINDS], n=3) or names[:3]
    return f"names here are like {', '.join(near)}."
