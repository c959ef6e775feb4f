"""The optimizers that a study compares: any of the library's or of a registered rule, each with the λ worth trying."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ... import optim
from ...catalogue import Catalogue, command_name, rule_of_matrices, why_not
from ...decays import NAMED, Decay
from ...optim.groups import on_purpose
from ...optimizers import SGD, SGDW, Adam, AdamW
from ...parameters import head_of
from ...rules import Rule
from ...training import param_groups
from ...training.routing import AS_ADAMW, REST
from ...update import Update
from ..errors import StudyError

HALF_DECADES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Three decades, which hold the best λ of every optimizer whose λ is not multiplied by lr at each step."""
TIMES_LR = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Those of a λ that is."""


LR_FACTORS = {"SGD": 10.0, "RMSprop": 1.0, "NAdam": 1.0, "Adamax": 1.0}
"""How much larger learning rates are than Adam's, by rule, where its default lr does not say it."""
SPARSE_FACTOR = 0.01
"""How much smaller a penalty's λ is that drives weights to 0 than the ridge's, whose pull fades with the weight."""

OF_BOTH_RULES = ("decay", "regularizer", "eps")
"""Settings that are AdamW's as well where it steps what the rule of the matrices does not."""


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer under study.

    Args:
        name: what the command line and the ledger call it.
        label: what people read.
        equation: one step with ridge.
        optimizer: is called with (params, lr=, weight_decay=, …): one of ours, torch's, or anybody's.
        settings: what its class is given beside lr and λ, as pairs.
        lams: the λ tried unless others are given.
        lr_factor: what the usual learning rates, which are Adam's, are multiplied by.
        identity: names one that is not the library's own, its code included, for the ledger.
        matrix: the rule of one that takes matrices alone, empty for all others: it steps the matrices inside a model,
            AdamW the rest, by the same lr and λ, λ of all parameters as with any optimizer of a study.
        head: patterns of the model's last layer, which is AdamW's too; None where the model tells (``head_of``).

    Example:
        >>> from halflife.lab import OptimizerSpec
        >>> nesterov = OptimizerSpec(
        ...     "nesterov", "Nesterov", "w − lr·u", halflife.SGD, (("momentum", 0.9), ("nesterov", True)), lr_factor=10
        ... )
        >>> nesterov.build(torch.nn.Linear(2, 1), lr=0.1, lam=1e-4).param_groups[0]["nesterov"]
        True
    """

    name: str
    label: str
    equation: str
    optimizer: Callable[..., torch.optim.Optimizer]
    settings: tuple[tuple[str, Any], ...] = ()
    lams: tuple[float, ...] = HALF_DECADES
    lr_factor: float = 1.0
    identity: str = ""
    matrix: str = ""
    head: tuple[str, ...] | None = None

    def build(self, model: nn.Module | Iterable[Any], lr: float, lam: float) -> torch.optim.Optimizer:
        """The optimizer itself, as a training loop has it; that λ may be large is no news in a study.

        Args:
            model: the model or, where all are its own rule's, parameters.
            lr, lam: the cell.

        Returns:
            The optimizer.

        Raises:
            StudyError: where the rule does not take these parameters.
        """
        params = self._params(model)
        with on_purpose():
            return self.optimizer(params, lr=lr, weight_decay=lam, **dict(self.settings))

    def _params(self, model: nn.Module | Iterable[Any]) -> Any:
        if isinstance(model, nn.Module):
            return self.groups(model) if self.matrix else model.parameters()
        params = list(model)
        if self.matrix and any(isinstance(p, Tensor) and p.dim() < 2 for p in params):
            raise StudyError(
                f"{self.name} takes matrices alone, and among these parameters are others. Give config.build the model "
                "itself, not its parameters: then AdamW steps the rest."
            )
        return params

    def groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """The model's parameters by the rule that steps them.

        Args:
            model: the model.

        Returns:
            Parameter groups.

        Raises:
            ValueError: where no head can be told.
        """
        head = head_of(model) if self.head is None else self.head
        both = self.of_both_rules
        return param_groups(model, matrix=self.matrix, head=head, no_decay=(), overrides={"*": both} if both else {})

    @property
    def of_both_rules(self) -> dict[str, Any]:
        """Those of the settings that the rest has too."""
        return {name: value for name, value in self.settings if name in OF_BOTH_RULES}

    def refusal(self, model: nn.Module) -> str:
        """Why the rule cannot step this model, and what could be done. Frozen parameters are passed over.

        Args:
            model: the model.

        Returns:
            A sentence; empty where it can, or where nothing is known.
        """
        if self.matrix:
            return self._refused_groups(model)
        if self.update is None:
            return ""
        for name, p in model.named_parameters():
            try:
                if p.requires_grad:
                    self.update.rule.check(p)
            except (ValueError, RuntimeError) as error:
                return (
                    f"{self.name} cannot train this model, for its parameter {name} {tuple(p.shape)}: {error} "
                    "Study another optimizer, or a model that has no such parameter."
                )
        return ""

    def _refused_groups(self, model: nn.Module) -> str:
        try:
            groups = self.groups(model)
            self.build(model, 1.0, 0.0)
        except (ValueError, TypeError, RuntimeError) as error:
            return f"{self.name} cannot train this model: {error}{self._hint(model)}"
        if any(map(is_lazy, model.parameters())) or any(group.get("rule") == self.matrix for group in groups):
            return ""
        return (
            f"{self.name} would step nothing of this model: it has no matrix but embeddings and its head. Study adamw, "
            "or a model with a layer inside."
        )

    def _hint(self, model: nn.Module) -> str:
        """How a study is told of the head."""
        if self.head is not None or head_of(model) is not None:
            return ""
        return " A study is told by --head PATTERN, Settings(head=…), or a method get_classifier() of the model."

    @property
    def is_choosy(self) -> bool:
        """Whether there may be parameters that the rule does not take."""
        return self.update is not None and type(self.update.rule).check is not Rule.check

    @property
    def is_stackable(self) -> bool:
        """Whether one step may be taken of many networks at once: not of rules that take turns, nor of a stranger."""
        return self.update is not None and not self.matrix

    @property
    def key(self) -> list[str]:
        """What a ledger knows it by; a field of two rules stands under the name that it had when ledgers began."""
        identity = self.identity or str(self.update).replace("momentum_type=", "look=")
        parts = [f"matrices {AS_ADAMW}, the rest {REST}, head {self.head!r}"] if self.matrix else []
        return [self.name, identity, repr(self.settings), *parts]

    @cached_property
    def update(self) -> Update | None:
        """rule × decay × regularizer, of the matrices where others are AdamW's; None for an optimizer not ours."""
        if not (isinstance(self.optimizer, type) and issubclass(self.optimizer, optim.Optimizer)):
            return None
        return update_of(self.optimizer, **dict(self.settings))

    @cached_property
    def multiplier(self) -> str:
        """What λ is multiplied by in a step: "lr", "schedule", … as a ``Decay`` has it; of a stranger's it is found out
        by steps with gradients of 0, and empty where that does not tell.
        """
        return measured_multiplier(self) if self.update is None else str(self.update.decay.multiplier)


