"""``halflife report STUDY``: a study as one HTML page that opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import StudyError
from ..figures.spec import MagnitudesSpec
from ..load import Loaded, load_study
from ..reproductions import Conclusion, Preset
from ..result import Result
from ..store.study_record import Record, record_of

__all__ = ["Loaded", "Record", "load_study", "report_study", "write_report"]


def report_study(folder: Path, path: Path) -> Path:
    """From what ``halflife study --out`` wrote, to ``path``. Raises ``StudyError`` if one cannot be read or written."""
    return _write(load_study(folder), path, None)


def write_report(
    results: Sequence[Result],
    path: Path,
    *,
    preset: Preset | None = None,
    conclusion: Conclusion | None = None,
    records: Sequence[Record] = (),
    magnitudes: MagnitudesSpec | None = None,
) -> Path:
    """Of results at hand: one study, or the conditions of a reproduction with what they come to.

    Without ``records`` the studies are said to have been run here and now. Raises ``StudyError`` if ``path`` cannot be
    written.
    """
    known = records or [record_of(result) for result in results]
    return _write(Loaded(list(results), list(known), [], preset, conclusion), path, magnitudes)


def _write(loaded: Loaded, path: Path, magnitudes: MagnitudesSpec | None) -> Path:
    try:
        from .page import page  # noqa: PLC0415 (jinja2 is the lab's)
    except ModuleNotFoundError as error:
        missing = f"a report needs {error.name}, which is not installed"
        raise StudyError(f"{missing}: pip install 'halflife-optim[lab]'") from None
    try:
        path.write_text(page(loaded, magnitudes), encoding="utf-8")
    except OSError as error:
        raise StudyError(f"the report {path} cannot be written ({error.strerror or error}).") from error
    return path
