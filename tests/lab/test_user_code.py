"""Problems and trainings of one's own, by the API and as ``my.py:problem``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.lab import Config, ExecutionConfig, Problem, Settings, Split, StudyError, run_study, study
from halflife.lab.config.user_code import OwnTraining, load_own
from halflife.lab.report import load_study

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
    (result,), _, _ = run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=1))
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
    (result,), _, _ = run_study(Settings(problem, batch_size=16, **GRID), tmp_path, how=ExecutionConfig(workers=2))
    assert result.leader.best_lr == 0.1


def test_a_training_of_ones_own(mine: str, tmp_path: Path) -> None:
    settings = Settings(f"{mine}:train", **{**GRID, "lrs": (1e-1, 100.0)})
    (result,), _, _ = run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=2))
    found = result.findings[0]
    assert found.best_lr == 0.1
    assert found.diverged[:, 1].all()
    assert not found.diverged[:, 0].any()
    assert result.runs["adamw-torch"][0].metrics == '{"steps": 40.0}'
    w = torch.nn.Parameter(torch.zeros(1))
    group = Config(found.spec, 0.5, 0.25, 0, 1, 1).build([w]).param_groups[0]
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


def test_the_loaded_training_knows_its_code_and_that_beside_it(mine: str) -> None:
    path, beside = Path(mine), Path(mine).with_name("beside_mine.py")
    beside.write_text("SCALE = 1", encoding="utf-8")

    def fingerprint(text: str) -> str:
        path.write_text("import beside_mine\n" + text, encoding="utf-8")
        training = load_own(f"{mine}:train")
        assert isinstance(training, OwnTraining)
        assert training.name == "mine"
        return training.fingerprint

    first = fingerprint(MINE)
    assert fingerprint(MINE + "\n# a comment") == first
    documented = MINE.replace("    torch.manual_seed", '    """In words."""\n    torch.manual_seed')
    again = documented.replace("In words.", "In other words.")
    assert fingerprint("\n\n" + documented) == fingerprint(again)
    assert fingerprint(MINE.replace("(w - 1)", "(w - 2)")) != first
    beside.write_text("SCALE = 1  # the same", encoding="utf-8")
    assert fingerprint(MINE) == first
    beside.write_text("SCALE = 2", encoding="utf-8")
    assert fingerprint(MINE) != first


VALLEY = """
from math import log10
import urllib.error
from pathlib import Path
from halflife.lab import OwnTraining

def train(config):
    x, z = log10(config.lr), log10(config.weight_decay or 1e-9)
    return {"val_error": 0.8 * 10 ** (0.5 * (x + 2.5) ** 2 + 0.35 * (z + x + 5.5) ** 2)}

def score(config):
    return {"val_score": 90.0 - abs(config.lr - 0.1) * 100}

scored = OwnTraining(score, unit="points", perfect=100.0)

def negative(config):
    return {"val_error": -1.0}

def fails(config):
    if config.lr > 0.05:
        raise urllib.error.HTTPError("http://nowhere", 404, "not there", None, None)
    return {"val_error": config.weight_decay}

def leaves(config):
    raise SystemExit(3)

def mends(config):
    if config.lr > 0.05 and not Path(__file__).with_name("mended").exists():
        raise ValueError("not yet")
    return {"val_error": config.weight_decay}