def update_of(optimizer: type[optim.Optimizer], **settings: Any) -> Update:
    """rule × decay × regularizer of a class under these settings."""
    made = optimizer([torch.zeros(1, 1, requires_grad=True)], lr=1.0, weight_decay=0.0, **settings)  # all take a matrix
    return made.view(made.param_groups[0]).update


_EQUATIONS = {
    "coupled": "g ← g + λw, then {}",
    "decoupled": "w ← (1 − lr·λ)w − lr·u",
    "independent": "w ← (1 − ηλ)w − lr·u",
    "proximal": "w ← (w − lr·u)/(1 + ηλ)",
    "proximal_lr": "w ← (w − lr·u)/(1 + lr·λ)",
    "euclidean": "w ← (w − lr·u)/(1 + lr·λ/D)",
}


def equation_of(decay: Decay, rule: str) -> str:
    """One step with ridge; the decay's own words where it has no name."""
    name = next((name for name, known in NAMED.items() if known == decay), "")
    return _EQUATIONS.get(name, str(decay)).format(rule)


def measured_multiplier(spec: OptimizerSpec) -> str:
    """By what a weight of 1 loses in its first step, its gradient being 0, for twice the lr and twice the λ."""

    def lost(lr: float, lam: float) -> float:
        w = torch.ones(4, requires_grad=True)
        w.grad = torch.zeros_like(w)
        spec.build([w], lr, lam).step()
        return 1.0 - float(w.detach()[0])

    base, faster, more = lost(1e-2, 0.1), lost(2e-2, 0.1), lost(1e-2, 0.2)
    if not base or abs(more / base - 2) > 0.1:  # in the gradient: what it loses is not proportional to λ
        return ""
    return "lr" if abs(faster / base - 2) < 0.1 else "schedule" if abs(faster / base - 1) < 0.1 else ""


def lr_factor_of(optimizer: Callable[..., Any], rule: str) -> float:
    """By the rule, else by the class's own default beside Adam's."""
    default = signature(optimizer).parameters.get("lr")
    value = default.default if default is not None else None
    return LR_FACTORS.get(rule, float(f"{value / 1e-3:.1g}") if isinstance(value, float) and value > 0 else 1.0)


def spec_of(name: str, optimizer: type[optim.Optimizer]) -> OptimizerSpec:
    """A class as it comes, with the learning rates and the λ that rule and decay suggest.

    Raises ``StudyError`` for one that takes no dense gradients.
    """
    update = update_of(optimizer)
    if update.rule.sparse == "required":
        raise StudyError(f"{name} cannot be studied: {why_not(command_name(optimizer.__name__))}.")
    lams = TIMES_LR if update.decay.multiplier == "lr" else HALF_DECADES
    rule, matrix = type(update.rule).__name__, rule_of_matrices(update.rule)
    equation, factor = equation_of(update.decay, rule), lr_factor_of(optimizer, rule)
    label = f"{optimizer.__name__} + AdamW" if matrix else optimizer.__name__
    return OptimizerSpec(name, label, equation, optimizer, lams=lams, lr_factor=factor, matrix=matrix)


OPTIMIZER_SPECS = Catalogue(
    {
        spec.name: spec
        for spec in (
            OptimizerSpec("adamw-torch", "AdamW (PyTorch)", "w ← (1 − lr·λ)w − lr·u", AdamW, lams=TIMES_LR),
            OptimizerSpec("adamw-paper", "AdamW (paper)", "w ← (1 − ηλ)w − lr·u", AdamW, (("decay", "independent"),)),
            OptimizerSpec("sgd-l2", "SGD with L2", "g ← g + λw, then momentum 0.9", SGD, (("momentum", 0.9),)),
            OptimizerSpec("sgdw", "SGDW", "w ← (1 − ηλ)w − lr·u", SGDW, (("momentum", 0.9),)),
        )
    },
    spec_of,
)
"""By name: two forms of AdamW, SGD and SGDW with momentum, and every optimizer there is."""

DEFAULT = ("adam-l2", "adamw-torch", "adamw-paper", "prox-adam", "adam-p")
"""What a study compares unless it is told."""

BASELINE = OptimizerSpec("adam", "Adam, no decay", "w ← w − lr·u", Adam, lams=(0.0,))
"""What decay is worth is measured against this one: the class Adam, with λ = 0."""
