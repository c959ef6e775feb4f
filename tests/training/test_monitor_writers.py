"""Where a Monitor's measurements go, and what comes of a writer that fails: a sentence at once, or one warning."""

from __future__ import annotations

import csv
import resource
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import halflife
from halflife.training import Measurement

from ..optim.users import train, weights


class Writer:
    def __init__(self) -> None:
        self.said: list[Any] = []

    def add_scalar(self, *args: Any) -> None:
        self.said.append(args)


class Run:
    def __init__(self) -> None:
        self.said: list[Any] = []

    def log(self, numbers: dict[str, float], commit: bool) -> None:
        self.said.append((numbers, commit))


def test_tensorboard_and_wandb_and_a_list_of_them() -> None:
    writer, run, kept = Writer(), Run(), list[Measurement]()
    watched_by = [writer, run, kept.append]
    optimizer = halflife.AdamW(weights(), lr=0.5)
    with halflife.Monitor(optimizer, every=1, to=watched_by):
        train(optimizer, 1)
    assert ("halflife/lr/0", 0.5, 1) in writer.said
    assert ("halflife/angle/0", kept[0].angle, 1) in writer.said
    assert not [name for name, *_ in writer.said if "cautious" in name or "clip" in name]
    assert run.said[0][0]["halflife/step"] == 1
    assert run.said[0][0]["halflife/decay_share/0"] == kept[0].decay_share
    assert run.said[0][1] is False


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.csv"
    for _ in range(2):
        optimizer = halflife.AdamW(weights(), lr=0.5)
        with halflife.Monitor(optimizer, every=1, to=path) as monitor:
            train(optimizer, 2)
    rows = [*csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    assert [row["step"] for row in rows] == ["1", "2", "1", "2"]
    assert float(rows[-1]["angle"]) == monitor.last[0].angle
    assert rows[0]["clip_factor"] == ""
    other = tmp_path / "other.csv"
    other.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is no file of a Monitor"):
        halflife.Monitor(optimizer, to=str(other))


def test_a_folder_is_tensorboards(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    optimizer = halflife.AdamW(weights(), lr=0.5)
    with halflife.Monitor(optimizer, every=1, to=tmp_path / "runs"):
        train(optimizer, 2)
    events = EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("halflife/lr/0")] == [(1, 0.5), (2, 0.5)]


def taken(tmp_path: Path) -> Path:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    return tmp_path / "taken"


BAD = {
    "in a file": lambda folder: taken(folder) / "run.csv",
    "a folder": lambda folder: (folder / "run.csv").mkdir() or folder / "run.csv",
    "TensorBoard's in a file": lambda folder: taken(folder) / "runs",
    "TensorBoard's is a file": taken,
    "too long": lambda folder: folder / ("x" * 300 + ".csv"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_path_is_a_sentence_at_once(bad: Any, tmp_path: Path) -> None:
    path = bad(tmp_path)
    if path.suffix != ".csv":
        pytest.importorskip("tensorboard")
    optimizer = halflife.AdamW(weights())
    with pytest.raises(OSError, match=r"cannot be written \(.*\); give a Monitor a file or a folder"):
        halflife.Monitor(optimizer, to=path)
    with pytest.raises(OSError, match="cannot be written"):
        halflife.Monitor(optimizer, to=[print, str(path)])
    assert not optimizer._optimizer_step_pre_hooks


class Away:
    """Writers of three kinds, all of which fail while ``away``."""

    def __init__(self) -> None:
        self.away, self.calls, self.kept = True, 0, list[Any]()

    def said(self, what: Any) -> None:
        self.calls += 1
        if self.away:
            raise ConnectionError("nobody there")
        self.kept.append(what)


class Board(Away):
    def add_scalar(self, *args: Any) -> None:
        self.said(args)


class Logger(Away):
    def log(self, numbers: Any, commit: bool) -> None:
        self.said(numbers)


class Function(Away):
    def __call__(self, measurement: Measurement) -> None:
        self.said(measurement)


@pytest.mark.parametrize("kind", [Board, Logger, Function])
def test_a_writer_that_fails_later_is_one_warning_and_training_goes_on(kind: Any) -> None:
    away, kept = kind(), list[Measurement]()
    watched, plain = halflife.AdamW(weights(), lr=0.5), halflife.AdamW(weights(), lr=0.5)
    with halflife.Monitor(watched, every=1, to=[away, kept.append]) as monitor:
        with pytest.warns(UserWarning, match=r"of step 1 to .*nobody there\); training goes on") as told:
            train(watched, 3)
        assert len(told) == 1
        assert told[0].filename == train.__code__.co_filename
        assert away.calls >= 3
        away.away = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(watched, 1)
    train(plain, 3)
    train(plain, 1)
    assert [m.step for m in kept] == [1, 2, 3, 4]
    assert (monitor.steps, len(away.kept) > 0) == (4, True)
    for a, b in zip(watched.param_groups[0]["params"], plain.param_groups[0]["params"], strict=True):
        assert torch.equal(a, b)


def test_no_file_is_made_before_there_is_a_measurement(tmp_path: Path) -> None:
    optimizer = halflife.AdamW(weights(), lr=0.5)
    with halflife.Monitor(optimizer, every=2, to=tmp_path / "run.csv"):
        train(optimizer, 1)
        assert [*tmp_path.iterdir()] == []
        train(optimizer, 1)
        assert [*tmp_path.iterdir()] == [tmp_path / "run.csv"]


def test_a_file_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "run.csv"
    optimizer = halflife.AdamW(weights(), lr=0.5)
    with halflife.Monitor(optimizer, every=1, to=path):
        train(optimizer, 1)
        shutil.rmtree(path.parent)
        path.parent.write_text("in the way", encoding="utf-8")
        with pytest.warns(UserWarning, match=r"of step 2 to .*run\.csv \(\w+Error: .*; training goes on") as told:
            train(optimizer, 2)
        assert len(told) == 1
        path.parent.unlink()
        train(optimizer, 1)
    assert [row["step"] for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())] == ["4"]


def test_a_full_disk_leaves_no_half_row(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    optimizer = halflife.AdamW(weights(), lr=0.5)
    with halflife.Monitor(optimizer, every=1, to=path):
        train(optimizer, 1)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, before[1]))
        try:
            with pytest.warns(UserWarning, match="training goes on") as told:
                train(optimizer, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert len(told) == 1
        train(optimizer, 1)
    rows = [*csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    assert [row["step"] for row in rows] == ["1", "4"]
    assert all(None not in row and float(row["lr"]) == 0.5 for row in rows)


def test_what_stops_training_on_purpose_still_does() -> None:
    def stop(_: Measurement) -> None:
        raise KeyboardInterrupt

    optimizer = halflife.AdamW(weights(), lr=0.5)
    with halflife.Monitor(optimizer, every=1, to=stop), pytest.raises(KeyboardInterrupt):
        train(optimizer, 1)
