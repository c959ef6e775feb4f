"""A ledger read as it lies there: whole, in the making, of several studies, locked away, or of another version."""

import sqlite3
import stat
from dataclasses import replace

import numpy as np
import pytest

from halflife.lab import StudyError
from halflife.lab.load import missing
from halflife.lab.report import load_study
from halflife.lab.reproductions import PRESETS
from halflife.lab.store.ledger import Ledger

from .fabricated import SETTINGS, conditions, fabricated, write_ledger

SMALL = replace(SETTINGS, optimizers=("adamw-torch", "adam-l2"), seeds=2)


def test_a_finished_study_comes_back_as_it_was(tmp_path):
    written = fabricated(SMALL)
    (read,) = load_study(write_ledger(tmp_path, [written])).results
    assert (read.title, read.way) == ("digits", "stacked: it was quicker")
    assert replace(read.settings, problem="digits") == written.settings
    assert read.problem.description == written.problem.description
    assert [found.spec for found in read.findings] == [found.spec for found in written.findings]
    for ours, theirs in zip((*read.findings, read.baseline), (*written.findings, written.baseline), strict=True):
        assert np.array_equal(ours.val, theirs.val)
        assert np.array_equal(ours.diverged, theirs.diverged)
    ours, theirs = (result.curves(result.findings[1]) for result in (read, written))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(ours, theirs, strict=True))
    assert missing(read) == {}


def test_reading_leaves_no_trace(tmp_path):
    write_ledger(tmp_path, [fabricated(SMALL)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    load_study(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_running_study_is_read_while_it_is_written(tmp_path):
    result = fabricated(SMALL)
    write_ledger(tmp_path, [fabricated(SMALL, missing=lambda run: run.seed == 1)])
    with Ledger(tmp_path / "study.db") as ledger:
        ledger.record([next(run for run in result.runs["adam-l2"] if run.seed == 1)])  # still in the log
        (read,) = load_study(tmp_path).results
    lost = missing(read)
    assert lost == {"AdamW (PyTorch)": 35, "AdamL2": 34, "Adam, no decay": 5}
    assert read.findings[0].complete == (0,)


def test_an_optimizer_that_has_not_begun_is_left_out(tmp_path):
    write_ledger(tmp_path, [fabricated(SMALL, missing=lambda run: run.optimizer == "adam-l2")])
    (read,) = load_study(tmp_path).results
    assert [found.spec.name for found in read.findings] == ["adamw-torch"]
    assert missing(read) == {"AdamL2": 70}


def test_a_folder_that_cannot_be_written_is_read(tmp_path):
    write_ledger(tmp_path, [fabricated(SMALL)])
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert load_study(tmp_path).results
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_name_with_odd_characters_is_found(tmp_path):
    folder = tmp_path / "50 %? #1"
    folder.mkdir()
    assert load_study(write_ledger(folder, [fabricated(SMALL)])).results
    assert load_study(folder / "study.db").results


def test_the_arms_of_a_reproduction_are_several_results_and_a_conclusion(tmp_path):
    preset = PRESETS["scale-free"]
    titles = [condition.title for condition in preset.conditions("small")]
    results = conditions(optimizers=("adam-l2", "adamw-paper", "prox-adam", "adam-p"))
    assert [result.title for result in results] == titles
    loaded = load_study(write_ledger(tmp_path, results, preset="scale-free", scale="small"))
    assert [result.title for result in loaded.results] == titles
    assert loaded.preset is preset
    assert loaded.conclusion.sentence == preset.conclude(results).sentence


def test_a_smoke_run_says_nothing_of_the_claim(tmp_path):
    results = conditions(optimizers=("adam-l2", "adamw-paper", "prox-adam", "adam-p"))
    loaded = load_study(write_ledger(tmp_path, results, preset="scale-free", scale="smoke"))
    assert loaded.conclusion.holds is None


def test_a_reproduction_without_one_of_its_optimizers_concludes_nothing(tmp_path):
    results = conditions(optimizers=("adam-l2", "adamw-paper"))
    loaded = load_study(write_ledger(tmp_path, results, preset="scale-free", scale="small"))
    assert "Not all of its optimizers" in loaded.conclusion.sentence


def test_nothing_is_concluded_from_arms_in_the_making(tmp_path):
    first, second, third = conditions(optimizers=("adam-l2", "adamw-paper", "prox-adam", "adam-p"))
    begun = fabricated(second.settings, second.title, missing=lambda run: run.seed > 0)
    waiting = fabricated(third.settings, third.title, missing=lambda run: True)
    write_ledger(tmp_path, [first, begun, waiting], preset="scale-free", scale="small")
    loaded = load_study(tmp_path)
    assert loaded.pending == ["loss × 100"]
    assert (loaded.conclusion.holds, loaded.conclusion.figures) == (None, ())
    assert "nothing is concluded" in loaded.conclusion.sentence


def test_a_study_that_another_command_went_on_with_is_one_study(tmp_path):
    for command in ("halflife study", "halflife study --workers 1"):
        write_ledger(tmp_path, [fabricated(SMALL)], command=command)
    loaded = load_study(tmp_path)
    assert len(loaded.results) == 1
    assert loaded.records[0].command == "halflife study --workers 1"


def test_what_is_no_ledger_of_this_version_is_explained(tmp_path):
    with pytest.raises(StudyError, match="there is no ledger"):
        load_study(tmp_path)
    (tmp_path / "study.db").write_text(
        "this is no database at all, and long enough to be sure of that", encoding="utf-8"
    )
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(tmp_path)
    (tmp_path / "study.db").unlink()
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("CREATE TABLE runs (key TEXT, val_accuracy REAL)")
    connection.close()
    with pytest.raises(StudyError, match="another version"):
        load_study(tmp_path)


def test_a_study_that_says_too_little_and_one_that_has_nothing_are_explained(tmp_path):
    with Ledger(tmp_path / "study.db") as ledger:
        ledger.open_study({"problem": "digits"}, "0")
    with pytest.raises(StudyError, match="says too little"):
        load_study(tmp_path)
    (tmp_path / "new").mkdir()
    write_ledger(tmp_path / "new", [fabricated(SMALL, missing=lambda run: run.optimizer != "adam")])
    with pytest.raises(StudyError, match="no finished network"):
        load_study(tmp_path / "new")
