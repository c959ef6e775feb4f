"""The worked example: the notebook's, for any optimizer, by the recorded text and by the optimizer itself.

Two parameters in float64, of shapes (2, 4) and (4,); the loss is (p1²).sum() + (p2³).sum(), so that g = 2w and g = 3w².
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import optim
from ..engines.trace import UntraceableError
from ..rules import Rule
from .composition import update_in
from .coordinate import Clock, Coordinate
from .derivation import WorkedLine
from .expressions import figure
from .names import optimizer_class
from .optimizers import OPTIMIZERS
from .texts import OptimizerText

GRADIENT1 = ((1.4953, 1.2757, 1.0132, 0.1502), (1.2270, 1.9302, 0.6604, 1.8370))
GRADIENT2 = (1.0079, 2.6933e-4, 1.0688, 1.1233)
"""The notebook's printed gradients, from which its parameters follow: p1 = g/2, p2 = √(g/3)."""

NOTEBOOK_AFTER = (
    torch.tensor([[0.5966, 0.5090, 0.4043, 0.0599], [0.4896, 0.7701, 0.2635, 0.7330]], dtype=torch.float64),
    torch.tensor([0.4777, 0.0094, 0.4888, 0.4984], dtype=torch.float64),
)
"""What it prints after one step of SGD."""

NOTEBOOK: Mapping[str, Any] = {"lr": 0.1, "weight_decay": 0.02}
STEPS, FALL = 10, 0.9
"""From the second step on lr falls by a tenth a step, so that decays that differ by the schedule differ."""


@dataclass(frozen=True)
class Worked:
    """One example, worked out. ``lines`` and the three numbers are of p1[0,0] in the first step.

    ``recorded`` is the weight by the lines, ``own`` by the optimizer, ``twin`` by torch's class. ``own_error`` and
    ``twin_error`` are the largest differences over all weights, in the first step and over all ``STEPS`` of them: of
    the lines from the optimizer, and of the optimizer from torch's class (None without one). ``path`` is by the lines.
    ``whole`` says why there are no lines, where there are none: then ``recorded`` and ``own_error`` are None and
    ``path`` is the optimizer's. ``before`` and ``after`` are p1 and p2, or p1 alone for a rule that takes matrices, and
    ``singular`` the singular values of its first gradient and of the direction made of it.
    """

    settings: Mapping[str, Any]
    lines: tuple[WorkedLine, ...]
    recorded: float | None
    own: float
    twin: float | None
    twin_name: str | None
    engine: str
    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]
    path: list[list[float]]
    own_error: tuple[float, float] | None
    twin_error: tuple[float, float] | None
    whole: str = ""
    singular: tuple[list[float], list[float]] | None = None


def worked(optimizer: str | type[torch.optim.Optimizer], decay: str | None = None, **changes: Any) -> Worked:
    """Work the example for a public optimizer or a class of one's own, under its default decay or another named one.

    ``changes`` go to the optimizer's own constructor only, so that a test can see the difference grow.
    """
    kind = optimizer_class(optimizer) if isinstance(optimizer, str) else optimizer
    text = OPTIMIZERS.get(kind.__name__)
    torchs = getattr(torch.optim, text.twin, None) if text and text.twin else None
    rule = update_in(kind([torch.zeros(1, 1)])).rule if issubclass(kind, optim.Optimizer) else None
    settings = {**_settings(torchs, rule, text), **(text.example if text else {})}
    settings |= {"decay": decay} if decay else {}
    own = _Run(kind, rule, {**settings, **changes})
    twin = _twin(torchs, rule, settings) if torchs and not decay else None
    lines, path, whole = _by_lines(own, rule, kind.__name__)
    return Worked(
        settings=settings,
        lines=lines,
        recorded=path[0][0] if path else None,
        own=own.path[0][0],
        twin=twin.path[0][0] if twin else None,
        twin_name=torchs.__name__ if torchs and twin else None,
        engine=own.engine,
        before=taken(rule),
        after=own.after,
        path=path or own.path,
        own_error=_errors(path, own.path) if path else None,
        twin_error=_errors(own.path, twin.path) if twin else None,
        whole=whole,
        singular=_singular(rule) if rule and rule.acts_on == "matrices" else None,
    )


def _settings(torchs: type[torch.optim.Optimizer] | None, rule: Rule | None, text: OptimizerText | None) -> Any:
    """The notebook's, but for the decay where there is none: in torch's class, or with sparse gradients alone."""
    λ_is_torchs = torchs is None or "weight_decay" in inspect.signature(torchs).parameters
    decays = (λ_is_torchs and not (rule and rule.sparse == "required")) or (text is not None and text.own is not None)
    return NOTEBOOK if decays else {"lr": NOTEBOOK["lr"]}


def _twin(torchs: type[torch.optim.Optimizer], rule: Rule | None, settings: Mapping[str, Any]) -> _Run:
    """torch's own, with the decay written into the loss where ours is part of it and torch's class has none."""
    if rule is not None:
        return _Run(torchs, rule, settings)
    given = {name: x for name, x in settings.items() if name != "weight_decay"}
    return _Run(torchs, rule, given, ridge=settings["weight_decay"])


