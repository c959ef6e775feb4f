"""What a rule is about: a kind of parameter, a glob over names, a type of module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn

from .named_parameters import Location, NamedParameter

Pattern = str | type[nn.Module]

_NORM = re.compile(r"norm(alization)?\d*d?$", re.IGNORECASE)
_NORM_BASES = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_EMBEDDING = re.compile(r"embed(ding)?s?(\d*d)?$", re.IGNORECASE)


def _is_bias(location: Location) -> bool:
    return "bias" in re.split(r"[._]", location.leaf)


def _is_of_norm(location: Location) -> bool:
    owner = location.owner
    return isinstance(owner, _NORM_BASES) or bool(_NORM.search(type(owner).__name__))


def _is_of_embedding(location: Location) -> bool:
    owner = location.owner
    known = isinstance(owner, nn.Embedding | nn.EmbeddingBag) or bool(_EMBEDDING.search(type(owner).__name__))
    return known or bool(_EMBEDDING.search(location.leaf))


KINDS: Mapping[str, Callable[[Location], bool]] = {"bias": _is_bias, "norm": _is_of_norm, "embedding": _is_of_embedding}
"""Three words in the place of a pattern.

``bias``: a parameter with that word in the last part of its name (``bias``, ``in_proj_bias``, ``bias_ih_l0``).
``norm``: of a normalization of torch, or of a class so called (``LlamaRMSNorm``), but not of what contains one.
``embedding``: of ``nn.Embedding``, of a class so called (``ViTEmbeddings``), or called so itself (``pos_embed``).
"""


def matches(pattern: Pattern, named: NamedParameter) -> bool:
    """Whether the pattern is about this parameter, under any of its names; a type means all inside its modules."""
    if isinstance(pattern, str):
        kind = KINDS.get(pattern)
        if kind:
            return any(map(kind, named.locations))
        return any(
            fnmatchcase(name, pattern) for location in named.locations for name in (location.name, location.full)
        )
    return any(isinstance(module, pattern) for location in named.locations for module in location.modules)


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
            raise ValueError(f"{what}'s {_shown(pattern)} matches no parameter; {_hint(pattern, parameters)}")


def _shown(pattern: Pattern) -> str:
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
