"""What a study found, as a table and in words."""

from __future__ import annotations

from rich.table import Table

from ..lab import Findings, NotIdentified
from ..lab.findings import MeanAndSpread
from ..lab.study import Result


def results_table(result: Result) -> Table:
    """One row for each optimizer, and Adam without decay to compare with."""
    table = Table()
    table.add_column("optimizer")
    for heading in ("best lr", "best λ", "validation error", "test error", "κ"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("κ by quadratic", justify="right")
    leader = min(result.findings, key=lambda found: found.val_error.mean)
    for found in result.findings:
        kappas = number(found.coupling.kappa), number(found.coupling.quadratic)
        table.add_row(*_scores(found), *kappas, style="bold" if found is leader else None)
    table.add_section()
    table.add_row(*_scores(result.reference), "", "", style="dim")
    return table


def _scores(found: Findings) -> list[str]:
    label, lr, lam = found.contender.label, f"{found.best_lr:g}", f"{found.best_lam:g}"
    return [label, lr, lam, score(found.val_error), score(found.test_error)]


def score(score: MeanAndSpread) -> str:
    """The error in percent, mean ± standard deviation over the seeds."""
    if score.spread != score.spread:
        return f"{100 * score.mean:.1f} %"
    return f"{100 * score.mean:.1f} ± {100 * score.spread:.1f} %"


def number(kappa: float | NotIdentified) -> str:
    """κ with its sign."""
    return "not identified" if isinstance(kappa, NotIdentified) else f"{kappa:+.2f}"


def meanings(result: Result) -> list[str]:
    """What κ says of each optimizer, in one sentence, and whoever diverged."""
    return [f"{found.contender.label}: {meaning(found)}{_casualties(found)}" for found in result.findings]


def meaning(found: Findings) -> str:
    """κ in words: what becomes of the best λ when the learning rate is made ten times larger."""
    kappa = found.coupling.kappa
    if isinstance(kappa, NotIdentified):
        return f"κ not identified: {kappa.reason}."
    factor = 10**-kappa
    if abs(kappa) < 0.25:
        return f"κ = {kappa:+.2f}: the best λ hardly moves with lr (×{factor:.2g} for ten times the lr)."
    way = "falls" if kappa > 0 else "grows"
    near = {1: ", so that lr·λ is what counts", -1: ", so that λ/lr is what counts"}.get(round(kappa), "")
    near = near if abs(abs(kappa) - 1) < 0.25 else ""
    return f"κ = {kappa:+.2f}: the best λ {way} with lr (×{factor:.2g} for ten times the lr){near}."


def _casualties(found: Findings) -> str:
    count = int(found.diverged.sum())
    return f" {count} of {found.diverged.size} runs diverged and count as guesses." if count else ""
