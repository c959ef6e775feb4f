"""Parameter groups from a few rules, and the table that they print as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..parameters import (
    NamedParameter,
    Pattern,
    check_patterns,
    first_match,
    layer_depths,
    matches,
    meaning,
    named_parameters,
    shown,
)
from .routing import REST, Routing

Settings = dict[str, Any]

NOT_SETTINGS = ("params", "param_names")
CONTENTS = ("tensors", "numbers", "examples")
WIDE = 60
NO_DECAY = ("declared", "bias", "norm", "embedding", "vector", "position", "token", "scale")


def param_groups(
    model: nn.Module,
    *,
    weight_decay: Any = None,
    no_decay: Sequence[Pattern] = NO_DECAY,
    lr: float | None = None,
    layer_decay: float | None = None,
    overrides: Mapping[Pattern, Mapping[str, Any]] | None = None,
    matrix: str | Mapping[str, Any] | None = None,
    head: Pattern | Sequence[Pattern] | None = None,
) -> ParamGroups:
    """The model's parameters as groups for any optimizer, as few as there are different settings; ``print`` shows them.

    A **pattern** is a glob over the parameters' names (``"head.*"``; ``*`` passes over dots), a type of module (all
    parameters inside such modules), or a word for a kind of parameter: ``"declared"`` (what the model's own
    ``no_weight_decay()`` names), ``"bias"``, ``"norm"``, ``"embedding"``, ``"vector"`` (of one dimension or none),
    ``"position"``, ``"token"`` and ``"scale"``: see ``parameters.kinds.KINDS``. Wrappers do not count as parts of a
    name: ``_orig_mod`` of ``torch.compile``, the ``module`` of DDP. A tied parameter is listed once, under its first
    name, and a pattern may match any of its names.

    What Hugging Face's Trainer and timm spare, the defaults spare too, and beyond these embeddings, tokens, positions
    and scales of any shape.

    Depth is counted in blocks along stages and towers, embeddings first and heads last, or as the model's own
    ``group_matcher()`` has it: see ``parameters.layer_depths``; the printed table says what was found. A decay that
    takes lr·λ a step shrinks with its group's lr; ``decay="independent"`` and "proximal", which take ηλ, do not.

    With ``matrix`` the groups name their rules, so that any optimizer of halflife takes them: the matrices inside the
    network are stepped by that one, embeddings, the head, norms, biases and scales by AdamW's. The table says who went
    where and why.

    Frozen parameters (``requires_grad`` False) are left out; they count for depth. Each group also has its
    ``param_names``, as groups made of ``named_parameters()`` have. As with any groups in torch, an optimizer fills in
    its own settings: make them anew for a second optimizer.

    Args:
        model: the model itself, for names and module types are read.
        weight_decay: of all but what ``no_decay`` matches; None leaves the optimizer's own.
        no_decay: patterns of what gets a decay of 0; the printed table says which pattern spared what.
        lr: the learning rate of every group; with ``layer_decay``, that of the deepest parameters.
        layer_decay: d in ``lr·d^k``, the learning rate of parameters k blocks before the deepest; above 0, at most 1.
        overrides: any settings of the optimizer for what matches a pattern; later ones win, and all win over the rest.
        matrix: the rule of the matrices inside, "muon", or a dict of its settings with an lr and a weight_decay of
            their own: ``{"rule": "muon", "lr": 0.02}``. Without an lr Muon is scaled to take that of the rest
            (``adjust_lr_fn="match_rms_adamw"``). Convolutions are flattened, stacks of matrices taken one by one.
        head: patterns of the last layer, which no type tells from the others; () if there is none. One that is tied to
            an embedding needs no word.

    Returns:
        A list of dicts with ``params``, ``param_names`` and settings, in the order of their first parameters.

    Raises:
        TypeError: for what is no model, no pattern or no dict of settings.
        ValueError: for a pattern that matches nothing, for numbers out of range, and for a head that is not said.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 2))
        >>> groups = halflife.param_groups(model, weight_decay=0.1)
        >>> [(group["weight_decay"], group["param_names"]) for group in groups]
        [(0.1, ['0.weight', '2.weight']), (0.0, ['0.bias', '1.weight', '1.bias', '2.bias'])]
        >>> optimizer = halflife.AdamW(groups, lr=1e-3)
    """
    everything, overrides = named_parameters(model), overrides or {}
    spared = [no_decay] if isinstance(no_decay, str | type) else [*no_decay]
    _check_arguments(weight_decay, lr, layer_decay, overrides)
    check_patterns(spared, everything, "no_decay")
    check_patterns(overrides, everything, "overrides")
    trained = list[tuple[NamedParameter, Settings]]()
    spared_by: dict[Pattern, list[NamedParameter]] = {pattern: [] for pattern in spared}
    scales, remark = _scales(everything, layer_decay)
    routing = None if matrix is None else Routing(everything, matrix, head)
    for named, scale in zip(everything, scales, strict=True):
        if named.parameter.requires_grad:
            reason, overridden = first_match(spared, named), _overridden(named, overrides)
            routed = {} if routing is None else routing.settings(named)
            own = {**routed, "weight_decay": routed.get("weight_decay", weight_decay) if reason is None else 0.0}
            rate = routed.get("lr", lr)
            own["lr"] = None if rate is None else rate * scale
            trained.append((named, {name: x for name, x in own.items() if x is not None} | overridden))
            if reason is not None and "weight_decay" not in overridden:
                spared_by[reason].append(named)
    elsewhere = {} if routing is None else _by_reason(routing, [named for named, _ in trained])
    return ParamGroups(_merged(trained), everything, spared_by, remark, elsewhere)


def _by_reason(routing: Routing, trained: Sequence[NamedParameter]) -> dict[str, list[NamedParameter]]:
    """What no rule for matrices steps, by why."""
    found: dict[str, list[NamedParameter]] = {}
    for named in trained:
        reason = routing.reason(named)
        if reason is not None:
            found.setdefault(reason, []).append(named)
    return found


def _overridden(named: NamedParameter, overrides: Mapping[Pattern, Mapping[str, Any]]) -> Settings:
    """What the overrides that are about a parameter say of it; the last word counts."""
    own: Settings = {}
    for pattern, given in overrides.items():
        own |= given if matches(pattern, named) else {}
    return own


def _scales(parameters: Sequence[NamedParameter], layer_decay: float | None) -> tuple[list[float], str]:
    """Of each parameter what multiplies lr, and what is to be said of how it was found."""
    if layer_decay is None:
        return [1.0] * len(parameters), ""
    layers = layer_depths(parameters)
    deepest = max(layers.depths)
    return [layer_decay ** (deepest - depth) for depth in layers.depths], layers.found


def _merged(trained: Sequence[tuple[NamedParameter, Settings]]) -> list[Settings]:
    """One group for each different settings, in the order of the first parameter that has them."""
    if not trained:
        raise ValueError(
            "all parameters of the model are frozen; give those that are to be trained requires_grad=True."
        )
    groups: list[tuple[Settings, list[NamedParameter]]] = []
    for named, own in trained:
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


def _check_arguments(weight_decay: Any, lr: Any, layer_decay: Any, overrides: Any) -> None:
    _check_overrides(overrides)
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
    """A plain list of group dicts, to give to an optimizer; ``str`` and ``repr`` show what is in each.

    Below stands what no rule for matrices steps, and what ``no_decay`` spared, by the first pattern that matches it.

    Args:
        groups: dicts with ``params``, ``param_names`` and settings.
        everything: the model's parameters, frozen ones too.
        spared_by: what gets no decay, by the pattern that matched.
        remark: what the table says below.
        elsewhere: what the rule for matrices does not step, by the reason.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
        >>> print(halflife.param_groups(model, weight_decay=0.1))
        group  weight_decay  tensors  numbers  examples
        0      0.1           1        12       0.weight
        1      0             3        9        0.bias, 1.weight, 1.bias
        2 groups, 4 tensors, 21 numbers
        no decay  because             tensors  numbers  examples
        'bias'    called a bias       2        6        0.bias, 1.bias
        'norm'    of a normalization  1        3        1.weight
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]] = (),
        everything: Sequence[NamedParameter] = (),
        spared_by: Mapping[Pattern, Sequence[NamedParameter]] | None = None,
        remark: str = "",
        elsewhere: Mapping[str, Sequence[NamedParameter]] | None = None,
    ) -> None:
        super().__init__(groups)
        self._names = list(dict.fromkeys(name for group in self for name in group if name not in NOT_SETTINGS))
        self._remarks = [*_remarks(everything), *([remark] if remark else [])]
        found = (((shown(p), meaning(p)), spared) for p, spared in (spared_by or {}).items())
        self._spared = [[*why, *_contents_of(spared)] for why, spared in found if spared]
        self._elsewhere = [[REST["rule"], why, *_contents_of(others)] for why, others in (elsewhere or {}).items()]

    def __str__(self) -> str:
        lines = _table(["group", *self._names, *CONTENTS], [[str(k), *self._row(g)] for k, g in enumerate(self)])
        params = [p for group in self for p in group["params"]]
        total = f"{_count(len(self), 'group')}, {_count(len(params), 'tensor')}, "
        total += _count(_numel(params), "number")
        blank = ["–: the optimizer's own"] if any(n not in g for g in self for n in self._names) else []
        lines.append("; ".join([total, *self._remarks, *blank]))
        for what, rows in (("stepped by", self._elsewhere), ("no decay", self._spared)):
            lines += _table([what, "because", *CONTENTS], rows) if rows else []
        return "\n".join(lines)

    __repr__ = __str__

    def _row(self, group: dict[str, Any]) -> list[str]:
        settings = [_value(group[name]) if name in group else "–" for name in self._names]
        return [*settings, *_contents(group["params"], group["param_names"])]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table, its columns as wide as their widest cell."""
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=True)).rstrip() for row in (head, *rows)]


def _contents(params: Sequence[Tensor], names: Sequence[str]) -> list[str]:
    return [f"{len(params):,}", f"{_numel(params):,}", _examples(names)]


def _contents_of(those: Sequence[NamedParameter]) -> list[str]:
    return _contents([named.parameter for named in those], [named.name for named in those])


def _numel(params: Iterable[Tensor]) -> int:
    return sum(0 if is_lazy(p) else p.numel() for p in params)


def _remarks(everything: Sequence[NamedParameter]) -> Iterable[str]:
    tied = [named for named in everything if len(named.locations) > 1]
    if tied:
        pairs = (" = ".join(location.full for location in named.locations[:2]) for named in tied[:2])
        yield f"{_count(len(tied), 'tensor')} tied ({'; '.join(pairs)})"
    frozen = [named for named in everything if not named.parameter.requires_grad]
    if frozen:
        numbers = _numel([named.parameter for named in frozen])
        yield f"{_count(len(frozen), 'frozen tensor')} of {_count(numbers, 'number')} left out"
    hidden = sum(named.dimensions is None for named in everything)
    if hidden:
        yield f"{_count(hidden, 'tensor')} of unknown shape (lazy, or flattened by FSDP) judged by name alone"


def _examples(names: Sequence[str]) -> str:
    """The first and the last, and one from between, as far as there is room."""
    shown = list(dict.fromkeys(names[k] for k in (0, len(names) // 2, -1)))
    while len(", ".join(shown)) > WIDE and len(shown) > 1:
        shown.pop()
    return ", ".join(shown) + (", …" if len(shown) < len(names) else "")


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
