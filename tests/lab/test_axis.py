"""A third axis: read, refused with a sentence, run in one ledger, read back."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from halflife.lab import Axis, ExecutionConfig, Problem, Settings, Split, StudyError, run_preset, run_study
from halflife.lab.api import settings_named
from halflife.lab.config.task import training_of
from halflife.lab.load import load_study
from halflife.lab.report import report_study
from halflife.lab.store.keys import Keys
from halflife.lab.training import Training

HERE = ExecutionConfig("processes", workers=1)
TINY = {"optimizers": ("adamw-torch",), "lrs": (1e-3, 1e-2), "lams": (0.1, 1.0), "seeds": 1, "epochs": 1}
OWN = """
import torch
from torch import nn
from halflife.lab import Problem, Split

def problem(width=4, shift=0.0):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    split = Split(x, (x.sum(1) > 0).long())
    loss = lambda outputs, targets: nn.functional.cross_entropy(outputs + shift, targets)
    model = lambda: nn.Sequential(nn.Linear(3, width), nn.Linear(width, 2))
    return Problem("mine", "my own", split, split, split, model, loss=loss)

def train(config):
    return {"val_error": 1.0 + config.lr * config.options.get("slope", 1.0)}
"""


def trainings_along(text: str, **more: object) -> list[Training]:
    return [training_of(settings, HERE) for _, settings in Axis.read(text).settings(Settings(**more))]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("batch-size=50,25,100", "batch-size", (25, 50, 100)),
        ("batch_size=25,50", "batch-size", (25, 50)),
        ("schedule=cosine,constant", "schedule", ("cosine", "constant")),
        ("smoothing = 0.1, 1e-3", "smoothing", (1e-3, 0.1)),
    ],
)
def test_an_axis_is_read(text: str, name: str, values: tuple[object, ...]) -> None:
    assert Axis.read(text) == Axis(name, values)
    assert [point.value for point in Axis.read(text).points()] == list(values)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("batch-size", "takes a name and values, as in batch-size=25,50,100"),
        ("=1,2", "takes a name and values"),
        ("batch-size=25", "two values or more, all different"),
        ("batch-size=25,25", "two values or more, all different"),
        ("batch-size=a,b", "batch-size takes whole numbers along an axis, but 'a'"),
        ("epochs=1.5,2", "epochs takes whole numbers along an axis, but 1.5"),
        ("schedule=1,2", "schedule takes names along an axis"),
        ("schedule=cosine,square", "schedule 'square' is not known"),
        ("samples=100,601", "601 training samples were asked for, but digits has 600"),
        ("samples=0,1", "samples must be at least 1"),
        ("lr=1,2", "lr is no third axis"),
        ("seeds=1,2", "seeds is no third axis"),
        ("colour=1,2", "'colour' is no keyword of the model or the problem: the problem digits has width, depth"),
        ("width=0.5,2", "no model can be made with width 0.5"),
    ],
)
def test_what_is_no_axis_is_said(text: str, sentence: str) -> None:
    with pytest.raises(StudyError, match=sentence):
        trainings_along(text)


def test_each_name_changes_what_it_says() -> None:
    assert [t.recipe.batch_size for t in trainings_along("batch-size=25,50")] == [25, 50]
    assert [t.recipe.epochs for t in trainings_along("epochs=3,5")] == [3, 5]
    assert [len(t.splits.train) for t in trainings_along("samples=100,600")] == [100, 600]
    assert [t.model()[0].out_features for t in trainings_along("width=8,16")] == [8, 16]
    assert [len(t.model()) for t in trainings_along("depth=1,3")] == [3, 7]
    assert [t.model()[0].out_features for t in trainings_along("width=8,16", model="mlp")] == [8, 16]
    first, second = (t for t in trainings_along("samples=100,600"))
    assert torch.equal(first.splits.train.inputs, second.splits.train.inputs[:100])
    assert torch.equal(first.splits.val.inputs, second.splits.val.inputs)


def test_all_points_are_in_one_ledger_and_are_read_back(tmp_path: Path) -> None:
    axis = Axis("batch-size", (25, 50, 100))
    outcome = run_study(Settings(**TINY), tmp_path, how=HERE, axis=axis)
    assert [result.point for result in outcome.results] == axis.points()
    assert [result.settings.batch_size for result in outcome.results] == [25, 50, 100]
    assert outcome.results[0].title == "digits, batch-size 25"
    loaded = load_study(tmp_path)
    assert [result.point for result in loaded.results] == axis.points()
    for ours, theirs in zip(outcome.results, loaded.results, strict=True):
        assert (ours.findings[0].val == theirs.findings[0].val).all()
    page = report_study(tmp_path, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "digits, batch-size 100" in page


def test_a_longer_axis_trains_only_what_it_lacks(tmp_path: Path) -> None:
    run_study(Settings(**TINY), tmp_path, how=HERE, axis=Axis("batch-size", (25, 50)))
    with sqlite3.connect(tmp_path / "study.db") as ledger:
        before = {key for (key,) in ledger.execute("select key from runs")}
    run_study(Settings(**TINY), tmp_path, how=HERE, axis=Axis("batch-size", (25, 50, 100)))
    with sqlite3.connect(tmp_path / "study.db") as ledger:
        after = {key for (key,) in ledger.execute("select key from runs")}
    assert before < after
    assert len(after) == len(before) * 3 // 2


def test_keywords_of_ones_own_problem_and_training(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN, encoding="utf-8")
    own = Settings(f"{file}:problem", batch_size=5, **TINY)
    results = run_study(own, tmp_path / "a", how=HERE, axis=Axis("width", (2, 8))).results
    assert [result.settings.options for result in results] == [{"width": 2}, {"width": 8}]
    trained = Settings(f"{file}:train", **TINY)
    first, second = run_study(trained, tmp_path / "b", how=HERE, axis=Axis("slope", (1.0, 3.0))).results
    assert second.findings[0].val.ravel() - 1 == pytest.approx(3 * (first.findings[0].val.ravel() - 1))
    with pytest.raises(StudyError, match="'height' is no keyword of the model or the problem"):
        run_study(own, tmp_path / "c", how=HERE, axis=Axis("height", (1, 2)))


def test_a_keyword_that_neither_data_nor_model_show_is_in_the_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN, encoding="utf-8")
    own = Settings(f"{file}:problem", batch_size=5, **TINY)
    keys = [Keys(training_of(s, HERE), s).common for _, s in Axis("shift", (0.5, 1.0)).settings(own)]
    assert keys[0] != keys[1]
    assert "options" not in Keys(training_of(own, HERE), own).common


def test_a_problem_that_is_made_already_takes_no_keywords(tmp_path: Path) -> None:
    x = torch.randn(20, 3)
    split = Split(x, (x.sum(1) > 0).long())
    made = Problem("made", "here", split, split, split, lambda: nn.Linear(3, 2))
    with pytest.raises(StudyError, match="takes no keywords"):
        run_study(Settings(made, batch_size=5, **TINY), tmp_path, how=HERE, axis=Axis("width", (1, 2)))


def test_an_axis_is_not_refined(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="--refine goes with one study"):
        run_study(Settings(**TINY), tmp_path, how=HERE, axis=Axis("epochs", (1, 2)), refine=True)


@pytest.mark.parametrize("axis", [Axis("samples", (10, 20)), Axis("schedule", ("constant", "drops"))])
def test_an_axis_that_ones_own_training_does_not_hear_of_is_refused(tmp_path: Path, axis: Axis) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN, encoding="utf-8")
    with pytest.raises(StudyError, match=f"does not hear of {axis.name}"):
        run_study(Settings(f"{file}:train", **TINY), tmp_path / "a", how=HERE, axis=axis)


def test_a_setting_in_which_the_studies_of_a_preset_differ_cannot_be_given(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"timescale compares studies that differ in epochs \(.*\), so it cannot"):
        run_preset("timescale", "smoke", tmp_path, given={"epochs": 5})
    with pytest.raises(StudyError, match="decoupling compares studies that differ in schedule"):
        settings_named("decoupling", "small", {"schedule": "constant"})
    assert len(settings_named("timescale", "smoke", {"seeds": 2})) == 6


def test_the_points_of_an_axis_share_a_budget(tmp_path: Path) -> None:
    """One that is spent leaves each further point its first seed."""
    settings = Settings(**{**TINY, "seeds": 2, "epochs": 20})
    results = run_study(settings, tmp_path, how=replace(HERE, budget=1.0), axis=Axis("epochs", (20, 21))).results
    assert len(results) == 2
    assert all(result.findings[0].complete[0] == 0 for result in results)
