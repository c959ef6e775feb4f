"""The verdict in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ..inference.intervals import Estimate, Interval, NotIdentified
from ..units import interval_text
from .comparison import Comparison, seeds_needed, smallest_p
from .findings import Findings
from .self_test import LEVEL, SelfTest
from .verdict import COUPLED, DECOUPLED, EQUIVALENT, Verdict, alike, verdict

SIGNIFICANT = 0.05


def signed(value: float) -> str:
    """κ as people read it: two digits and a true minus."""
    return f"{value:+.2f}".replace("-", "−")


def span(interval: Interval | NotIdentified) -> str:
    """An interval of κ; one seed has none."""
    if isinstance(interval, NotIdentified):
        return "no interval"
    return f"{signed(interval.low)} … {signed(interval.high)}"


def sentences(found: Findings) -> list[str]:
    """Best cell, coupling, price of separate tuning, and what was lost, each where there is something to say."""
    if found.diverged.all():
        return [
            "Every network diverged: no cell is best, and nothing is known of lr and λ. Try smaller learning rates."
        ]
    judged = verdict(found)
    parts = [best_words(found), coupling_words(found, judged), price_words(found, judged), diverged_summary(found)]
    return [part for part in parts if part]


def best_words(found: Findings) -> str:
    """Which cells are as good as the best, for all one knows."""
    best = f"lr {found.best_lr:g}, λ {found.best_lam:g}"
    if isinstance(found.near_best, NotIdentified):
        return f"Best {best}; how surely is unknown ({found.near_best.reason})."
    if len(found.near_best) == 1:
        return f"Best {best}, and no other cell comes near."
    lrs, lams = (
        _range([grid[cell[axis]] for cell in found.near_best]) for axis, grid in enumerate((found.lrs, found.lams))
    )
    others = len(found.near_best) - 1
    return f"Best {best}, not told from {others} other cell{'s' * (others > 1)} (lr {lrs}, λ {lams})."


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} … {high:g}"


def coupling_words(found: Findings, judged: Verdict) -> str:
    """What becomes of the best λ with ten times the learning rate, and how to write λ so that nothing does."""
    if isinstance(found.kappa, NotIdentified):
        return f"κ not identified: {found.kappa.reason}."
    kappa = found.kappa.value
    factor = f"×{10**-kappa:.2g} for ten times the lr"
    interval = judged.conventions[0].interval
    if isinstance(interval, NotIdentified):
        return f"The best λ moves by {factor}; how surely is unknown ({interval.reason})."
    if judged.state == DECOUPLED:
        return f"Decoupled: the best λ stays when lr changes ({factor})."
    if judged.state == COUPLED:
        return f"Coupled: the best λ {'falls' if kappa > 0 else 'grows'} with lr ({factor}){_remedy(kappa, judged)}."
    return f"Neither coupled nor decoupled is shown ({factor}, with κ {span(interval)})."


def _remedy(kappa: float, judged: Verdict) -> str:
    """What to hold fixed instead of λ: the convention that decouples, or as good as does, else a power of lr."""
    nearest = judged.nearest
    if nearest is None or nearest.power == 0 or abs(nearest.kappa) >= EQUIVALENT:
        return f"; what stays is λ·lr^{kappa:.2g}: hold that fixed".replace("-", "−")
    name = f", as in {nearest.name}" if nearest.name else ""
    there = "decoupled" if nearest.state == DECOUPLED else "nearly so"
    return f"; hold {nearest.formula} fixed{name} (κ {span(nearest.interval)}: {there})"


def price_words(found: Findings, judged: Verdict) -> str:
    """What it costs to tune lr and λ each with the other where it was."""
    if isinstance(found.regret, NotIdentified):
        return ""
    if alike(found):
        return "All cells have the same error: nothing could be tuned, and what tuning lr and λ apart costs is unknown."
    cost = amount(found.regret.separate, found.unit)
    if cost.startswith("−"):
        cost += " (negative: within noise, nothing is lost)" if judged.safe else " (negative: within noise)"
    return {
        True: f"Tuning lr and λ apart is safe: it costs {cost}.",
        False: f"Tune lr and λ together: tuning them apart costs {cost}.",
        None: f"Tuning lr and λ apart costs {cost}: whether that is safe, more seeds would tell.",
    }[judged.safe]


def amount(cost: Estimate, unit: str) -> str:
    """A difference of errors with its 90 % interval where there is one."""
    interval = cost.interval()
    return interval_text(cost.value, None if isinstance(interval, NotIdentified) else interval[:2], unit)


def diverged_summary(found: Findings) -> str:
    """Who diverged and what is missing."""
    lost, missing = int(found.diverged.sum()), len(found.missing)
    said = [f"{lost} of {found.diverged.size} runs diverged and count as the worst."] if lost else []
    if missing and found.complete:
        left_out = len(found.val) - len(found.complete)
        said.append(f"{missing} cells lack a run: {left_out} of {len(found.val)} seeds are left out.")
    return " ".join(said)


def comparison_words(compared: list[Comparison] | NotIdentified, seeds: int) -> str:
    """Whether the leader is better than the others, as far as so many seeds can say."""
    if isinstance(compared, NotIdentified):
        return f"Which optimizer is best cannot be said: {compared.reason}."
    leader, needed = compared[0].leader, seeds_needed(len(compared), SIGNIFICANT)
    beaten = [f"{one.other} (p = {one.p_holm:.2g})" for one in compared if one.p_holm <= SIGNIFICANT]
    if beaten:
        return f"{leader} differs from {', '.join(beaten)}; paired sign flips over seeds, by Holm."
    if seeds < needed:
        least = f"1/{1 / smallest_p(seeds):.0f}"
        return (
            f"{leader} is ahead on validation; whether it is better, {seeds} seeds cannot show: the least p of a "
            f"paired test is {least}, before Holm's correction for {len(compared)}; it takes {needed} seeds."
        )
    least = min(one.p_holm for one in compared)
    return f"{leader} is ahead on validation, but no difference is shown (least p by Holm {least:.2g})."


def self_test_words(test: SelfTest | None) -> str:
    """Whether AdamW's two forms come out as one optimizer."""
    if test is None:
        return ""
    if isinstance(test.difference, NotIdentified):
        return f"Self-test not possible: {test.difference.reason}."
    found = f"κ of PyTorch's form − κ of the paper's is {signed(test.difference.value)}, and must be 1"
    if test.passed is None or isinstance(test.interval, NotIdentified):
        return f"Self-test: {found}; how surely is unknown."
    held = f"{LEVEL:.0%} interval {span(test.interval)}"
    if test.passed:
        return f"Self-test passed: {found} ({held})."
    return f"WARNING, self-test failed: {found}, but its {held} excludes that. Do not trust the κ above."
