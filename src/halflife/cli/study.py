"""``halflife study``: run a study, show what it found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from ..lab import CONTENDERS, Report, Settings, StudyError, run_study
from .study_progress import reporter
from .study_table import meanings, results_table

_DEFAULT = Settings()
_LRS, _OPTIMIZERS = ",".join(f"{lr:g}" for lr in _DEFAULT.lrs), list(_DEFAULT.optimizers)
_OWN_LAMBDAS = "each optimizer's own"

Out = Annotated[Path, typer.Option(help="Folder of the results; what is in there already is not run again.")]
Seeds = Annotated[int, typer.Option(min=1, help="Repetitions of every cell, each with its own start and batches.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes through the training set.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Samples in a step.")]
Lrs = Annotated[str, typer.Option(metavar="LIST", help="Learning rates, separated by commas.")]
Lambdas = Annotated[
    str | None,
    typer.Option(metavar="LIST", show_default=_OWN_LAMBDAS, help="Weight decays for all optimizers, with commas."),
]
Optimizers = Annotated[
    list[str], typer.Option("--optimizer", metavar="NAME", help=f"{', '.join(CONTENDERS)}; may be given repeatedly.")
]


def study(
    out: Out = Path("halflife-study"),
    seeds: Seeds = _DEFAULT.seeds,
    epochs: Epochs = _DEFAULT.epochs,
    batch_size: BatchSize = _DEFAULT.batch_size,
    lrs: Lrs = _LRS,
    lambdas: Lambdas = None,
    optimizer: Optimizers = _OPTIMIZERS,
) -> None:
    """Train every lr × λ × seed on scikit-learn's digits and show how lr and λ are coupled."""
    console = _console()
    try:
        chosen = Settings(seeds=seeds, epochs=epochs, batch_size=batch_size, optimizers=tuple(optimizer))
        chosen = replace(chosen, lrs=_numbers("--lrs", lrs))
        if lambdas is not None:
            chosen = replace(chosen, lams=_numbers("--lambdas", lambdas))
        with reporter(console) as progress:
            report = run_study(chosen, out, progress)
    except StudyError as error:
        _give_up(str(error), 2)
    except KeyboardInterrupt:
        _give_up(f"stopped; what was finished is in {out}, and the same command goes on from there.", 130)
    _show(console, report)


def _show(console: Console, report: Report) -> None:
    console.print(f"{report.result.problem}.", highlight=False, soft_wrap=True)
    console.print(results_table(report.result))
    for line in [*meanings(report.result), f"results: {report.result.ledger}", f"picture: {report.picture}"]:
        console.print(line, highlight=False, soft_wrap=True)


def _console() -> Console:
    """As wide as the terminal; wide enough for the table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=140, color_system=None)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise StudyError(f"{option} takes numbers separated by commas, such as 1e-3,1e-2, but got {text!r}.") from None


def _give_up(sentence: str, code: int) -> NoReturn:
    typer.echo(f"Error: {sentence}", err=True)
    raise typer.Exit(code)
