"""A model's parameters, each once, with all its names, the modules that it stands in, and how deep it lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
