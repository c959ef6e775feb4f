"""A model's parameters, each once, with all its names, the modules that it stands in and how deep it lies; and patterns
that say which of them are meant: a kind of parameter, a glob over names, a type of module.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.parameter import is_lazy

WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of a name that only say how a module is run: torch.compile, FSDP, checkpointing. So does a first ``module``."""


@dataclass(frozen=True)
class Location:
    """Where a parameter stands: its name in the model (``full``) and without wrappers (``name``), that name's last part
    (``leaf``), and the modules on the way, outermost first: each of the parts in ``path``, after the model itself.
    """

    full: str
    name: str
    leaf: str
    path: tuple[str, ...]
    modules: tuple[nn.Module, ...]

    @property
    def owner(self) -> nn.Module:
        return self.modules[-1]


@dataclass(frozen=True)
class NamedParameter:
    """A parameter under its first name, as torch has it, and every location that it has: two where it is tied."""

    name: str
    parameter: nn.Parameter
    locations: tuple[Location, ...]

    @property
    def dimensions(self) -> int | None:
        """How many the tensor has; None where that cannot be seen: not made yet (lazy), or flattened by FSDP.

        DeepSpeed's stage 3 leaves an empty vector in a parameter's place, with the whole one's shape beside it.
        """
        if is_lazy(self.parameter) or getattr(self.parameter, "_fsdp_flattened", False):
            return None
        return len(getattr(self.parameter, "ds_shape", self.parameter.shape))


def named_parameters(model: nn.Module) -> list[NamedParameter]:
    """All parameters in the order of ``model.named_parameters()``. Raises if there is no model, or none in it."""
    if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"param_groups reads names and module types, so it takes the model itself, not {type(model).__name__}; "
            "give model, not model.parameters()."
        )
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))  # pyright: ignore[reportUnknownArgumentType]
    names: defaultdict[nn.Parameter, list[str]] = defaultdict(list)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names[parameter].append(name)
    if not names:
        raise ValueError(f"{type(model).__name__} has no parameters; give the model that is to be trained.")
    return [NamedParameter(own[0], p, tuple(_location(name, modules) for name in own)) for p, own in names.items()]


def _location(name: str, modules: dict[str, nn.Module]) -> Location:
    """``linear.parametrizations.weight.original0`` stands in ``linear``, and is its ``weight.original0``."""
    way, _, leaf = name.rpartition(".")
    owner, parametrized, inside = way.partition(".parametrizations.")
    if parametrized:
        way, leaf = owner, f"{inside}.{leaf}"
    parts = way.split(".") if way else []
    path, passed = list[str](), [modules[""]]
    for k, part in enumerate(parts):
        module = modules[".".join(parts[: k + 1])]
        if part in WRAPPERS or (part == "module" and k == 0):
            passed[-1] = module
        else:
            path.append(part)
            passed.append(module)
    last = f"parametrizations.{leaf}" if parametrized else leaf
    return Location(name, ".".join([*path, last]), leaf, (*path,), (*passed,))


def layer_depths(parameters: Sequence[NamedParameter]) -> list[int]:
    """Of each parameter: 0 what stands before the first block, 1, 2, … the blocks, one more what stands after the last.

    A block is a numbered module that has modules inside: ``blocks.3``, ``encoder.layer.11``, ``layer2.0``; of several
    numbers in a row all count, ``stages.1.2``. Where fewer than two are, as in an MLP that is one ``nn.Sequential``,
    each numbered layer with a matrix is a block, with the biases and norms up to the next. The order is that in which
    the model has them; what stands between two blocks belongs to the one before it. A tied parameter has the depth of
    its first name. Raises ``ValueError`` where fewer than two blocks are found.
    """
    for block_of in (_block_of, _layer_of):
        blocks = [block_of(named) for named in parameters]
        order = {block: k for k, block in enumerate(dict.fromkeys(b for b in blocks if b), start=1)}
        if len(order) > 1:
            return _counted(blocks, order, loose_after=block_of is _block_of)
    raise ValueError(
        "layer_decay finds how deep a parameter lies by the numbers in the modules' names (blocks.0, layer.3), and "
        "this model has fewer than two numbered blocks; give each part its lr by overrides={'encoder.*': {'lr': …}}."
    )


def _counted(blocks: list[str | None], order: dict[str, int], loose_after: bool) -> list[int]:
    last = max(k for k, block in enumerate(blocks) if block)
    depth, result = 0, list[int]()
    for k, block in enumerate(blocks):
        if block:
            depth = order[block]
        result.append(len(order) + 1 if k > last and loose_after else depth)
    return result


def _block_of(named: NamedParameter) -> str | None:
    """The name of the outermost numbered module, if it has modules inside."""
    return _numbered(named, lambda module: next(module.children(), None) is not None)


def _layer_of(named: NamedParameter) -> str | None:
    """The name of the outermost numbered modules down to the layer itself, if the parameter is a matrix."""
    return None if named.dimensions in (0, 1) else _numbered(named, lambda _: True)


def _numbered(named: NamedParameter, counts: Callable[[nn.Module], bool]) -> str | None:
    """The longest row of numbered modules of which each counts, with what stands before it."""
    location, block = named.locations[0], None
    for k, (part, module) in enumerate(zip(location.path, location.modules[1:], strict=True)):
        if part.isdigit() and counts(module):
            block = ".".join(location.path[: k + 1])
        elif block:
            break
    return block


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
