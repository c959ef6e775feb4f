"""``halflife report``: a study as one page to look at, keep and pass on."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ..lab import StudyError
from ..lab.report import report_study
from .wrapping import give_up, say

Study = Annotated[Path, typer.Argument(metavar="STUDY", help="The folder that `halflife study --out` wrote.")]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", show_default="STUDY/report.html", help="Where the page is written.")
]
Open = Annotated[bool, typer.Option("--open", help="Show it in a browser.")]


def report(study: Study, out: Out = None, open_it: Open = False) -> None:
    """Write a study, finished or running, as one HTML page that opens without a network."""
    try:
        path = report_study(study, out or (study if study.is_dir() else study.parent) / "report.html")
    except StudyError as error:
        give_up(str(error))
    say(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB, most of it plotly.js)")
    if open_it:
        webbrowser.open(path.resolve().as_uri())
