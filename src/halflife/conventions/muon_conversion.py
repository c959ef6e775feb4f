"""What one framework's Muon must be told beside its numbers to step as another's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .convention import Convention
from .framework_muon import MuonForm, MuonScale, muon_scale

Shape = tuple[int, int]
RATIOS: dict[tuple[str, str], float] = {("longest side", "match_rms_adamw"): 5.0}
"""ρ of one scale by that of another, where every matrix has the same."""


@dataclass(frozen=True)
class MuonMatch:
    """The target's flags that are not its defaults; ``ratio``, what the step is multiplied by; why there are none."""

    flags: dict[str, Any] = field(default_factory=dict[str, Any])
    ratio: float = 1.0
    obstacle: str = ""

    @property
    def words(self) -> str:
        """The sentence that says which flags."""
        said = ", ".join(f"{name}={value!r}" for name, value in self.flags.items())
        return f" Give it {said} too." if said else ""


def muon_match(source: Convention, target: Convention, shape: Shape | None) -> MuonMatch:
    """How the target's Muon is made to step as the source's; nothing is to be said of other rules.

    ``shape``: rows and columns of the matrices, where the scales of two frameworks differ from matrix to matrix.
    Raises ``ValueError`` for a shape that is none.
    """
    a, b = source.muon, target.muon
    if shape is not None and not (len(shape) == 2 and min(shape) >= 1):
        raise ValueError(f"shape must be two numbers of at least 1, rows and columns; {shape} was given.")
    if a is None or b is None:
        if shape is not None and a is None:
            raise ValueError(f"shape={shape} is for matrices that Muon steps, and {source} is another optimizer.")
        return MuonMatch()
    flags: dict[str, Any] = {}
    if a.momentum_type != b.momentum_type:
        flags["nesterov"] = a.momentum_type == "nesterov"
    if a.coefficients != b.coefficients:
        if a.coefficients not in b.sets:
            return MuonMatch(obstacle=_other_coefficients(source, target, a, b))
        flags[b.set_flag] = b.sets[a.coefficients]
    scale = _scale(a, b, shape)
    if scale is None:
        return MuonMatch(obstacle=_other_scale(source, target, a))
    word, ratio = scale
    if word != b.scale:
        flags[b.scale_flag] = b.scales[word]
    return MuonMatch(flags, ratio)


def _scale(a: MuonForm, b: MuonForm, shape: Shape | None) -> tuple[MuonScale, float] | None:
    """The target's scale, and how many times its ρ the source's is."""
    if a.scale in b.scales:
        return a.scale, 1.0
    for (own, word), ratio in RATIOS.items():
        if own == a.scale and word in b.scales:
            return "match_rms_adamw", ratio
    if shape is None:
        return None
    return b.scale, muon_scale(a.scale, *shape) / muon_scale(b.scale, *shape)


def _other_coefficients(source: Convention, target: Convention, a: MuonForm, b: MuonForm) -> str:
    return (
        f"{source} iterates by the coefficients '{a.coefficients}' and {target} by '{b.coefficients}' alone: they "
        "bring the singular values near 1 by other amounts, which no number makes up for"
    )


def _other_scale(source: Convention, target: Convention, a: MuonForm) -> str:
    return (
        f"{source} scales its steps by ρ = '{a.scale}', which {target} has no word for: no one learning rate makes up "
        "for it in all matrices; give rows and columns (shape=(768, 3072), or --shape 768,3072) for the numbers of "
        "matrices of that shape"
    )
