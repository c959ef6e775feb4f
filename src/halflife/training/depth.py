"""How deep each parameter lies, read off the numbers in the modules' names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from .named_parameters import NamedParameter


def depths(parameters: Sequence[NamedParameter]) -> list[int]:
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
    return _numbered(named, lambda _: True) if named.parameter.ndim > 1 else None


def _numbered(named: NamedParameter, counts: Callable[[nn.Module], bool]) -> str | None:
    """The longest row of numbered modules of which each counts, with what stands before it."""
    location, block = named.locations[0], None
    for k, (part, module) in enumerate(zip(location.path, location.modules[1:], strict=True)):
        if part.isdigit() and counts(module):
            block = ".".join(location.path[: k + 1])
        elif block:
            break
    return block
