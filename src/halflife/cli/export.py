"""``halflife export`` and ``halflife import``: results out of the lab, and anyone's runs into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..lab import StudyError
from ..lab.analysis import decision_words
from ..lab.analysis.scaling import scaling_words, scalings
from ..lab.export import FORMATS, rows_of_results, write_rows
from ..lab.figures import figures_of, save
from ..lab.importer import import_runs
from ..lab.load import load_study
from ..lab.refinement import decision_of
from ..lab.report import write_report
from .study_table import meanings, results_table
from .terminal import console, show_table, tell
from .wrapping import give_up, say

Study = Annotated[Path, typer.Argument(metavar="STUDY", help="The folder that `halflife study --out` wrote.")]
Form = Annotated[str, typer.Option("--to", metavar="FORMAT", help=f"{', '.join(FORMATS)}; parquet needs pandas.")]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", show_default="STUDY/runs.FORMAT", help="Where the table is written.")
]
Runs = Annotated[
    Path, typer.Argument(metavar="RUNS.csv", help="A row a run: lr, weight_decay, error; seed, optimizer, test_error.")
]
Folder = Annotated[Path, typer.Option("--out", help="Folder of the heatmap and the report.")]
Unit = Annotated[str, typer.Option(help="What the error is measured in; misclassified is read in percent.")]


AxisColumn = Annotated[
    str | None, typer.Option("--axis", metavar="COLUMN", help="A column of a third axis, such as batch-size.")
]


def export(study: Study, form: Form = "csv", out: Out = None) -> None:
    """Write a study's networks as a table, a row each: for pandas, R or a spreadsheet."""
    try:
        path = out or (study if study.is_dir() else study.parent) / f"runs.{form}"
        rows = rows_of_results(load_study(study).results)
        write_rows(rows, path, form)
    except StudyError as error:
        give_up(str(error))
    say(f"{len(rows)} networks: {path}")


def import_table(
    runs: Runs, out: Folder = Path("halflife-import"), unit: Unit = "error", axis: AxisColumn = None
) -> None:
    """Read anyone's runs from a CSV file: κ, regret, verdict, heatmap and report, as of a study here."""
    try:
        results = import_runs(runs, unit, axis)
        out.mkdir(parents=True, exist_ok=True)
        pictures = [out / f"{picture.name}.png" for picture in figures_of(results)]
        for picture, path in zip(figures_of(results), pictures, strict=True):
            save(picture.figure, path)
        report = write_report(results, out / "report.html")
    except (StudyError, OSError) as error:
        give_up(str(error))
    where = console()
    for result in results:
        if len(results) > 1:
            tell(where, result.title, "bold")
        show_table(where, results_table(result))
        for line in (*meanings(result), *decision_words(decision_of(result))):
            tell(where, line)
    for line in (line for scaling in scalings(results) for line in scaling_words(scaling)):
        tell(where, line)
    tell(where, f"pictures: {', '.join(map(str, pictures))}")
    tell(where, f"report: {report}")
