"""What a page says, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..regularizers import Regularizer

Letters = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RuleText:
    """A rule in the letters of ``halflife/rules``.

    ``equations`` are its lines from g to u. ``u`` is u spelled out, for one-line forms, and ``given`` what that leaves
    open. ``move`` is the rule's own step from a point, which stands as ``{w}``.
    ``flat`` says that the metric D is 1.
    """

    equations: tuple[str, ...]
    letters: Letters
    u: str
    given: str = ""
    move: str = "{w} − lr·u"
    flat: bool = False


@dataclass(frozen=True)
class Setting:
    """A hyper-parameter worth tuning: what is typical, and what it does. The default is read from the class."""

    name: str
    typical: str
    what: str


@dataclass(frozen=True)
class OptimizerText:
    """One optimizer. ``twin`` is the class of torch.optim that must take the same step, if there is one.

    ``example`` holds the settings of the worked example, beside lr and weight decay, which are the notebook's.
    ``own`` are the equations of one that has no rule in ``halflife/rules``, and whose decay is part of the loss.
    """

    name: str
    title: str
    when: str
    innovation: str
    advantages: str
    disadvantages: str
    best_use: str
    avoid: str
    decay: str
    tune: tuple[Setting, ...]
    source: str
    elsewhere: tuple[str, ...]
    twin: str | None = None
    example: Mapping[str, Any] = field(default_factory=dict[str, Any])
    own: RuleText | None = None


@dataclass(frozen=True)
class DecayText:
    """One named treatment. ``λ`` says what the number means, with typical values."""

    name: str
    title: str
    when: str
    idea: str
    use: str
    avoid: str
    lam: str
    who: str
    source: str


@dataclass(frozen=True)
class RegularizerText:
    """One regularizer. ``example`` is an instance whose prox is worked out at ``points`` (``shape``)."""

    name: str
    title: str
    when: str
    value: str
    gradient: str
    prox: str
    use: str
    avoid: str
    source: str
    example: Regularizer
    points: tuple[float, ...] = (-1.2, -0.3, 0.1, 0.4, 2.0)
    shape: tuple[int, ...] = (5,)
