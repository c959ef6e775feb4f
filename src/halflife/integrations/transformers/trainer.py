"""Hugging Face's ``Trainer``, which makes the optimizer that the arguments name."""

# transformers may be missing where types are checked
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedBaseClass=false
from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn

from ...by_name import create_optimizer
from .arguments import TrainingArguments


class Trainer(transformers.Trainer):  # pyright: ignore[reportGeneralTypeIssues]
    """Hugging Face's ``Trainer``, which makes the optimizer that ``TrainingArguments.optimizer`` names.

    Its own split (``get_decay_parameter_names``) says what is spared from decay, unless ``optimizer_args`` has
    ``no_decay``. So ``optimizer="adamw"`` comes to the numbers of ``optim="adamw_torch"``, and goes on from its
    checkpoints. An optimizer given as ``optimizers=`` or ``optimizer_cls_and_kwargs=`` is taken before that.

    Args:
        args: ``TrainingArguments`` of this module; under Hugging Face's own it is their Trainer.

    The other arguments are those of ``transformers.Trainer``.

    Example:
        >>> import torch
        >>> from halflife.integrations.transformers import Trainer, TrainingArguments
        >>> class Model(torch.nn.Linear):
        ...     def forward(self, x, labels):
        ...         return {"loss": (super().forward(x) - labels).square().mean()}
        >>> args = TrainingArguments("out", optimizer="adamw", weight_decay=0.1, use_cpu=True, report_to="none")
        >>> optimizer = Trainer(Model(2, 1), args).create_optimizer()
        >>> [(group["weight_decay"], group["param_names"]) for group in optimizer.param_groups]
        [(0.1, ['weight']), (0.0, ['bias'])]
    """

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer, unless there is one.

        Args:
            model: the model to train, where it is not the Trainer's own but a wrapped one.

        Returns:
            The optimizer, kept as ``self.optimizer`` too.

        Raises:
            ValueError: as ``halflife.create_optimizer`` does, for a pattern that matches nothing, or a model whose
                head is not told where matrices are stepped otherwise.
        """
        args: Any = self.args
        given: Any = self.optimizer, getattr(self, "optimizer_cls_and_kwargs", None)
        if given == (None, None) and isinstance(args, TrainingArguments) and args.optimizer is not None:
            whole: Any = self.model if model is None else model
            decayed = {*self.get_decay_parameter_names(whole)}
            spared = {id(p) for name, p in whole.named_parameters() if name not in decayed}

            def is_spared(_: str, p: nn.Parameter) -> bool:
                return id(p) in spared

            settings = args.optimizer_settings
            settings.setdefault("no_decay", is_spared)
            self.optimizer = create_optimizer(str(args.optimizer), whole, **settings)
        return super().create_optimizer() if model is None else super().create_optimizer(model)
