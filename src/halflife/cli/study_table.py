"""What a study found, as a table and in words."""

from __future__ import annotations

from rich.table import Table

from ..lab import Findings, NotIdentified
from ..lab.analysis import MeanAndSpread, compare, comparison_words, self_test, self_test_words, sentences
from ..lab.analysis.sentences import SHARES, plain, signed
from ..lab.inference import Estimate
from ..lab.study import Result

COLUMNS = ("best lr", "best λ", "test error", "κ (90 %)", "R", "ω²")
CAPTION = (
    "κ: the best λ stays when lr changes (0), only lr·λ counts (1), λ grows as lr does (−1).\n"
    "R: what a λ tuned at another lr costs. ω²: the share of interaction near the best."
)


def results_table(result: Result) -> Table:
    """One row for each optimizer, and Adam without decay to compare with."""
    table = Table(caption=CAPTION, caption_justify="left")
    table.add_column("optimizer")
    for heading in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=heading != "κ (90 %)")
    leader = min(result.findings, key=lambda found: found.val_error.mean)
    for found in result.findings:
        table.add_row(*_scores(found), kappa(found), *_costs(found), style="bold" if found is leader else None)
    table.add_section()
    table.add_row(*_scores(result.baseline), "", "", "", style="dim")
    return table


def _scores(found: Findings) -> list[str]:
    label, lr, lam = found.spec.label, f"{found.best_lr:g}", f"{found.best_lam:g}"
    return [label, lr, lam, score(found.test_error, found.unit)]


def score(score: MeanAndSpread, unit: str = "misclassified") -> str:
    """The error, in percent where it is a share: mean ± standard deviation over the seeds."""
    scale, digits, sign = (100, 1, " %") if unit in SHARES else (1, 3, "")
    if score.spread != score.spread:
        return f"{scale * score.mean:.{digits}f}{sign}"
    return f"{scale * score.mean:.{digits}f} ± {scale * score.spread:.{digits}f}{sign}"


def kappa(found: Findings) -> str:
    """κ with its sign and interval."""
    if isinstance(found.kappa, NotIdentified):
        return "not identified"
    interval = found.kappa.interval()
    if isinstance(interval, NotIdentified):
        return signed(found.kappa.value)
    return f"{signed(found.kappa.value)} ({signed(interval.low)} … {signed(interval.high)})"


def _costs(found: Findings) -> list[str]:
    """R in points where the error is a share, and ω²."""
    scale, digits = (100, 1) if found.unit in SHARES else (1, 3)
    lost = "" if isinstance(found.regret, NotIdentified) else _number(found.regret.transfer, scale, digits)
    share = "" if isinstance(found.interaction, NotIdentified) else _number(found.interaction.omega2, 1, 2)
    return [lost, share]


def _number(found: Estimate, scale: float, digits: int) -> str:
    return plain(scale * found.value, digits)


def meanings(result: Result) -> list[str]:
    """The verdict on each optimizer, whether one is better than another, and what the self-test says."""
    verdicts = [f"{found.spec.label}: {' '.join(sentences(found))}" for found in result.findings]
    compared = comparison_words(compare(result.findings), result.settings.seeds) if len(verdicts) > 1 else ""
    return [line for line in (*verdicts, compared, self_test_words(self_test(result.findings))) if line]
