"""Wrote ``fixtures/ledger-*.db``, once, with the library of commit 4d6b280 (version 0.1.0).

Not to be run with a newer version: see ``make_fixtures.py``, which says how. From the repository's root::

    PYTHONPATH=build/4d6b280/src python -m tests.compatibility.make_ledgers
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from halflife.lab import ExecutionConfig, Progress, Settings, run_study

from .records import FOLDER
from .studies import DIGITS, OWN


def finished(settings: Settings, folder: Path) -> None:
    """All of it."""
    run_study(settings, folder, how=ExecutionConfig(workers=1), command="halflife study")


def interrupted(settings: Settings, folder: Path) -> None:
    """Stopped by the keyboard when more than half of its networks are written."""

    def listen(progress: Progress) -> None:
        if progress.done > progress.total / 2:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        run_study(settings, folder, listen, ExecutionConfig(workers=1), command="halflife study")


def keep(folder: Path, name: str) -> None:
    """The ledger as one file: its log is written into it, and nothing is left free."""
    path = FOLDER / f"ledger-{name}.db"
    if path.exists():
        raise SystemExit(f"{path} is there already, and stays as it was written.")
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if [*folder.glob("study.db-*")]:
        raise SystemExit(f"{folder} still has a log beside its ledger.")
    shutil.copyfile(folder / "study.db", path)


def main() -> None:
    """All three."""
    for name, make, settings in (
        ("finished", finished, DIGITS),
        ("interrupted", interrupted, DIGITS),
        ("own", finished, OWN),
    ):
        with TemporaryDirectory() as folder:
            make(settings, Path(folder))
            keep(Path(folder), name)


if __name__ == "__main__":
    main()