"""


@pytest.fixture
def valley(tmp_path: Path) -> str:
    path = tmp_path / "valley.py"
    path.write_text(VALLEY, encoding="utf-8")
    return str(path)


def test_errors_in_a_unit_of_their_own_are_kept(valley: str, tmp_path: Path) -> None:
    """Squared errors of hundreds: none diverged, and κ is that of the valley."""
    lrs, lams = (1e-4, 1e-3, 1e-2, 1e-1, 1.0), (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    settings = Settings(f"{valley}:train", optimizers=("adamw-torch",), lrs=lrs, lams=lams, seeds=2, epochs=1)
    (result,), _, _ = run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=1))
    found = result.findings[0]
    assert not found.diverged.any()
    assert found.val.max() > 1e4
    assert found.coupling.kappa == pytest.approx(1.0, abs=0.05)


def test_scores_of_which_a_larger_one_is_better(valley: str, tmp_path: Path) -> None:
    settings = Settings(f"{valley}:scored", **GRID)
    (result,), _, _ = run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=1))
    found = result.findings[0]
    assert (found.unit, found.best_lr) == ("points", 0.1)
    assert found.val_error.mean == pytest.approx(10.0)
    assert found.val.max() == pytest.approx(19.0)


def test_a_negative_error_is_refused_in_words(valley: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"an error must be at least 0.*perfect"):
        run_study(Settings(f"{valley}:negative", **GRID), tmp_path / "out", how=ExecutionConfig(workers=1))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_network_that_fails_is_named_and_the_others_are_kept(valley: str, workers: int, tmp_path: Path) -> None:
    """Also by an exception that is sent by a worker and never arrives."""
    settings = Settings(f"{valley}:fails", **GRID)
    with pytest.warns(
        RuntimeWarning, match=r"6 of 12 networks failed.*adam with lr 0\.1, λ 0, seed 0: HTTPError: HTTP Error 404"
    ):
        (result,), _, _ = run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=workers))
    found = result.findings[0]
    assert found.missing == ((1, 0), (1, 1))
    assert (found.best_lr, found.best_lam) == (1e-2, 0.01)


def test_what_failed_is_tried_again(valley: str, tmp_path: Path) -> None:
    settings = Settings(f"{valley}:mends", **GRID)
    with pytest.warns(RuntimeWarning, match="networks failed"):
        run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=1))
    (tmp_path / "mended").touch()
    (result,), _, _ = run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=1))
    assert not result.findings[0].missing


def test_a_study_of_which_all_fails_says_how(valley: str, tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r"every network of adam failed; the first, adam with lr 0\.01, λ 0, .*SystemExit: 3"
    ):
        run_study(Settings(f"{valley}:leaves", **GRID), tmp_path / "out", how=ExecutionConfig(workers=2))


def test_a_model_that_is_always_the_same_is_refused(tmp_path: Path) -> None:
    part = Split(torch.randn(48, 3), torch.randn(48, 1))
    net = torch.nn.Linear(3, 1)
    problem = Problem("one", "one model", part, part, part, lambda: net)
    with pytest.raises(StudyError, match="must be a new one at each call"):
        run_study(Settings(problem, batch_size=16, **GRID), tmp_path, how=ExecutionConfig(workers=1))


class Straight(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x)


class Bent(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x).tanh()


def test_an_edited_forward_is_trained_anew(tmp_path: Path) -> None:
    """The model's words are the same, and the function that makes it is."""
    x = torch.randn(48, 3, generator=torch.Generator().manual_seed(0))
    part, found = Split(x, x.sum(1, keepdim=True)), []
    for kind in (Straight, Bent, Bent):
        kind.__name__ = "Net"
        problem = Problem(
            "line",
            "a line",
            part,
            part,
            part,
            lambda: NETS[0](3, 1),
            lambda out, y: (out - y).abs().mean(),
            lambda out, y: (out - y).abs().mean(1),
        )
        NETS[:] = [kind]
        (result,), _, _ = run_study(Settings(problem, batch_size=16, **GRID), tmp_path, how=ExecutionConfig(workers=1))
        found.append(result.findings[0].val)
    assert (found[0] != found[1]).all()
    assert (found[1] == found[2]).all()


NETS: list[type[torch.nn.Module]] = []


def test_an_edited_loss_is_trained_anew(tmp_path: Path) -> None:
    x = torch.randn(48, 3, generator=torch.Generator().manual_seed(0))
    part = Split(x, x.sum(1, keepdim=True))
    common = ("line", "a line", part, part, part, lambda: torch.nn.Linear(3, 1))

    def squared(out, y):
        return (out - y).square().mean(1)

    def absolute(out, y):
        return (out - y).abs().mean(1)

    found = []
    for error in (squared, absolute):
        problem = Problem(*common, loss=lambda out, y: (out - y).square().mean(), error=error)
        (result,), _, _ = run_study(Settings(problem, batch_size=16, **GRID), tmp_path, how=ExecutionConfig(workers=1))
        found.append(result.findings[0].val)
    assert (found[0] != found[1]).all()


LOOSE = """
import numpy as np
import torch
from halflife.lab import Problem, Split

def problem(n=64):
    x = np.random.default_rng(0).standard_normal((n, 4))
    part = Split(x, (x.sum(1) > 0).astype(int))
    narrow = Split(torch.as_tensor(x).bfloat16().float(), list((x.sum(1) > 0).astype(int)))
    return Problem(
        "loose", "read from [/data/digits]", part, narrow, part, lambda: torch.nn.Linear(4, 2),
        error=lambda out, y: out.argmax(1) != y,
    )
"""


def test_what_users_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays, errors that are true or false, parameters with defaults, no name, a grid of NumPy's, text like markup."""
    (tmp_path / "loose.py").write_text(LOOSE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        "loose.py", optimizers=["adamw-torch"], lrs=np.logspace(-2, -1, 2), lams=[1, 2], seeds=1, epochs=1
    )
    assert settings.lrs == pytest.approx((0.01, 0.1))
    (result,), _, _ = run_study(settings, "out", how=ExecutionConfig(workers=1))
    assert 0 <= result.findings[0].val_error.mean <= 1
    given = ["--lrs", "0.01,0.1", "--lambdas", "0.1", "--optimizer", "sgdw", "--seeds", "1", "--epochs", "1"]
    shown = CliRunner().invoke(app, ["study", "loose.py", *given, "--out", "br [v2]", "--workers", "1"])
    assert shown.exit_code == 0, shown.output
    assert "read from [/data/digits]." in shown.output
    assert "report: halflife report br [v2]" in shown.output
    refused = CliRunner().invoke(app, ["study", "loose.py", "--memory", "inf", "--out", "x"])
    assert refused.exit_code == 2
    assert "inf" in refused.stderr


def test_a_report_shows_the_newest_study_that_has_results(
    mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code was edited since, and the study interrupted before anything was finished."""
    settings = Settings(f"{mine}:train", **GRID)
    run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=1))
    Path(mine).write_text(MINE.replace("(w - 1)", "(w - 2)"), encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(study, "trained", lambda *_: iter(()))
        patch.setattr(study.Study, "_found", lambda *_: None)
        with pytest.raises(AttributeError):
            run_study(settings, tmp_path / "out", how=ExecutionConfig(workers=1))
    (result,) = load_study(tmp_path / "out").results
    assert not result.findings[0].missing
