"""What a framework multiplies each parameter's lr and λ by, as that parameter's shape or mark says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..decays.base_lr import SAID

Group = dict[str, Any]
Multiple = tuple[float, float]
"""Of lr and of λ."""


@dataclass(frozen=True)
class Multiples:
    """How one framework splits every parameter group, once, when its optimizer is made.

    ``of``: a parameter's own multiple, or None for one that the framework has not marked. ``words`` say it, ``mark``
    names what marks a parameter.
    """

    of: Callable[[Tensor], Multiple | None]
    words: str
    mark: str

    def groups(self, params: Any, given: Mapping[str, Any], name: str) -> Any:
        """The parameters in groups of one multiple each, with the lr and λ of their own.

        Where none is marked, they are as they were given. A λ that is no number (a half-life) is left, for it becomes
        a number by its group's own lr. Raises ``ValueError`` where some are marked and others not.
        """
        if isinstance(params, Tensor):
            return params
        whole: list[Any] = list(params)
        split = whole if whole and isinstance(whole[0], dict) else [{"params": whole}]
        found = [(group, [(item, self.of(_tensor(item))) for item in _items(group)]) for group in split]
        marked = {multiple is not None for _, items in found for _, multiple in items}
        if len(marked) == 2:
            shape = next(tuple(_tensor(item).shape) for _, items in found for item, m in items if m is None)
            raise ValueError(
                f"{name} multiplies lr and weight_decay as {self.mark} says, which a parameter of shape {shape} does "
                "not have while others do; mark it too, or give it to an optimizer of its own."
            )
        if True not in marked:
            return [{**group, "params": _items(group)} for group in split] if split is whole else whole
        return [part for group, items in found for part in _parts(group, items, given)]


def _items(group: Group) -> list[Any]:
    params = group["params"]
    return [params] if isinstance(params, Tensor) else list(params)


def _tensor(item: Tensor | tuple[str, Tensor]) -> Tensor:
    """Of a parameter, or of a parameter beside its name."""
    return item[1] if isinstance(item, tuple) else item


def _parts(group: Group, items: Iterable[tuple[Any, Multiple | None]], given: Mapping[str, Any]) -> Iterable[Group]:
    """The group, cut into one for each multiple, in the order in which they are met."""
    by_multiple: dict[Multiple, list[Any]] = {}
    for item, multiple in items:
        by_multiple.setdefault(multiple or (1.0, 1.0), []).append(item)
    for (of_lr, of_λ), members in by_multiple.items():
        part = {**group, "params": members}
        for name, factor in (*((name, of_lr) for name in ("lr", *SAID)), ("weight_decay", of_λ)):
            own = group.get(name, given.get(name))
            if isinstance(own, int | float | Tensor):
                part[name] = own * factor
        yield part
