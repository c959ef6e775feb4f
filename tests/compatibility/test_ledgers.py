"""The ledgers that version 0.1.0 left, finished and interrupted, are read, reported and gone on with.

``make_ledgers.py`` says how they were written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import halflife
from halflife.lab import ExecutionConfig, Settings, run_study
from halflife.lab import study as study_module
from halflife.lab.report import load_study, report_study
from halflife.lab.store.ledger import Ledger

from .records import FOLDER
from .studies import DIGITS, OWN, VERSION

ROOT = Path(__file__).parents[2]
HERE = ExecutionConfig(workers=1)
STUDIES = {"finished": DIGITS, "interrupted": DIGITS, "own": OWN}

DONE = 24
"""The networks of the interrupted one."""

each_ledger = pytest.mark.parametrize("name", STUDIES)


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def copied(name: str, folder: Path) -> Path:
    shutil.copyfile(FOLDER / f"ledger-{name}.db", folder / "study.db")
    return folder


def cells(settings: Settings) -> int:
    """Of the optimizers, and of the baseline, whose λ is one."""
    lams = settings.lams or ()
    return settings.seeds * len(settings.lrs) * (1 + len(settings.optimizers) * len(lams))


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many networks each study trains."""
    counts, trained = list[int](), study_module.trained

    def count(training, batches_of, *rest):
        counts.append(sum(map(len, batches_of)))
        return trained(training, batches_of, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(study_module, "trained", count)
        yield counts


@each_ledger
def test_it_is_read(name: str, tmp_path: Path) -> None:
    (result,) = load_study(copied(name, tmp_path)).results
    settings = STUDIES[name]
    known = [run for runs in result.runs.values() for run in runs if run is not None]
    assert {run.version for run in known} == {VERSION}
    assert (len(known) == cells(settings)) == (name != "interrupted")
    assert result.settings.optimizers == settings.optimizers
    assert (result.settings.lrs, result.settings.lams, result.settings.seeds) == (settings.lrs, settings.lams, 2)
    if name == "interrupted":
        assert len(known) == DONE
        return
    assert [found.spec.name for found in result.findings] == [*settings.optimizers]
    for found in result.findings:
        for run in result.runs[found.spec.name]:
            error = found.val[run.seed, found.lrs.index(run.lr), found.lams.index(run.lam)]
            assert error == (result.problem.chance if run.diverged else run.val_error)
    assert any(run.diverged for run in known) == (name == "own")


@each_ledger
def test_it_is_reported(name: str, tmp_path: Path) -> None:
    page = report_study(copied(name, tmp_path), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "AdamW" in page
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["report.html", "study.db"]


@pytest.mark.parametrize("name", ["finished", "own"])
def test_what_is_finished_is_not_trained_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the version that it was written by; another one's networks are others.

    So are those of a file of one's own: since then its code counts, that beside it too, and its comments do not.
    """
    folder, settings = copied(name, tmp_path), STUDIES[name]
    (before,) = load_study(folder).results
    with counted(monkeypatch) as counts:
        after = run_study(settings, folder, how=HERE).results[0]
    same = halflife.__version__ == VERSION and name != "own"
    assert counts == [0 if same else cells(settings)]
    if same or name == "own":
        for mine, theirs in zip(after.findings, before.findings, strict=True):
            finite = ~theirs.diverged
            np.testing.assert_array_equal(mine.diverged, theirs.diverged)
            np.testing.assert_array_equal(mine.val[finite], theirs.val[finite])


def test_what_was_interrupted_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as the one that was not interrupted: what was trained then counts, what is trained now is the same."""
    folder = copied("interrupted", tmp_path)
    with counted(monkeypatch) as counts:
        after = run_study(DIGITS, folder, how=HERE).results[0]
    done = DONE if halflife.__version__ == VERSION else 0
    assert counts == [cells(DIGITS) - done]
    whole = tmp_path / "whole"
    whole.mkdir()
    (before,) = load_study(copied("finished", whole)).results
    for mine, theirs in zip(after.findings, before.findings, strict=True):
        np.testing.assert_allclose(mine.val, theirs.val, atol=0.02)


@each_ledger
def test_every_row_is_found_by_its_key(name: str, tmp_path: Path) -> None:
    (result,) = load_study(copied(name, tmp_path)).results
    known = {run.key: run for runs in result.runs.values() for run in runs if run is not None}
    with Ledger(tmp_path / "study.db") as ledger:
        found = ledger.find(known)
    assert found.keys() == known.keys()
    assert all(repr(found[key]) == repr(run) for key, run in known.items())
