"""What the generator of the fixtures and their tests share: an optimizer built from plain data, and its steps.

A record is plain data and tensors, so that ``torch.load(weights_only=True)`` reads it. What was given::

    name, optimizer     the case's and the class's
    kwargs              of the constructor, as torch's are: no engine is asked for in them; a regularizer is its
                        ``spec()``, a ``Decay`` a list of its two words, a half-life {"HalfLife": {"steps": 300.0}}
    groups              None, or each group's own settings, with the indices of its parameters under "params"
    engine              None, or "eager" where the reference engine was asked for
    named, sparse, leaf whether parameters were given by name, gradients are sparse, parameters require gradients
    scheduler, schedule None, or [class, keywords] of the learning rate's and of the weight decay's

and what came: ``ran`` (the engine of each group), ``level`` (of the native library), ``torch`` and ``halflife``
(versions), ``commit``; ``start`` (the first weights) and ``first_gradients`` (a list for each step); after these steps
``weights``, ``state_dict``, ``scheduler_state``, ``schedule_state``; then ``gradients`` of three more, ``end_weights``
and ``end_state_dict``.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import halflife
from halflife import regularizers, schedules

FOLDER = Path(__file__).parent / "fixtures"

Record = dict[str, Any]


class Walker:
    """An optimizer on these weights, with the schedulers that step beside it."""

    def __init__(self, record: Record, weights: list[Tensor], engine: str | None = None) -> None:
        self.record = record
        self.params = [w.clone().requires_grad_(record["leaf"]) for w in weights]
        self.schedule = _scheduled(schedules, record["schedule"])
        kwargs = {name: _built(name, value) for name, value in record["kwargs"].items()}
        if self.schedule is not None:
            kwargs["weight_decay"] = self.schedule
        cls = getattr(halflife, record["optimizer"])
        self.optimizer: Any = cls(self._given(), **kwargs, **_engine_of(cls, engine or record["engine"]))
        self.scheduler = _scheduled(torch.optim.lr_scheduler, record["scheduler"], self.optimizer)

    def _given(self) -> Any:
        groups = self.record["groups"]
        if self.record["named"]:
            return [(f"layer.{i}", p) for i, p in enumerate(self.params)]
        if groups is None:
            return self.params
        built = [{name: _built(name, value) for name, value in group.items()} for group in groups]
        return [{**group, "params": [self.params[i] for i in group["params"]]} for group in built]

    @property
    def has_engines(self) -> bool:
        """Whether it is one of ours, and not torch's own with a penalty."""
        return isinstance(self.optimizer, halflife.Optimizer)

    def step(self, gradients: list[Tensor | None]) -> None:
        def closure() -> Tensor:
            for p, g in zip(self.params, gradients, strict=True):
                p.grad = g if g is None else g.to_sparse(1) if self.record["sparse"] else g.clone()
            return torch.zeros(())

        self.optimizer.step(closure)
        for each in (self.scheduler, self.schedule):
            if each is not None:
                each.step()

    def weights(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.params]


def _engine_of(cls: type, engine: str | None) -> dict[str, Any]:
    """How an engine is asked for: version 0.1.0 knew ``foreach`` alone, which its state dicts have."""
    if engine is None:
        return {}
    known = {"foreach": False, "engine": engine} if engine == "eager" else {"engine": engine}
    return {name: x for name, x in known.items() if name in inspect.signature(cls).parameters}


def _scheduled(module: Any, given: list[Any] | None, *first: Any) -> Any:
    return None if given is None else getattr(module, given[0])(*first, **given[1])


def _built(name: str, value: Any) -> Any:
    if name == "regularizer":
        return regularizer_of(value)
    if name == "decay" and isinstance(value, list):
        return halflife.Decay(*value)
    if name == "weight_decay" and isinstance(value, dict):
        ((unit, amount),) = value.items()
        return getattr(halflife, unit)(**amount)
    if isinstance(value, Tensor):
        return value.clone()  # a scheduler writes into it
    return tuple(value) if isinstance(value, list) and name != "params" else value


def regularizer_of(spec: dict[str, Any]) -> regularizers.Regularizer:
    """The regularizer by the public names alone."""
    cls = getattr(regularizers, spec["name"])
    if spec["name"] == "Sum":
        return cls(*map(regularizer_of, spec["parts"]))
    settings = {name: value for name, value in spec.items() if name != "name"}
    return cls(**{name: regularizer_of(x) if isinstance(x, dict) else x for name, x in settings.items()})
