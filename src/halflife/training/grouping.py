"""Parameter groups from a few rules, and the table that they print as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from .named_parameters import NamedParameter, layer_depths, named_parameters
from .patterns import Pattern, check_patterns, matches

Settings = dict[str, Any]

NOT_SETTINGS = ("params", "param_names")
WIDE = 60


def param_groups(
    model: nn.Module,
    *,
    weight_decay: Any = None,
    no_decay: Sequence[Pattern] = ("bias", "norm", "embedding"),
    lr: float | None = None,
    layer_decay: float | None = None,
    overrides: Mapping[Pattern, Mapping[str, Any]] | None = None,
) -> ParamGroups:
    """The model's parameters as groups for any optimizer, as few as there are different settings; ``print`` shows them.

    A **pattern** is a glob over the parameters' names (``"head.*"``; ``*`` passes over dots), a type of module (all
    parameters inside such modules), or one of the words ``"bias"``, ``"norm"``, ``"embedding"`` for what is so by its
    name or its module's class. Wrappers do not count as parts of a name: ``_orig_mod`` of ``torch.compile``, the
    ``module`` of DDP. A tied parameter is listed once, under its first name, and a pattern may match any of its names.

    ``weight_decay`` is for all but what ``no_decay`` matches, which gets 0; None leaves the optimizer's own. ``lr`` is
    the learning rate of every group; with ``layer_decay`` d, that of the deepest parameters, and ``lr·d^k`` of those k
    blocks before them. Depth is found by the numbers in the modules' names: what stands before the first numbered block
    (embeddings) is first, what stands after the last (the head) is last; see ``layer_depths``. A decay that takes
    lr·λ a step shrinks with its group's lr; ``decay="independent"`` and "proximal", which take ηλ, do not.
    ``overrides`` gives what matches a pattern any settings of the optimizer; later ones win, and all win over the rest.

    Frozen parameters (``requires_grad`` False) are left out; they count for depth. Each group also has its
    ``param_names``, as groups made of ``named_parameters()`` have. As with any groups in torch, an optimizer fills in
    its own settings: make them anew for a second optimizer.

    Raises ``ValueError`` for a pattern that matches nothing, and for numbers out of range.
    """
    everything, overrides = named_parameters(model), overrides or {}
    spared = [no_decay] if isinstance(no_decay, str | type) else [*no_decay]
    _check_numbers(weight_decay, lr, layer_decay)
    _check_overrides(overrides)
    check_patterns(spared, everything, "no_decay")
    check_patterns(overrides, everything, "overrides")
    rules = [*((pattern, {"weight_decay": 0.0}) for pattern in spared), *overrides.items()]
    trained, settings = list[NamedParameter](), list[Settings]()
    for named, scale in zip(everything, _scales(everything, layer_decay), strict=True):
        if named.parameter.requires_grad:
            own = {"weight_decay": weight_decay, "lr": None if lr is None else lr * scale}
            trained.append(named)
            settings.append({name: x for name, x in own.items() if x is not None} | _ruled(named, rules))
    return ParamGroups(_merged(trained, settings), everything)


def _ruled(named: NamedParameter, rules: Sequence[tuple[Pattern, Mapping[str, Any]]]) -> Settings:
    """What the rules that are about a parameter say of it; the last word counts."""
    own: Settings = {}
    for pattern, given in rules:
        own |= given if matches(pattern, named) else {}
    return own


def _scales(parameters: Sequence[NamedParameter], layer_decay: float | None) -> list[float]:
    if layer_decay is None:
        return [1.0] * len(parameters)
    depth = layer_depths(parameters)
    return [layer_decay ** (max(depth) - d) for d in depth]


def _merged(parameters: Sequence[NamedParameter], settings: Sequence[Settings]) -> list[Settings]:
    """One group for each different settings, in the order of the first parameter that has them."""
    if not parameters:
        raise ValueError(
            "all parameters of the model are frozen; give those that are to be trained requires_grad=True."
        )
    groups: list[tuple[Settings, list[NamedParameter]]] = []
    for named, own in zip(parameters, settings, strict=True):
        members = next((members for there, members in groups if _same(there, own)), None)
        if members is None:
            groups.append((own, [named]))
        else:
            members.append(named)
    return [
        {"params": [f.parameter for f in members], "param_names": [f.name for f in members], **own}
        for own, members in groups
    ]


def _same(a: Settings, b: Settings) -> bool:
    """Whether two settings say the same; tensors only if they are the same one, which may be changed in place."""
    return a.keys() == b.keys() and all(
        a[name] is b[name]
        or (not isinstance(a[name], Tensor) and type(a[name]) is type(b[name]) and bool(a[name] == b[name]))
        for name in a
    )


def _check_numbers(weight_decay: Any, lr: Any, layer_decay: Any) -> None:
    if isinstance(weight_decay, int | float) and not weight_decay >= 0:
        raise ValueError(f"weight_decay must be at least 0, but {weight_decay} was given.")
    if lr is not None and not lr >= 0:
        raise ValueError(f"lr must be at least 0, but {lr} was given.")
    if layer_decay is None:
        return
    if not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay must be above 0 and at most 1, 0.75 for instance, but {layer_decay} was given.")
    if lr is None:
        raise ValueError(
            "layer_decay scales a learning rate by depth, and none was given; give lr=, that of the deepest parameters."
        )


def _check_overrides(overrides: Any) -> None:
    given = overrides.items() if isinstance(overrides, Mapping) else [(None, None)]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    for pattern, settings in given:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(settings, Mapping):
            what = "overrides" if pattern is None else f"overrides[{pattern!r}]"
            raise TypeError(f"{what} must be a dict such as {{'head.*': {{'lr': 1e-2}}}}, of patterns and settings.")
        if {"params", "param_names"} & settings.keys():  # pyright: ignore[reportUnknownMemberType]
            raise ValueError(
                f"overrides[{pattern!r}] gives settings, not parameters; leave out params and param_names."
            )


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
