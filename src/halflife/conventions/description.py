"""What ``describe`` returns, and how it prints."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import degrees, isinf
from textwrap import wrap

WIDTH = 110


@dataclass(frozen=True)
class GroupDescription:
    """One parameter group.

    Attributes:
        index: the group's place.
        decay: how λ enters, as ``halflife.Decay`` prints it.
        weight_decay, lr: in force.
        base_lr: α.
        removed: the share of a weight that the decay removes in a step at the base learning rate, and
        removed_now: at the present one; None where the gradients decide that.
        half_life: in steps at the base learning rate, and
        half_life_epochs: in epochs, where ``steps_per_epoch`` was said.
        angle: radians a step: √(2·lr·λ), by which a weight vector whose length does not matter turns once decay and
            gradients are in balance; momentum cuts that way into smaller steps, as ``Monitor`` says
            (``training.Measurement``).
        weight_decays: λ in every convention that has one for this rule.
        warnings: sentences on what is likely to be a mistake.
        pull: of a regularizer that takes no share of the weights, what it does instead, in words.

    Example:
        >>> optimizer = halflife.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, weight_decay=5e-4)
        >>> group = halflife.describe(optimizer).groups[0]
        >>> round(group.half_life), round(group.angle, 4)
        (13863, 0.01)
    """

    index: int
    decay: str
    weight_decay: float
    lr: float
    base_lr: float
    removed: float | None
    removed_now: float | None
    half_life: float | None
    half_life_epochs: float | None
    angle: float | None
    weight_decays: dict[str, float]
    warnings: tuple[str, ...]
    pull: str | None = None


@dataclass(frozen=True)
class Description:
    """Every parameter group of an optimizer; printed, it is a page of text.

    Attributes:
        optimizer: its class's name.
        groups: their descriptions.

    Example:
        >>> optimizer = halflife.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1e-3, weight_decay=0.01)
        >>> str(halflife.describe(optimizer)).splitlines()[2].strip()
        'removes 1e-05 of a weight in a step at the base lr'
    """

    optimizer: str
    groups: tuple[GroupDescription, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """All groups' warnings."""
        return tuple(f"group {group.index}: {text}" for group in self.groups for text in group.warnings)

    def __str__(self) -> str:
        return format_description(self)


def format_description(description: Description) -> str:
    """A page of text: all groups, one under the other."""
    return "\n".join([description.optimizer, *(line for group in description.groups for line in _lines(group))])


def _lines(group: GroupDescription) -> list[str]:
    lines = [f"  group {group.index}: decay {group.decay}, λ = {group.weight_decay:.6g}, lr {_lr(group)}"]
    if group.pull is not None:
        lines += wrap(group.pull, WIDTH, initial_indent="    ", subsequent_indent="      ")
    elif group.removed is None:
        lines.append("    what it removes of a weight depends on the gradients: it has no half-life")
    elif group.removed == 0:
        lines.append("    no decay")
    else:
        lines.append(f"    removes {group.removed:.6g} of a weight in a step at the base lr{_now(group)}")
        lines.append(f"    half-life {_half_life(group)}; equilibrium angle {_angle(group)} a step, momentum aside")
    lines += _conventions(group) if group.weight_decay else []
    for text in group.warnings:
        lines += wrap(f"warning: {text}.", WIDTH, initial_indent="    ", subsequent_indent="      ")
    return lines


def _lr(group: GroupDescription) -> str:
    same = group.lr == group.base_lr
    return f"{group.lr:g}" if same else f"{group.lr:g} (base {group.base_lr:g})"


def _now(group: GroupDescription) -> str:
    return "" if group.removed_now in (None, group.removed) else f", {group.removed_now:.6g} now"


def _half_life(group: GroupDescription) -> str:
    h = group.half_life
    if h is None or isinf(h):
        return "without end"
    epochs = "" if group.half_life_epochs is None else f" ({group.half_life_epochs:.4g} epochs)"
    return f"{h:.6g} steps{epochs}"


def _angle(group: GroupDescription) -> str:
    return "none" if group.angle is None else f"{group.angle:.4g} rad ({degrees(group.angle):.3g}°)"


def _conventions(group: GroupDescription) -> list[str]:
    """λ by value, the conventions that share it in one line."""
    shared: defaultdict[str, list[str]] = defaultdict(list)
    for name, λ in group.weight_decays.items():
        shared[f"{λ:.6g}"].append(name)
    widest = max(map(len, shared), default=0)
    lines: list[str] = []
    for λ, names in shared.items():
        text = f"λ = {λ:<{widest}}  {', '.join(names)}"
        lines += wrap(text, WIDTH, initial_indent="    ", subsequent_indent=" " * (10 + widest), break_on_hyphens=False)
    return lines
