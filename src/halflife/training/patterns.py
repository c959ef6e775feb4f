"""What a rule is about: a kind of parameter, a glob over names, a type of module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn

from .named_parameters import Location, NamedParameter

Pattern = str | type[nn.Module]

_NORM = re.compile(r"norm(alization)?\d*d?$", re.IGNORECASE)
_NORM_BASES = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_EMBEDDING = re.compile(r"embed(ding)?s?(\d*d)?$", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_POSITION = re.compile(r"(abs|rel)?pos(itions?|itional|emb(ed|eddings?)?|enc(odings?)?)?|[rw]?pe", re.IGNORECASE)
_POSITION_CLASS = re.compile(r"pos(ition(al)?)?_?(emb|enc|bias|table)", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """A kind of parameter: whether one is of it at a location that it has, and what the printed table says of it."""

    holds: Callable[[NamedParameter, Location], bool]
    meaning: str


def _is_bias(_: NamedParameter, location: Location) -> bool:
    return "bias" in re.split(r"[._]", location.leaf)


def _is_of_norm(_: NamedParameter, location: Location) -> bool:
    owner = location.owner
    return isinstance(owner, _NORM_BASES) or bool(_NORM.search(type(owner).__name__))


def _is_of_embedding(_: NamedParameter, location: Location) -> bool:
    owner = location.owner
    known = isinstance(owner, nn.Embedding | nn.EmbeddingBag) or bool(_EMBEDDING.search(type(owner).__name__))
    return known or bool(_EMBEDDING.search(location.leaf))


def _is_vector(named: NamedParameter, _: Location) -> bool:
    return named.dimensions in (0, 1)


def _is_position(_: NamedParameter, location: Location) -> bool:
    in_list = isinstance(location.owner, nn.ParameterList | nn.ParameterDict)
    own_name = ".".join([*location.path[-1:], location.leaf]) if in_list else location.leaf
    called_so = any(_POSITION.fullmatch(word) for word in _WORD.findall(own_name))
    return called_so or bool(_POSITION_CLASS.search(type(location.owner).__name__))


KINDS: Mapping[str, Kind] = {
    "bias": Kind(_is_bias, "called a bias"),
    "norm": Kind(_is_of_norm, "of a normalization"),
    "embedding": Kind(_is_of_embedding, "an embedding"),
    "vector": Kind(_is_vector, "one dimension or none"),
    "position": Kind(_is_position, "called a position"),
}
"""Words in the place of a pattern.

``bias``: a parameter with that word in the last part of its name (``bias``, ``in_proj_bias``, ``bias_ih_l0``).
``norm``: of a normalization of torch or a class derived from one, or of a class so called (``LlamaRMSNorm``), but not
of what contains one. ``embedding``: of ``nn.Embedding``, of a class so called (``ViTEmbeddings``), or called so itself
(``pos_embed``). ``vector``: of one dimension or none, as gains, biases and scales are under any name (``A_log``,
``logit_scale``). ``position``: with a word for positions in the last part of its name (``pos``, ``rel_pos_h``,
``pos_embed.0``), or of a class so called (``LearnedPositionalEncoding``).
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
