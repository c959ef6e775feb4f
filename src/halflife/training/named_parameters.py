"""A model's parameters, each once, with all its names and the modules that it stands in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from torch import nn

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
    return Location(
        name, ".".join([*path, *([f"parametrizations.{leaf}"] if parametrized else [leaf])]), leaf, (*path,), (*passed,)
    )
