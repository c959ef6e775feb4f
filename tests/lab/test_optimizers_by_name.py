"""Any optimizer by what people write, and a study of it: the library's in words, one's own, torch's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import halflife
from halflife.lab import ExecutionConfig, Settings, StudyError, run_study
from halflife.lab.config.optimizer_names import optimizer_spec
from halflife.lab.load import load_study
from halflife.lab.report import report_study

from .training_cases import training

HERE = ExecutionConfig(workers=1)
TINY = {"lrs": (1e-3, 1e-2), "lams": (0.01, 1.0), "seeds": 1, "epochs": 1, "batch_size": 100}

MINE = """
import torch

class Shrinking(torch.optim.SGD):
    '''SGD whose decay is its own.'''

    def __init__(self, params, lr=1e-2, weight_decay=0.0):
        super().__init__(params, lr=lr)
        self.shrink = weight_decay

    @torch.no_grad()
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * self.shrink)
"""


def test_words_are_decay_and_regularizer() -> None:
    cautious = optimizer_spec("adamw:cautious")
    assert dict(cautious.settings) == {"decay": "cautious"}
    assert "cautious" in cautious.label
    sparse = optimizer_spec("prox-adam:l1")
    assert dict(sparse.settings) == {"regularizer": halflife.regularizers.L1()}
    for word in ("l1", "l0", "lhalf", "elastic-net"):
        assert max(optimizer_spec(f"prox-adam:{word}").lams) < max(optimizer_spec("prox-adam").lams)
    both = dict(optimizer_spec("adam:proximal:huber").settings)
    assert both == {"decay": "proximal", "regularizer": halflife.regularizers.Huber()}


def test_learning_rates_are_of_the_optimizer() -> None:
    settings = Settings(optimizers=("adamw", "lion", "sgd"))
    adamw, lion, sgd = settings.optimizer_specs()
    assert max(settings.lrs_of(lion)) < max(settings.lrs_of(adamw)) < max(settings.lrs_of(sgd))
    given = Settings(optimizers=("adamw", "lion"), lrs={"lion": (1e-4,)}, lams={"adamw": (0.5,)})
    assert given.lrs_of(lion) == (1e-4,)
    assert given.lrs_of(adamw) == settings.lrs_of(adamw)
    assert (given.lams_of(adamw), given.lams_of(lion)) == ((0.5,), lion.lams)


@pytest.mark.parametrize(
    ("optimizer", "multiplier"),
    [(torch.optim.AdamW, "lr"), (torch.optim.Adam, ""), ("torch.optim.AdamW", "lr"), (halflife.ProxAdam, "schedule")],
)
def test_what_a_stranger_multiplies_lambda_by_is_found_out(optimizer: object, multiplier: str) -> None:
    assert optimizer_spec(optimizer).multiplier == multiplier  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *(("adamwx", "is not known"), ("adamw:gentle", "is no decay and no regularizer"), ("nowhere.py:X", "no file")),
        *(("torch.optim.Nothing", "cannot be imported"), ("torch.optim.LBFGS", "cannot be studied")),
        ("adamw:l0", "do not go together|does not go together"),
    ],
)
def test_what_is_no_optimizer_is_said(name: str, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        Settings(optimizers=(name,))


def test_an_optimizer_of_ones_own_is_studied_stored_and_known_by_its_code(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(MINE, encoding="utf-8")
    settings = Settings(optimizers=(f"{mine}:Shrinking", "adamw"), **TINY)
    result = run_study(settings, tmp_path / "study", how=HERE).results[0]
    own = result.findings[0]
    assert own.spec.multiplier == "lr"
    assert not own.missing
    before = own.spec.key
    mine.write_text(MINE.replace("1 - group", "1 - 2 * group"), encoding="utf-8")
    assert Settings(optimizers=settings.optimizers, **TINY).optimizer_specs()[0].key != before
    mine.unlink()
    (again,) = load_study(tmp_path / "study").results
    assert again.findings[0].val.tolist() == own.val.tolist()
    assert again.findings[0].spec.multiplier == "lr"
    assert "Shrinking" in report_study(tmp_path / "study", tmp_path / "page.html").read_text(encoding="utf-8")


def test_torchs_adamw_scores_as_ours(tmp_path: Path) -> None:
    how = ExecutionConfig("processes", workers=1)
    settings = Settings(optimizers=(torch.optim.AdamW, halflife.AdamW), **TINY)  # type: ignore[arg-type]
    theirs, ours = run_study(settings, tmp_path, how=how).results[0].findings
    torch.testing.assert_close(torch.tensor(theirs.val), torch.tensor(ours.val), atol=0.01, rtol=0)


def test_adam_beside_the_baseline_of_its_name_keeps_its_decay(tmp_path: Path) -> None:
    settings = Settings(optimizers=("adam",), **TINY)
    result = run_study(settings, tmp_path, how=HERE).results[0]
    assert result.findings[0].lams == (0.01, 1.0)
    assert result.baseline.lams == (0.0,)
    assert len(result.runs) == 2


def test_another_executor_or_device_in_the_same_folder_is_said(tmp_path: Path) -> None:
    settings = Settings(optimizers=("adamw",), **TINY)
    run_study(settings, tmp_path, how=HERE)
    more = Settings(optimizers=("adamw",), **{**TINY, "seeds": 2})
    with pytest.warns(RuntimeWarning, match="trained in stacks; what is missing is now trained each by itself"):
        run_study(more, tmp_path, how=ExecutionConfig("processes", workers=1))


def test_a_folder_knows_its_executor_and_other_machines_are_said(tmp_path: Path) -> None:
    settings = Settings(optimizers=("adamw",), **TINY)
    run_study(settings, tmp_path, how=HERE)
    key = "SELECT value FROM notes WHERE key LIKE 'executor of %'"
    with closing(sqlite3.connect(tmp_path / "study.db")) as ledger, ledger:
        assert ledger.execute(key).fetchall() == [(f"{HERE.executor}|on this machine",)]
        ledger.execute("UPDATE notes SET value = 'ray|on a Ray cluster' WHERE key LIKE 'executor of %'")
    words = r"trained on a Ray cluster \(executor ray\); what is missing is now trained on this machine \(vectorised\)"
    run_study(settings, tmp_path, how=HERE)  # nothing is missing, and nothing is said
    with pytest.warns(RuntimeWarning, match=words):
        run_study(Settings(optimizers=("adamw",), **{**TINY, "seeds": 2}), tmp_path, how=HERE)


def test_a_budget_leaves_whole_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from halflife.lab.execution import budget

    settings = Settings(optimizers=("adamw",), **{**TINY, "seeds": 3})
    clock = iter(range(0, 10_000))
    monkeypatch.setattr(budget.time, "monotonic", lambda: next(clock))
    result = run_study(settings, tmp_path / "a", how=ExecutionConfig(workers=1, budget=1.0)).results[0]
    assert "budget" in result.note
    monkeypatch.undo()
    whole = run_study(settings, tmp_path / "a", how=HERE).results[0]
    assert whole.note == ""
    assert len(whole.findings[0].complete) == 3


def matrices():  # Muon's, and a head
    return nn.Sequential(nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False))


@pytest.mark.parametrize("executor", ["vectorised", "processes"])
def test_a_model_of_matrices_alone_is_studied_with_muon(tmp_path, executor):
    problem = replace(training(matrices).problem, augment=None)
    settings = Settings(problem, None, ("muon", "adafactor"), (1e-2, 1e-1), (1e-2, 1.0), 1, 3, 12)
    (result,), _, _ = run_study(settings, tmp_path, how=ExecutionConfig(executor, 1))
    for name in ("muon", "adafactor"):
        found = result.found(name)
        assert (found.complete, found.diverged.any()) == ((0,), False)
        norms = {run.weight_norm for run in result.runs[name]}
        assert len(norms) == 4, "lr and λ are told apart"
