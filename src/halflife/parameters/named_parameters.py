"""A model's parameters, each once, with all its names and the modules that it stands in, and what these say of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from warnings import warn

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..caller import level_of_caller

WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of a name that only say how a module is run: torch.compile, FSDP, checkpointing. So does a first ``module``."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words(name: str) -> list[str]:
    """The words of a name in snake or camel case, in lower case and without digits."""
    return [word.lower() for word in _WORD.findall(name)]


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

    @property
    def own_name(self) -> str:
        """What its module calls it; of one in a list, with the list's name."""
        in_list = isinstance(self.owner, nn.ParameterList | nn.ParameterDict)
        return ".".join([*self.path[-1:], self.leaf]) if in_list else self.leaf


@dataclass(frozen=True)
class NamedParameter:
    """A parameter under its first name, as torch has it, and every location that it has: two where it is tied.

    ``declared`` is whether the model itself says that it is not to be decayed: see ``Declarations``.
    """

    name: str
    parameter: nn.Parameter
    locations: tuple[Location, ...]
    declared: bool = False

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The tensor's; None where that cannot be seen: not made yet (lazy), or flattened by FSDP.

        DeepSpeed's stage 3 leaves an empty vector in a parameter's place, with the whole one's shape beside it.
        """
        if is_lazy(self.parameter) or getattr(self.parameter, "_fsdp_flattened", False):
            return None
        return tuple(getattr(self.parameter, "ds_shape", self.parameter.shape))

    @property
    def dimensions(self) -> int | None:
        """How many the tensor has; None where that cannot be seen."""
        shape = self.shape
        return None if shape is None else len(shape)


def named_parameters(model: nn.Module) -> list[NamedParameter]:
    """All parameters in the order of ``model.named_parameters()``.

    Args:
        model: the model itself.

    Returns:
        Each once, with all names that it has.

    Raises:
        TypeError: for what is no model.
        ValueError: for a model without parameters.

    Example:
        >>> from halflife.parameters import named_parameters
        >>> [(p.name, p.shape) for p in named_parameters(torch.nn.Linear(4, 3))]
        [('weight', (3, 4)), ('bias', (3,))]
    """
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
    declarations, found = Declarations(modules), list[NamedParameter]()
    for p, own in names.items():
        locations = tuple(_location(name, modules) for name in own)
        found.append(NamedParameter(own[0], p, locations, declarations.name(p, locations)))
    return found


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


class Declarations:
    """What the modules and the parameters themselves say is not to be decayed.

    timm's ``no_weight_decay()``: names and globs over names within the module that has it, the model or a part of it.
    Swin's ``no_weight_decay_keywords()``: parts of names. Mamba's ``_no_weight_decay`` of a parameter.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        own = dict.fromkeys(modules.values())
        self._names = {module: self._of(module, "no_weight_decay") for module in own}
        self._keywords = {module: self._of(module, "no_weight_decay_keywords") for module in own}

    def name(self, p: Tensor, locations: Iterable[Location]) -> bool:
        """Whether they say so of this parameter, under any of its names."""
        if any(getattr(p, word, None) is True for word in ("_no_weight_decay", "no_weight_decay")):
            return True
        return any(
            self._within(module, ".".join([*location.path[k:], leaf]))
            for location in locations
            for k, module in enumerate(location.modules)
            for leaf in {location.leaf, location.leaf.partition(".")[0]}
        )

    def _within(self, module: nn.Module, name: str) -> bool:
        names = self._names.get(module, frozenset())
        globs = (pattern for pattern in names if "*" in pattern or "?" in pattern)
        named = name in names or any(fnmatchcase(name, pattern) for pattern in globs)
        return named or any(keyword in name for keyword in self._keywords.get(module, ()))

    def _of(self, module: nn.Module, word: str) -> frozenset[str]:
        """What a method, a property or an attribute of that name holds, True being all; a warning if it cannot be read.

        Its own, not one that a wrapper passes on: that one's names are of the module that it wraps.
        """
        if word not in module.__dict__ and not hasattr(type(module), word):
            return frozenset()
        try:
            found: Any = getattr(module, word)
            found = found() if callable(found) else found
            found = {True: "*", False: (), None: ()}[found] if isinstance(found, bool | None) else found
            names = [found] if isinstance(found, str) else [*found]
            if all(isinstance(name, str) for name in names):
                return frozenset(names)
            trouble = f"has {next(x for x in names if not isinstance(x, str))!r} in it, which is no name"
        except Exception as error:  # it is the user's own, and may do anything
            trouble = f"cannot be read ({type(error).__name__}: {error})"
        warn(
            f"{word} of {type(module).__name__} {trouble}, so nothing is spared by it; let it be a set of parameters' "
            "names, or a method that returns one.",
            UserWarning,
            stacklevel=level_of_caller(),
        )
        return frozenset()
