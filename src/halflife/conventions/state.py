"""The state of another framework's optimizer, as a ``state_dict`` that one of ours loads and trains on from.

Its settings, learning rate and decay are those of our optimizer: ``find("keras").optimizer(…)`` steps as Keras does.
Each function returns a new dict for ``load_state_dict`` and changes neither optimizer. Raises ``ValueError``, with a
sentence, for a state of another rule or of other shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from numpy import array
from torch import Tensor

from ..optim import Optimizer
from ..rules import Rule
from .framework_sgd import FrameworkSGD

OPTAX = {"mu": "exp_avg", "nu": "exp_avg_sq", "nu_max": "max_exp_avg_sq", "trace": "momentum_buffer"}
KERAS = {"velocity_hat": "max_exp_avg_sq", "momentum": "exp_avg", "velocity": "exp_avg_sq"}
ADDONS = {"m": "exp_avg", "v": "exp_avg_sq", "vhat": "max_exp_avg_sq", "momentum": "exp_avg"}
NOT_STATES = ("iteration", "iter", "learning_rate", "average", "decay")
"""Variables of a Keras optimizer that belong to no parameter, or are its average and not the rule's."""
Arrange = Callable[[Any], Iterable[Any]]


def from_optax(state: Any, optimizer: Optimizer, arrange: Arrange) -> dict[str, Any]:
    """From the state of an optax chain that has one Adam, Lion or trace, however deep it lies.

    Args:
        state: What the chain's ``init`` or ``update`` returned.
        optimizer: What is to go on.
        arrange: Makes of a tree like your parameters there the arrays of the parameters here, in their order: what
            carried the weights over carries the moments, if all that it does is reorder, reshape and transpose.

    Returns:
        A ``state_dict`` of ``optimizer`` with those states.

    Raises:
        ValueError: for a chain without such a state, or with several; for a state of another rule or other shapes.

    Example:
        >>> from collections import namedtuple
        >>> from halflife.conventions import from_optax
        >>> Adam = namedtuple("ScaleByAdamState", "count mu nu")  # as optax returns it
        >>> theirs = (Adam(7, {"w": torch.full((2,), 0.1)}, {"w": torch.full((2,), 0.01)}),)
        >>> ours = halflife.AdamW([torch.nn.Parameter(torch.ones(2))])
        >>> ours.load_state_dict(from_optax(theirs, ours, lambda tree: [tree["w"]]))
        >>> ours.state_dict()["state"][0]["step"]
        tensor(7.)

    Source: optax 0.2.8, optax/_src/transform.py.
    """
    found = list(_moments(state))
    if len(found) != 1:
        raise ValueError(
            f"one state of Adam, Lion or trace is needed, but {len(found)} were found; of a chain with several "
            "give the part that steps these parameters."
        )
    fields = found[0]
    columns = {ours: list(arrange(fields[theirs])) for theirs, ours in OPTAX.items() if theirs in fields}
    return _state_dict(optimizer, [fields.get("count")], columns)


def from_keras(theirs: Any, optimizer: Optimizer, arrange: Arrange) -> dict[str, Any]:
    """From an optimizer of Keras 3 or TensorFlow Addons that has stepped: Adam, AdamW, Lion, or SGD with momentum.

    Args:
        theirs: The optimizer itself, whose ``variables`` are read by their names.
        optimizer: What is to go on; for SGD ``find("keras-sgd").optimizer(…)``, which has lr inside the momentum too.
        arrange: Makes of a list of arrays, one a trainable variable there in its order, those of the parameters here,
            in their order: a Dense layer's kernel is a Linear's weight transposed.

    Returns:
        A ``state_dict`` of ``optimizer`` with those states.

    Raises:
        ValueError: for a variable that is no state of these rules, and for a state of another rule or other shapes.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> from halflife.conventions import find, from_keras
        >>> named = {"iteration": 9, "dense_kernel_momentum": np.ones((2, 1)), "dense_kernel_velocity": np.ones((2, 1))}
        >>> variables = [SimpleNamespace(name=k, numpy=lambda x=x: x) for k, x in named.items()]
        >>> ours = find("keras").optimizer([torch.nn.Parameter(torch.ones(1, 2))])
        >>> state = from_keras(SimpleNamespace(variables=variables), ours, lambda arrays: [x.T for x in arrays])
        >>> state["state"][0]["exp_avg"].shape
        torch.Size([1, 2])

    Source: keras 3.15.1, keras/src/optimizers; tensorflow-addons 0.23.0 on tf_keras.
    """
    sgd, step = isinstance(_rule_of(optimizer), FrameworkSGD), 0
    columns: dict[str, list[Any]] = {}
    for variable in cast("Iterable[Any]", theirs.variables() if callable(theirs.variables) else theirs.variables):
        kind, names = _kind_of(variable.name.split(":")[0])
        if kind in ("iteration", "iter"):
            step = variable.numpy()
        elif kind in names:
            numbers = array(variable.numpy(), dtype="float64")
            columns.setdefault("momentum_buffer" if sgd else names[kind], []).append(-numbers if sgd else numbers)
        elif kind not in NOT_STATES:
            raise ValueError(f"{variable.name!r} is no state of Adam, Lion or SGD, which are all that is known here.")
    return _state_dict(optimizer, [step], {name: list(arrange(arrays)) for name, arrays in columns.items()})


