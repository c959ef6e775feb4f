"""Hugging Face's ``TrainingArguments`` with the name and the settings of one of halflife's optimizers."""

# transformers may be missing where types are checked
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedBaseClass=false
from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from inspect import signature
from typing import Any

import transformers
from torch import nn

from ...by_name import create_optimizer, in_objects, matrix_rule, optimizer_named
from ...catalogue import why_not
from ...optim import Optimizer
from ...optim.groups import on_purpose
from ...optimizers import AdamW
from ...regularizers import L2
from ...update import check

OPTIM = "halflife's, which is made by halflife.integrations.transformers.Trainer"
"""What ``optim`` says where ``optimizer`` names one: a Trainer that does not know it refuses it with these words."""

ELSEWHERE = {"lr": "learning_rate", "learning_rate": "learning_rate", "weight_decay": "weight_decay"}
GROUPING = ("no_decay", "layer_decay", "overrides", "matrix", "head")
"""Options of ``create_optimizer`` that are about a model's parameters."""

_EXAMPLE = '{"regularizer": "l1", "decay": "proximal"}'
_OF_HUGGING_FACE: dict[str, Any] = {own.name: own.default for own in fields(transformers.TrainingArguments)}
_OF_ADAM = {name: _OF_HUGGING_FACE[name] for name in ("adam_beta1", "adam_beta2", "adam_epsilon")}


