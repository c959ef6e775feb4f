"""Where no numbers convert, what authors have seen to be a good start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .convention import Convention, Settings
from .registry import find

CHEN = "Chen et al. 2023, Symbolic Discovery of Optimization Algorithms, https://arxiv.org/abs/2302.06675, §5"
FACTORS = (3.0, 10.0)
"""By how many times a learning rate of Lion is below AdamW's; the last is that of the authors' own examples."""
STANDARDS = {"adam": "torch", "lion": "timm-lion"}
"""For each of the two rules a convention that the rule of thumb speaks of: (1 − lr·λ)w before the step."""

Numbers = Callable[[Convention, Convention, Settings], Settings | None]


@dataclass(frozen=True)
class RuleOfThumb:
    """A start to tune from, which is no conversion: the two optimizers make other steps, and no λ makes them alike.

    Attributes:
        target: the convention that the numbers are of.
        settings: the one end of the ranges that the authors' examples have, the rest being the target's defaults.
        lr, weight_decay: ranges, (lowest, highest): the lowest learning rate goes with the highest λ.
        why: what was seen.
        source: who says so.

    Example:
        >>> from halflife.conventions import convert
        >>> thumb = convert(0.1, "torch", "timm-lion", lr=1e-3).rule_of_thumb
        >>> [round(lr, 6) for lr in thumb.lr], [round(λ, 3) for λ in thumb.weight_decay]
        ([0.0001, 0.000333], [0.3, 1.0])
    """

    target: Convention
    settings: Settings
    lr: tuple[float, float]
    weight_decay: tuple[float, float]
    why: str
    source: str = CHEN

    def __str__(self) -> str:
        s, (low, high), (weak, strong) = self.settings, self.lr, self.weight_decay
        return (
            f"Rule of thumb for {self.target}: lr={s.lr:.6g} ({low:.3g} to {high:.3g}), weight_decay="
            f"{s.weight_decay:.6g} ({weak:.3g} to {strong:.3g}). {self.why} {self.source}."
        )


def rule_of_thumb(source: Convention, target: Convention, given: Settings, numbers: Numbers) -> RuleOfThumb | None:
    """Lion's numbers for AdamW's, or AdamW's for Lion's; None for other pairs, of which no such rule is known.

    ::

        lr_Lion = lr_AdamW/k,   λ_Lion = k·λ_AdamW,   3 ≤ k ≤ 10

    ``numbers`` converts within a rule, to the convention that this speaks of and from it to the target's; None, as
    here, where it cannot: a λ in the gradient, or one that the gradients decide on.
    """
    if {source.rule, target.rule} != {*STANDARDS}:
        return None
    own = numbers(source, find(STANDARDS[source.rule]), given)
    if own is None:
        return None
    defaults, found = target.defaults, list[Settings]()
    for k in FACTORS:
        lr, λ = (own.lr / k, own.weight_decay * k) if target.rule == "lion" else (own.lr * k, own.weight_decay / k)
        standard = replace(own, lr=lr, weight_decay=λ, betas=defaults.betas)
        new = numbers(find(STANDARDS[target.rule]), target, standard)
        if new is None:
            return None
        found.append(replace(new, eps=defaults.eps))
    lrs, weight_decays = sorted(s.lr for s in found), sorted(s.weight_decay for s in found)
    return RuleOfThumb(target, found[-1], (lrs[0], lrs[1]), (weight_decays[0], weight_decays[1]), _why(target))


def _why(target: Convention) -> str:
    smaller = "Lion's learning rate is mostly 3 to 10 times below AdamW's, and λ as many times above it"
    larger = "AdamW's learning rate is mostly 3 to 10 times above Lion's, and λ as many times below it"
    return (
        f"It is no conversion but was seen in experiments: {smaller if target.rule == 'lion' else larger}, so that "
        f"lr·λ, what is removed in a step, stays. Tune from there, lr and λ together."
    )
