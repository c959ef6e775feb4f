"""What the numbers of one optimizer come to, for somebody who tunes: how coupled lr and λ are, what to do about it.

κ is judged by where its 90 % interval lies, never by a test of κ = 0, which few seeds always pass:

- *decoupled*: all of it inside ±¼ (equivalence; two one-sided tests at 5 %, Schuirmann 1987,
  https://doi.org/10.1007/BF01068419),
- *coupled*: all of it outside,
- *undecided*: anything else.

If λ is rewritten as λ' = λ·lr^p then z' = z + p·x and κ' = κ − p: with p = κ nothing is left of it. Whether to tune lr
and λ apart is judged by what it costs (the separate-search regret) and not by κ alone: a κ of 0 does not help who tunes
λ at a learning rate where λ does not matter.
"""

from __future__ import annotations

from typing import NamedTuple

from ..inference.columns import TIED
from ..inference.intervals import Estimate, Interval, NotIdentified
from .findings import Findings

EQUIVALENT = 0.25
"""κ within this of 0 counts as none: ten times the learning rate then moves the best λ by less than ×1.8."""
WORTH = 0.1
"""Of the best error: what separate tuning may cost at most to be called safe."""

DECOUPLED, COUPLED, UNDECIDED, UNKNOWN = "decoupled", "coupled", "undecided", "not identified"


class Convention(NamedTuple):
    """λ' = λ·lr^power under the name that people know; ``kappa`` and its 90 % interval there, and the judgement."""

    power: int
    formula: str
    name: str
    kappa: float
    interval: Interval | NotIdentified
    state: str


class Verdict(NamedTuple):
    """``state`` of κ as it stands; every known convention; whether separate tuning is safe (None: cannot be said)."""

    state: str
    conventions: tuple[Convention, ...]
    safe: bool | None

    @property
    def nearest(self) -> Convention | None:
        """The convention of least |κ|, in which λ moves least with lr; None where κ is not identified."""
        return min(self.conventions, key=lambda one: abs(one.kappa), default=None)


def verdict(found: Findings) -> Verdict:
    """Of one optimizer."""
    known = conventions(found)
    return Verdict(known[0].state if known else UNKNOWN, known, _safe(found))


def judge(interval: Interval | NotIdentified) -> str:
    """Where κ's 90 % interval lies."""
    if isinstance(interval, NotIdentified):
        return UNKNOWN
    return DECOUPLED if interval.within(EQUIVALENT) else COUPLED if interval.beyond(EQUIVALENT) else UNDECIDED


def conventions(found: Findings) -> tuple[Convention, ...]:
    """κ with λ as it is, with lr·λ and with λ/lr in its place; nothing where κ is not identified."""
    if isinstance(found.kappa, NotIdentified):
        return ()
    names = _names(found.spec.multiplier)
    return tuple(_convention(found.kappa, power, *words) for power, words in names.items())


def _names(step: str) -> dict[int, tuple[str, str]]:
    """Formula and name by power. Per step λ removes the share lr·λ (PyTorch's form) or η·λ (the paper's form) of w."""
    paper, torch = "the paper's AdamW", "PyTorch's AdamW"
    if step == "lr":
        return {0: ("λ", torch), 1: ("lr·λ", paper), -1: ("λ/lr", "")}
    if step == "schedule":
        return {0: ("λ", paper), 1: ("lr·λ", ""), -1: ("λ/lr", torch)}
    return {0: ("λ", ""), 1: ("lr·λ", ""), -1: ("λ/lr", "")}


def _convention(kappa: Estimate, power: int, formula: str, name: str) -> Convention:
    own = kappa.interval(0.9)
    moved = own if isinstance(own, NotIdentified) else Interval(own.low - power, own.high - power, own.level)
    return Convention(power, formula, name, kappa.value - power, moved, judge(moved))


def alike(found: Findings) -> bool:
    """Whether all cells have the same error, as where all but one diverged: nothing could be tuned then."""
    return float(found.error.max()) - float(found.error.min()) <= TIED * float(found.error.max())


def _safe(found: Findings) -> bool | None:
    """By the 90 % interval of the separate-search regret: all of it below ``WORTH``, all above, or neither."""
    if isinstance(found.regret, NotIdentified) or alike(found):
        return None
    interval = found.regret.separate.interval(0.9)
    if isinstance(interval, NotIdentified):
        return None
    bearable = WORTH * float(found.error[found.best])
    return True if interval.high <= bearable else False if interval.low > bearable else None
