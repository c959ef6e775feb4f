"""Groups that print as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .named_parameters import NamedParameter

NOT_SETTINGS = ("params", "param_names")
WIDE = 60


class ParamGroups(list[dict[str, Any]]):
    """A plain list of group dicts, to give to an optimizer; ``str`` and ``repr`` show what is in each."""

    def __init__(self, groups: Iterable[dict[str, Any]] = (), everything: Sequence[NamedParameter] = ()) -> None:
        super().__init__(groups)
        self._names = list(dict.fromkeys(name for group in self for name in group if name not in NOT_SETTINGS))
        self._remarks = [*_remarks(everything)]

    def __str__(self) -> str:
        head = ["group", *self._names, "tensors", "numbers", "examples"]
        rows = [head, *([str(k), *self._row(group)] for k, group in enumerate(self))]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=True)).rstrip() for row in rows]
        params = [p for group in self for p in group["params"]]
        total = f"{_count(len(self), 'group')}, {_count(len(params), 'tensor')}, "
        total += _count(sum(p.numel() for p in params), "number")
        blank = ["–: the optimizer's own"] if any(n not in g for g in self for n in self._names) else []
        return "\n".join([*lines, "; ".join([total, *self._remarks, *blank])])

    __repr__ = __str__

    def _row(self, group: dict[str, Any]) -> list[str]:
        settings = [_shown(group[name]) if name in group else "–" for name in self._names]
        params, names = group["params"], group["param_names"]
        return [*settings, f"{len(params):,}", f"{sum(p.numel() for p in params):,}", _examples(names)]


def _remarks(everything: Sequence[NamedParameter]) -> Iterable[str]:
    tied = [named for named in everything if len(named.locations) > 1]
    if tied:
        pairs = (" = ".join(location.full for location in named.locations[:2]) for named in tied[:2])
        yield f"{_count(len(tied), 'tensor')} tied ({'; '.join(pairs)})"
    frozen = [named for named in everything if not named.parameter.requires_grad]
    if frozen:
        numbers = sum(named.parameter.numel() for named in frozen)
        yield f"{_count(len(frozen), 'frozen tensor')} of {_count(numbers, 'number')} left out"


def _examples(names: Sequence[str]) -> str:
    """The first and the last, and one from between, as far as there is room."""
    shown = list(dict.fromkeys(names[k] for k in (0, len(names) // 2, -1)))
    while len(", ".join(shown)) > WIDE and len(shown) > 1:
        shown.pop()
    return ", ".join(shown) + (", …" if len(shown) < len(names) else "")


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
