"""What a study found, as a table and in words."""

from __future__ import annotations

from rich.table import Table

from ..lab import Findings, NotIdentified
from ..lab.analysis import compare, comparison_words, self_test, self_test_words, sentences
from ..lab.analysis.sentences import signed
from ..lab.study import Result
from ..lab.units import cost_text, error_text, plain
from .letters import readable

COLUMNS = ("best lr", "best λ", "test error", "κ (90 %)", "R", "ω²")
CAPTION = (
    "κ: the best λ stays when lr changes (0), only lr·λ counts (1), λ grows as lr does (−1).\n"
    "R: what a λ tuned at another lr costs. ω²: the share of interaction near the best."
)


def results_table(result: Result) -> Table:
    """One row for each optimizer, and Adam without decay to compare with."""
    table = Table(caption=readable(CAPTION), caption_justify="left")
    table.add_column("optimizer")
    for heading in COLUMNS:
        table.add_column(readable(heading), justify="right", no_wrap=heading != "κ (90 %)")
    leader = min(result.findings, key=lambda found: found.val_error.mean)
    for found in result.findings:
        table.add_row(
            *_scores(found), readable(kappa(found)), *_costs(found), style="bold" if found is leader else None
        )
    if (result.baseline.val == result.baseline.val).any():  # there is none of runs from elsewhere
        table.add_section()
        table.add_row(*_scores(result.baseline), "", "", "", style="dim")
    return table


def _scores(found: Findings) -> list[str]:
    label, lr, lam = found.spec.label, f"{found.best_lr:g}", f"{found.best_lam:g}"
    return [label, lr, lam, readable(error_text(found.test_error.mean, found.unit, found.test_error.spread))]


def kappa(found: Findings) -> str:
    """κ with its sign and interval."""
    if isinstance(found.kappa, NotIdentified):
        return "not identified"
    interval = found.kappa.interval()
    if isinstance(interval, NotIdentified):
        return signed(found.kappa.value)
    return f"{signed(found.kappa.value)} ({signed(interval.low)} … {signed(interval.high)})"


def _costs(found: Findings) -> list[str]:
    """R and ω²."""
    lost = "" if isinstance(found.regret, NotIdentified) else cost_text(found.regret.transfer.value, found.unit)
    share = "" if isinstance(found.interaction, NotIdentified) else plain(found.interaction.omega2.value, 2)
    return [lost, share]


def meanings(result: Result) -> list[str]:
    """The verdict on each optimizer, whether one is better than another, and what the self-test says."""
    verdicts = [f"{found.spec.label}: {' '.join(sentences(found))}" for found in result.findings]
    compared = comparison_words(compare(result.findings), result.settings.seeds) if len(verdicts) > 1 else ""
    return [line for line in (*verdicts, compared, self_test_words(self_test(result.findings))) if line]
