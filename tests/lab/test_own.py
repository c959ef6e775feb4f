"""Problems and trainings of one's own, by the API and as ``my.py:problem``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.lab import Config, How, Problem, Settings, Split, StudyError, run_study
from halflife.lab.own import OwnTraining, load_own

MINE = """
import torch
from halflife.lab import Problem, Split

def split(n, seed):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return Split(x, (x.sum(1) > 0).long())

problem = Problem("sums", "the sign of a sum", split(64, 0), split(32, 1), split(32, 2), lambda: torch.nn.Linear(4, 2))

def made():
    return problem

def train(config):
    torch.manual_seed(config.seed)
    w = torch.nn.Parameter(torch.randn(3))
    optimizer = config.build([w])
    for _ in range(20 * config.epochs):
        optimizer.zero_grad()
        (w - 1).square().sum().backward()
        optimizer.step()
    error = float((w.detach() - 1).square().mean())
    return {"val_error": float("nan") if config.lr > 50 else error, "test_error": error, "steps": 20 * config.epochs}

def silent(config):
    return {"accuracy": 1.0}

number = 3
"""
GRID = {"optimizers": ("adamw-torch",), "lrs": (1e-2, 1e-1), "lams": (0.01, 0.1), "seeds": 2, "epochs": 2}


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", ["problem", "made"])
def test_a_problem_in_a_file(mine: str, name: str, tmp_path: Path) -> None:
    settings = Settings(f"{mine}:{name}", batch_size=16, **GRID)
    (result,), _, _ = run_study(settings, tmp_path / "out", how=How(workers=1))
    assert result.problem.description == "the sign of a sum"
    assert result.findings[0].val_error.mean < 0.5


def test_a_problem_made_where_it_is_used(tmp_path: Path) -> None:
    x = torch.randn(48, 3, generator=torch.Generator().manual_seed(0))
    part = Split(x, x.sum(1, keepdim=True))
    problem = Problem(
        *("line", "a line through noise", part, part, part, lambda: torch.nn.Linear(3, 1)),
        loss=lambda out, y: (out - y).square().mean(),
        error=lambda out, y: (out - y).square().mean(1),
    )
    (result,), _, _ = run_study(Settings(problem, batch_size=16, **GRID), tmp_path, how=How(workers=2))
    assert result.leader.best_lr == 0.1


def test_a_training_of_ones_own(mine: str, tmp_path: Path) -> None:
    settings = Settings(f"{mine}:train", **{**GRID, "lrs": (1e-1, 100.0)})
    (result,), _, _ = run_study(settings, tmp_path / "out", how=How(workers=2))
    found = result.findings[0]
    assert found.best_lr == 0.1
    assert found.diverged[:, 1].all()
    assert not found.diverged[:, 0].any()
    assert result.runs["adamw-torch"][0].metrics == '{"steps": 40.0}'
    w = torch.nn.Parameter(torch.zeros(1))
    group = Config(found.contender, 0.5, 0.25, 0, 1, 1).build([w]).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("silent", "must return a mapping of numbers with 'val_error' among them"),
        ("number", "is a int; it must be a halflife.lab.Problem"),
        ("missing", "has no 'missing'; it has problem, split, made"),
    ],
)
def test_what_does_not_fit_is_named(mine: str, name: str, sentence: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", f"{mine}:{name}", "--out", str(tmp_path / "out"), "--workers", "1"])
    assert result.exit_code == 2
    assert sentence.split(";", maxsplit=1)[0] in result.stderr


def test_a_file_that_fails_or_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    with pytest.raises(StudyError, match="failed with ZeroDivisionError"):
        load_own(f"{tmp_path}/broken.py:problem")
    with pytest.raises(StudyError, match="there is no file"):
        load_own(f"{tmp_path}/absent.py:problem")
    with pytest.raises(StudyError, match=r"write it as my\.py:problem"):
        load_own("problem")


def test_the_loaded_training_knows_its_file(mine: str) -> None:
    training = load_own(f"{mine}:train")
    assert isinstance(training, OwnTraining)
    assert training.name == "mine"
    Path(mine).write_text(MINE + "\n# changed", encoding="utf-8")
    assert load_own(f"{mine}:train").fingerprint != training.fingerprint