def from_torch_like(saved: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """From a ``state_dict`` in torch's layout that lacks our settings: of timm, optimi, fairseq, apex and others.

    The step may stand in the group. One flat parameter, as fairseq keeps for fp16, is cut into ours.

    Args:
        saved: Their ``state_dict()``, as fairseq's ``checkpoint["last_optimizer_state"]``.
        optimizer: What is to go on; its parameters come in the same order as theirs.

    Returns:
        A ``state_dict`` of ``optimizer`` with those states.

    Raises:
        ValueError: for a state of another rule or other shapes.

    Example:
        >>> from halflife.conventions import from_torch_like
        >>> moments = {"exp_avg": torch.ones(4), "exp_avg_sq": torch.ones(4)}  # one flat parameter, as fairseq's fp16
        >>> saved = {"state": {0: {"step": 5, **moments}}, "param_groups": [{"params": [0]}]}
        >>> ours = halflife.AdamW([torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2, 1))])
        >>> [x["exp_avg"].shape for x in from_torch_like(saved, ours)["state"].values()]
        [torch.Size([2]), torch.Size([2, 1])]

    Source: torch-optimi 0.3.3, timm 1.0.31, fairseq 0.12.2.
    """
    rows = [_row(saved["state"].get(i, {}), group) for group in saved["param_groups"] for i in group["params"]]
    names = {spec.name for spec in _rule_of(optimizer).states} | {"exp_avg_sq", "max_exp_avg_sq"}
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in names}
    columns = {name: arrays for name, arrays in columns.items() if any(x is not None for x in arrays)}
    parameters = _parameters(optimizer)
    if len(rows) == 1 < len(parameters):
        columns = {name: _cut(arrays[0], parameters) for name, arrays in columns.items()}
    return _state_dict(optimizer, [row["step"] for row in rows], columns)


def _row(state: Mapping[str, Any], group: Mapping[str, Any]) -> Mapping[str, Any]:
    """One parameter's state in torch's words: optimi's Adam keeps m̂ and v̂, not m and v, its SGD b as ``exp_avg``."""
    row: dict[str, Any] = {"step": group.get("step"), "momentum_buffer": state.get("exp_avg"), **state}
    if "beta1" in group and "beta2" in group and "exp_avg_sq" in state:
        for name, β in (("exp_avg", group["beta1"]), ("exp_avg_sq", group["beta2"])):
            row[name] = state[name] * (1 - β ** float(row["step"]))
    return row


def _moments(state: Any) -> Iterator[Mapping[str, Any]]:
    """The fields of the named tuples that have moments, as deep as they lie."""
    fields: dict[str, Any] = state._asdict() if hasattr(state, "_asdict") else {}
    if "mu" in fields or "trace" in fields:
        yield fields
    elif isinstance(state, tuple | list | Mapping):
        parts = cast("Iterable[Any]", state.values() if isinstance(state, Mapping) else state)
        for part in parts:
            yield from _moments(part)


def _kind_of(name: str) -> tuple[str, Mapping[str, str]]:
    """The end of a variable's name: of Keras 3 ``dense_kernel_momentum``, of addons ``AdamW/dense/kernel/m``."""
    if "/" in name:
        return name.rsplit("/", 1)[-1], ADDONS
    return next((kind for kind in (*KERAS, *NOT_STATES) if f"_{name}".endswith(f"_{kind}")), name), KERAS


def _state_dict(optimizer: Optimizer, steps: list[Any], columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The optimizer's own dict with these states: by name, an array a parameter, None where there is none.

    ``steps`` has one count for all parameters, or one for each.
    """
    rule, shapes = _rule_of(optimizer), [tuple(p.shape) for p in _parameters(optimizer)]
    needed = {spec.name for spec in rule.states}
    if set(columns) != needed:
        raise ValueError(
            f"the optimizer keeps {', '.join(sorted(needed)) or 'nothing'}, but the state has "
            f"{', '.join(sorted(columns)) or 'nothing'}; load it into an optimizer of the same rule and flags."
        )
    for name, arrays in columns.items():
        there = [None if x is None else tuple(x.shape) for x in arrays]
        if len(there) != len(shapes) or any(a not in (None, b) for a, b in zip(there, shapes, strict=True)):
            raise ValueError(
                f"{name} has the shapes {there}, but the optimizer's parameters, in their order, {shapes}."
            )
    rows: dict[int, dict[str, Any]] = {}
    for i, step in zip(range(len(shapes)), steps if len(steps) > 1 else steps * len(shapes), strict=True):
        rows[i] = {name: _tensor(arrays[i]) for name, arrays in columns.items() if arrays[i] is not None}
        if rows[i] and rule.counts_steps:
            rows[i]["step"] = torch.tensor(float(step))
    return {**optimizer.state_dict(), "state": {i: row for i, row in rows.items() if row}}


def _rule_of(optimizer: Optimizer) -> Rule:
    return optimizer.view(optimizer.param_groups[0]).rule


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _tensor(x: Any) -> Tensor:
    """By way of float64: JAX's bfloat16 is no dtype of NumPy's own."""
    return x if isinstance(x, Tensor) else torch.tensor(array(x, dtype="float64"))


def _cut(flat: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """One flat tensor as one of each parameter's shape, in their order."""
    sizes = [p.numel() for p in parameters]
    if flat.numel() != sum(sizes):
        raise ValueError(f"one flat state has {flat.numel()} numbers, but the optimizer's parameters {sum(sizes)}.")
    return [
        flat.narrow(0, sum(sizes[:i]), n).view(p.shape) for i, (n, p) in enumerate(zip(sizes, parameters, strict=True))
    ]