def start() -> tuple[Tensor, Tensor]:
    """The notebook's two parameters."""
    p1 = torch.tensor(GRADIENT1, dtype=torch.float64) / 2
    return p1, (torch.tensor(GRADIENT2, dtype=torch.float64) / 3).sqrt()


def taken(rule: Rule | None) -> tuple[Tensor, ...]:
    """Those of the notebook's parameters that the rule takes."""
    return tuple(p for p in start() if rule is None or _takes(rule, p))


def _takes(rule: Rule, p: Tensor) -> bool:
    try:
        rule.check(p)
    except ValueError:
        return False
    return True


def rates() -> list[float]:
    """The learning rate of each step."""
    return [NOTEBOOK["lr"] * FALL**t for t in range(STEPS)]


class _Run:
    """An optimizer's own steps: ``path[t][i]`` is weight i after step t+1. ``ridge`` is a λ that the loss has."""

    def __init__(
        self,
        kind: Callable[..., torch.optim.Optimizer],
        rule: Rule | None,
        settings: Mapping[str, Any],
        ridge: float = 0.0,
    ) -> None:
        self.params, self.ridge = [p.requires_grad_() for p in taken(rule)], ridge
        self.optimizer = kind(self.params, **settings)
        self.sparse, self.asks = rule is not None and rule.sparse == "required", _asks_for_the_loss(self.optimizer)
        self.path: list[list[float]] = []
        self.engine = ""
        for lr in rates():
            self.optimizer.param_groups[0]["lr"] = lr
            self._step()
            if not self.path:
                self.after = tuple(p.detach().clone() for p in self.params)
                self.engine = _engine(self.optimizer)
            self.path.append([float(w) for p in self.params for w in p.detach().flatten()])

    def _step(self) -> None:
        if self.asks:
            self.optimizer.step(self._loss)  # type: ignore[arg-type]
            return
        self._loss()
        for p in self.params if self.sparse else ():
            p.grad = None if p.grad is None else p.grad.to_sparse()
        self.optimizer.step()

    def _loss(self) -> Tensor:
        """The loss, whose gradients are in place."""
        self.optimizer.zero_grad()
        loss = torch.stack([(p ** (3 if p.dim() == 1 else 2)).sum() for p in self.params]).sum()
        loss = loss + self.ridge / 2 * torch.stack([(p**2).sum() for p in self.params]).sum() if self.ridge else loss
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        return loss


def _asks_for_the_loss(optimizer: torch.optim.Optimizer) -> bool:
    """Whether ``step`` wants a closure."""
    return inspect.signature(type(optimizer).step).parameters["closure"].default is inspect.Parameter.empty


def _engine(optimizer: torch.optim.Optimizer) -> str:
    return optimizer.engines()[0].name if isinstance(optimizer, optim.Optimizer) else "torch's"


def _by_lines(run: _Run, rule: Rule | None, name: str) -> tuple[tuple[WorkedLine, ...], list[list[float]], str]:
    """The first weight's lines in the first step and every weight's path; or none, and why."""
    why = "each number of its direction is made of all the others"
    if rule is None or rule.acts_on == "matrices":
        return (), [], f"{name} steps {'a matrix' if rule else 'all weights'} as one, and {why}"
    try:
        return *_recorded(run.optimizer), ""
    except UntraceableError as error:
        return (), [], f"{name} looks at more than one at a time ({error})"


def _recorded(optimizer: torch.optim.Optimizer) -> tuple[tuple[WorkedLine, ...], list[list[float]]]:
    """The first weight's lines in the first step, and every weight's path."""
    update, λ = update_in(optimizer), float(optimizer.param_groups[0]["weight_decay"])
    params = taken(update.rule)
    weights = [(Coordinate(update, float(w)), p.dim()) for p in params for w in p.flatten()]
    lines, path = list[WorkedLine](), list[list[float]]()
    for t, lr in enumerate(rates(), start=1):
        clock = Clock(t, lr, lr / NOTEBOOK["lr"], λ)
        w = weights[0][0].w
        worked = [x.step(clock, 3 * (x.w * x.w) if dims == 1 else 2 * x.w) for x, dims in weights]
        lines = lines or [WorkedLine("g", "2·w", f"2·{figure(w)}", 2 * w), *worked[0]]
        path.append([x.w for x, _ in weights])
    return tuple(lines), path


def _singular(rule: Rule) -> tuple[list[float], list[float]]:
    """The singular values of p1's first gradient, and of the direction that the rule makes of it."""
    w = start()[0]
    state: Any = rule.start(w, NOTEBOOK["lr"])
    u, _, _ = rule(1.0, w, 2 * w, state)
    return _σ(2 * w), _σ(u)


def _σ(x: Tensor) -> list[float]:
    from_torch: Any = torch.linalg
    return from_torch.svdvals(x).tolist()


def _errors(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> tuple[float, float]:
    largest = [max(abs(x - y) for x, y in zip(*step, strict=True)) for step in zip(a, b, strict=True)]
    return largest[0], max(largest)
