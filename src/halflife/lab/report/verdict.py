"""What a study says, in sentences and in one row for each optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..analysis import (
    Findings,
    compare,
    comparison_words,
    decision_words,
    self_test,
    self_test_words,
    sentences,
    verdict,
)
from ..analysis.sentences import signed
from ..figures.spec import number_text
from ..inference import Estimate, Interval, NotIdentified
from ..load import missing
from ..refinement import decision_of
from ..result import Result
from ..units import cost_text, error_text, is_share


class Row(NamedTuple):
    """One optimizer in the table of the verdict; ``leads`` for the one of least validation error."""

    label: str
    lr: str
    lam: str
    test: str
    kappa: str
    state: str
    transfer: str
    separate: str
    omega2: str
    leads: bool


class Verdict(NamedTuple):
    """``headline`` first, the line to paste and what is known of it, then what holds for all, each optimizer's
    sentences, and what is missing.
    """

    headline: str
    line: str
    decision: list[str]
    general: list[str]
    each: list[tuple[str, str]]
    rows: list[Row]
    warnings: list[str]


def verdict_of(result: Result) -> Verdict:
    """Of a study with at least one finished network."""
    leader = result.leader
    several = len(result.findings) > 1
    compared = comparison_words(compare(result.findings), result.settings.seeds) if several else ""
    rows = [_row(found, found is leader) for found in result.findings]
    if _known(result.baseline):
        rows.append(_scores(result.baseline))
    decision = decision_of(result)
    return Verdict(
        headline=headline(leader, several),
        line=decision.line,
        decision=decision_words(decision)[1:],
        general=[words for words in (compared, self_test_words(self_test(result.findings))) if words],
        each=[(found.spec.label, " ".join(sentences(found))) for found in result.findings],
        rows=rows,
        warnings=warnings(result),
    )


def headline(leader: Findings, several: bool) -> str:
    """Which optimizer, where, and what it scores on the test set."""
    where = f"lr {number_text(leader.best_lr)}, λ {number_text(leader.best_lam)}"
    test, val = (error_text(score.mean, leader.unit, score.spread) for score in (leader.test_error, leader.val_error))
    label, scored = leader.spec.label, f"test error {test}" if test != "–" else f"validation error {val}"
    if not several:
        return f"{label} does best at {where}: {scored}."
    if test == "–":
        return f"{label} has the least validation error: {val}, at {where}."
    return f"{label} has the least validation error, at {where}; its test error there is {test}."


def warnings(result: Result) -> list[str]:
    """What is missing, optimizer by optimizer."""
    lost = missing(result)
    if not lost:
        return []
    total = sum(len(runs) for runs in result.runs.values())
    each = ", ".join(f"{count} of {label}" for label, count in lost.items())
    words = f"Not finished: {sum(lost.values())} of {total} networks are missing ({each})."
    return [f"{words} What is inferred below is from the seeds whose grid is complete; the command below goes on."]


def _known(found: Findings) -> bool:
    return not bool((found.val != found.val).all())


def _scores(found: Findings) -> Row:
    score = error_text(found.test_error.mean, found.unit, found.test_error.spread)
    lam = number_text(found.best_lam)
    return Row(found.spec.label, number_text(found.best_lr), lam, score, "", "", "", "", "", leads=False)


def _row(found: Findings, leads: bool) -> Row:
    regret = found.regret
    nothing = isinstance(regret, NotIdentified)
    return _scores(found)._replace(
        kappa=_kappa(found.kappa),
        state=verdict(found).state,
        transfer="" if nothing else cost_text(regret.transfer.value, found.unit),
        separate="" if nothing else cost_text(regret.separate.value, found.unit),
        omega2="" if isinstance(found.interaction, NotIdentified) else f"{found.interaction.omega2.value:.2f}",
        leads=leads,
    )


def _kappa(kappa: Estimate | NotIdentified) -> str:
    """With its 90 % interval where there is one."""
    if isinstance(kappa, NotIdentified):
        return "–"
    interval = kappa.interval()
    ends = f" ({signed(interval.low)} … {signed(interval.high)})" if isinstance(interval, Interval) else ""
    return f"{signed(kappa.value)}{ends}"


def points(results: Sequence[Result]) -> str:
    """What costs are measured in."""
    return "points" if all(is_share(found.unit) for result in results for found in result.findings) else "error"
