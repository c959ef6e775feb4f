"""λ tied to the learning rate, so that the schedule of one is that of the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .base_lr import BASE_LR, SAID, cyclic_peaks
from .schedule import Attachment, WeightDecaySchedule, is_halflifes, not_negative

BEYOND = 1.001
"""lr/α from which on lr is above its base, and not rounded."""


class TiedWD(WeightDecaySchedule):
    """λ tied to the learning rate: ``λ_t = λ·(lr_t/α)^p``, for each parameter group by its own lr and α.

    α is the group's base learning rate, by which η = lr/α is measured everywhere here: its lr when it was added, the
    peak of a OneCycleLR, or what the group says as ``base_lr``. The share of the weights that a step takes is then

    ========================  ============  =====================================================
    decay                     share         is
    ========================  ============  =====================================================
    ``"decoupled"``, p = 1    lr·η·λ        ``"corrected"``, AdamC: ∝ lr², the weights' norm stays
    ``"independent"``, p = 1  η²·λ          the same, with λ per step
    ``"decoupled"``, p = 2    lr·η²·λ       ∝ lr³
    λ alone, p = 2            η²·λ          the same as ``"independent"`` with p = 1
    ========================  ============  =====================================================

    (λ alone is ``Decay("explicit", "one")``.) An optimizer of halflife's, and with a hook any other, has λ written at
    the beginning of each of its steps, from the learning rate in force there: ``step()`` need not be called, and does
    no harm. Between two steps a group shows the λ of the last one. Where lr is a tensor on a device, so is λ, and a
    captured graph computes one from the other.

    Args:
        weight_decay: λ where lr = α, at least 0.
        power: p, at least 0. Of the share that a step takes both sources below find lr²: 1 under ``"decoupled"``,
            whose share has lr once already, 2 where λ is all of it.

    Raises:
        ValueError: for a number below 0; and when it is attached or at a step, for a group whose α is 0.

    Source: Defazio 2025 (AdamC), https://arxiv.org/abs/2506.02285: γ_t·(γ_t/γ_max)·λ; Chou 2025,
    https://arxiv.org/abs/2512.08217: the decoupled decay, γ·λ in AdamW, is to be ∝ γ², as E‖w‖² → γ·C/(2λ).

    Example:
        Where the learning rate is half its base, λ is half of its own too:
        >>> w = torch.nn.Parameter(torch.ones(1))
        >>> λ = halflife.schedules.TiedWD(0.01)
        >>> optimizer = halflife.AdamW([w], lr=1e-3, weight_decay=λ)
        >>> optimizer.param_groups[0]["lr"] = 5e-4
        >>> w.grad = torch.ones(1)
        >>> optimizer.step()
        >>> optimizer.param_groups[0]["weight_decay"]
        0.005
    """

    def __init__(self, weight_decay: float, power: float = 1.0) -> None:
        super().__init__()
        self.weight_decay, self.power = not_negative(weight_decay, "weight_decay"), not_negative(power, "power")

    def at(self, count: int) -> float:
        """λ where lr = α, whatever the ``count``."""
        return self.weight_decay

    def attach(
        self, optimizer: torch.optim.Optimizer, group: int | None = None, *, base_lr: float | None = None
    ) -> None:
        super().attach(optimizer, group, base_lr=base_lr)
        self._ask_before_steps(optimizer)

    def restore(self) -> None:
        """Write λ as the learning rate in force has it."""
        self._write()

    def value_for(self, attachment: Attachment, group: dict[str, Any]) -> float | Tensor:
        """``λ·(lr/α)^p`` of the ``group`` of an ``attachment``; a tensor where lr is one on a device, or λ is."""
        optimizer, lr, differentiable = attachment.optimizer(), group["lr"], bool(group.get("differentiable"))
        α = self._base_lr(attachment, group)
        in_tensor = isinstance(group["weight_decay"], Tensor) or differentiable
        if isinstance(lr, Tensor) and (in_tensor or (is_halflifes(optimizer) and not lr.is_cpu)):
            with torch.set_grad_enabled(differentiable):
                return self.value * (lr.reshape(()) / α) ** self.power
        lr = float(lr)
        if lr > BEYOND * α and self._looks_for_a_cycle(attachment):
            α = self._base_lr(attachment, group)
        if lr > BEYOND * α:
            self._warn(
                f"lr={lr:.4g} of parameter group {attachment.index} is above its base learning rate {α:.4g}, so that "
                f"TiedWD takes {(lr / α) ** self.power:.4g} times λ; if {α:.4g} is not the peak of the schedule, give "
                "the peak as base_lr= to the optimizer or the group."
            )
        return self.value * (lr / α) ** self.power

    def _base_lr(self, attachment: Attachment, group: dict[str, Any]) -> float:
        """α of the group, as the group says it, or as it was. Raises ``ValueError`` if that is 0."""
        said = next((group[name] for name in (*SAID, BASE_LR) if group.get(name) is not None), None)
        initial, momentum = group.get("initial_lr"), "max_momentum" in group
        if said is None and (initial is not attachment.initial_lr or momentum is not attachment.cycles_momentum):
            attachment.initial_lr, attachment.cycles_momentum = initial, momentum  # a scheduler has come
            if momentum or (initial is not None and float(initial) != attachment.base_lr):
                self._looks_for_a_cycle(attachment)
        α = float(attachment.base_lr if said is None else said)
        if not α > 0:
            raise ValueError(
                f"TiedWD measures a group's learning rate by its base, which is {α:g} here and says nothing of the "
                "peak; give that as base_lr= to the optimizer or the group, or to attach()."
            )
        return α

    def _looks_for_a_cycle(self, attachment: Attachment) -> bool:
        """Take the peak of a CyclicLR for α, if one drives the group and was not known."""
        optimizer = attachment.optimizer()
        peaks = [] if optimizer is None else cyclic_peaks(optimizer.param_groups)
        peak = peaks[attachment.index] if attachment.index < len(peaks) else attachment.base_lr
        known, attachment.base_lr = attachment.base_lr, peak
        return peak != known

    def _ask_before_steps(self, optimizer: Any) -> None:
        """One of halflife's asks by itself, within its step."""
        asked = [getattr(hook, "__self__", None) for hook in optimizer._optimizer_step_pre_hooks.values()]
        if not is_halflifes(optimizer) and self not in asked:
            optimizer.register_step_pre_hook(self._before_step)

    def _before_step(self, *_: Any) -> None:
        self._write()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for optimizer in self.optimizers():
            self._ask_before_steps(optimizer)