@dataclass(repr=False)  # theirs leaves tokens out
class TrainingArguments(transformers.TrainingArguments):  # pyright: ignore[reportGeneralTypeIssues]
    """Hugging Face's ``TrainingArguments`` and two more: which of halflife's optimizers, and its settings.

    ``learning_rate``, ``weight_decay`` (0 unless it is given, as ever there), the schedule and ``max_grad_norm`` keep
    their meaning. ``adam_beta1``, ``adam_beta2`` and ``adam_epsilon`` go to a rule that has betas or one ε, where they
    are not Hugging Face's defaults: Lion's β₂ is 0.99 unless something else is said.

    Args:
        optimizer: a name of ``halflife.list_optimizers()``; None leaves the choice to ``optim``.
        optimizer_args: more settings, as a dict or as its JSON: the optimizer's own (``regularizer`` as a word,
            ``decay``, ``state_dtype``, ``betas``, …) and the options of ``create_optimizer`` (``no_decay``,
            ``layer_decay``, ``overrides``, ``matrix``, ``head``). Without ``no_decay`` the Trainer's own split decides
            what is spared.

    Raises:
        ValueError: when they are made, for an unknown name or setting, for ``optim`` beside ``optimizer``, and for a
            setting that is Hugging Face's own: the learning rate, the decay, a norm to clip by twice.
        TypeError: for a setting that the optimizer does not have, or that JSON cannot hold.

    Example:
        >>> from halflife.integrations.transformers import TrainingArguments
        >>> args = TrainingArguments(
        ...     "out", optimizer="prox-adam", optimizer_args={"regularizer": "l1"}, weight_decay=1e-5, use_cpu=True
        ... )
        >>> args.optimizer, args.optimizer_args
        ('prox-adam', {'regularizer': 'l1'})
    """

    optimizer: str | None = field(
        default=None,
        metadata={"help": "The halflife optimizer to use, by a name of halflife.list_optimizers(), instead of optim."},
    )
    optimizer_args: dict[str, Any] | str | None = field(
        default=None,
        metadata={"help": f"Its other settings, as JSON: '{_EXAMPLE}'."},
    )

    def __post_init__(self) -> None:
        named, default = self.optimizer is not None, _OF_HUGGING_FACE["optim"]
        self.optimizer_args = _parsed(self.optimizer_args)
        if named and self.optim not in (default, OPTIM):
            raise ValueError(
                f"optimizer={self.optimizer!r} and optim={str(self.optim)!r} name two optimizers; leave one out."
            )
        if self.optimizer_args and not named:
            raise ValueError("optimizer_args are of a halflife optimizer, and none is named; give optimizer='adamw'.")
        self.optim = default if named or self.optim == OPTIM else self.optim
        super().__post_init__()
        if named:
            self._check()
            self.optim = OPTIM

    def _check(self) -> None:
        """Refuse now what would be refused when training begins, but for what only the model can show."""
        kind, _ = optimizer_named(str(self.optimizer))
        if not issubclass(kind, Optimizer):
            raise ValueError(f"optimizer={self.optimizer!r} cannot be used by a Trainer: {why_not('lbfgs')}.")
        given = _dict_of(self.optimizer_args)
        for name in (name for name in ELSEWHERE if name in given):
            raise ValueError(
                f"optimizer_args has {name!r}, which is a training argument of its own; give {ELSEWHERE[name]}=."
            )
        if given.get("max_grad_norm") is not None and self.max_grad_norm > 0:
            raise ValueError(
                f"max_grad_norm={given['max_grad_norm']} in optimizer_args would clip what the Trainer clips already, "
                f"to {self.max_grad_norm}; give it to TrainingArguments alone, or a 0 there to clip in the step."
            )
        general = {word: x for word, x in self.optimizer_settings.items() if word not in GROUPING}
        regularizer = in_objects(general).get("regularizer") or L2()
        layer = nn.utils.skip_init(nn.Linear, 1, 1, device="cpu")  # without drawing random numbers
        with on_purpose():
            made: Any = create_optimizer(str(self.optimizer), layer, no_decay=(), **{**general, "regularizer": None})
        view = made.view(made.param_groups[0])
        check(view.rule, view.decay, regularizer)

    @property
    def optimizer_settings(self) -> dict[str, Any]:
        """What ``create_optimizer`` is given beside the name and the model.

        Returns:
            A new dict: lr and λ, the β and ε that were said and that the rule has, and ``optimizer_args``.

        Example:
            >>> from halflife.integrations.transformers import TrainingArguments
            >>> TrainingArguments("out", optimizer="lion", adam_beta1=0.95, use_cpu=True).optimizer_settings
            {'lr': 5e-05, 'weight_decay': 0.0, 'betas': (0.95, 0.99)}
        """
        given: Any = _dict_of(self.optimizer_args)
        settings: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        kind: Any = optimizer_named(str(self.optimizer))[0]
        own = {name: parameter.default for name, parameter in signature(kind).parameters.items()}
        of_rest = signature(AdamW).parameters["betas"].default if matrix_rule(kind, given) else None
        betas, said = own.get("betas", of_rest), {name for name, x in _OF_ADAM.items() if getattr(self, name) != x}
        if betas is not None and said & {"adam_beta1", "adam_beta2"}:
            both = zip(("adam_beta1", "adam_beta2"), betas, strict=True)
            settings["betas"] = tuple(getattr(self, name) if name in said else β for name, β in both)
        if "adam_epsilon" in said and isinstance(own.get("eps"), float):
            settings["eps"] = self.adam_epsilon
        return {**settings, **given}


def _parsed(given: Any) -> dict[str, Any] | None:
    """The settings as JSON gives them back. Raises what ``TrainingArguments`` says of them."""
    if given is None:
        return None
    try:
        found: Any = json.loads(given if isinstance(given, str) else json.dumps(given))
    except ValueError as error:
        raise ValueError(f"optimizer_args={given!r} is no JSON ({error}); write {_EXAMPLE}.") from None
    except TypeError as error:
        raise TypeError(
            f"optimizer_args are plain values, which a file of arguments can hold, and {given!r} are not ({error}); "
            "write 'l1' or {'name': 'group-lasso', 'dim': 0} for a regularizer, 'bfloat16' for a dtype."
        ) from None
    if not isinstance(found, dict):
        raise TypeError(f"optimizer_args must be a dict of settings, such as {_EXAMPLE}, but {given!r} was given.")
    return found


def _dict_of(parsed: Any) -> dict[str, Any]:
    return dict(parsed or {})
