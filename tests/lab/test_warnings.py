"""A study tries large λ and all learning rates on purpose, and is not told so for each of its networks."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import halflife
from halflife.lab import OPTIMIZER_SPECS, ExecutionConfig, Problem, Settings, Split, run_study
from halflife.lab.training.schedules import SCHEDULES
from halflife.optim.groups import on_purpose

LARGE, BEYOND = "leaves the learning rate out", "is above the base learning rate"
TRAIN = """
import torch

def train(config):
    w = torch.nn.Parameter(torch.ones(3))
    optimizer = config.build([w])
    for group in optimizer.param_groups:
        group["lr"] *= 2
    w.square().sum().backward()
    optimizer.step()
    return {"val_error": float(w.detach().norm())}
"""
GRID = {"optimizers": ("adamw-paper",), "lrs": (1e-3, 1e-2), "lams": (0.05, 0.1), "seeds": 2, "epochs": 1}


def kinds(caught):
    return {kind for kind in (LARGE, BEYOND) for one in caught if kind in str(one.message)}


def stepped():
    """An optimizer of that kind outside of a study; the warnings that it is worth."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        w = torch.nn.Parameter(torch.ones(3))
        optimizer = halflife.AdamW([w], lr=1e-3, weight_decay=0.1, decay="independent")
        w.grad, optimizer.param_groups[0]["lr"] = torch.ones(3), 2e-3
        optimizer.step()
    return kinds(caught)


def studied(settings, folder, workers=1):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_study(settings, folder, how=ExecutionConfig("processes", workers))
    return kinds(caught)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_of_ones_own_is_not_warned_of_the_studys_numbers(tmp_path, workers):
    (tmp_path / "my.py").write_text(TRAIN, encoding="utf-8")
    assert stepped() == {LARGE, BEYOND}
    assert studied(Settings(f"{tmp_path / 'my.py'}:train", **GRID), tmp_path / "out", workers) == set()


def test_a_problems_training_is_not_warned_of_the_studys_numbers(tmp_path, monkeypatch):
    monkeypatch.setitem(SCHEDULES, "warm", lambda share: 1 + share)
    split = Split(torch.randn(16, 3), torch.arange(16) % 2)
    problem = Problem("toy", "a toy", split, split, split, lambda: torch.nn.Linear(3, 2))
    assert studied(Settings(problem, schedule="warm", batch_size=4, **GRID), tmp_path) == set()


def test_what_an_optimizer_does_is_told_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for spec in OPTIMIZER_SPECS.values():
            assert spec.update.regularizer == halflife.regularizers.L2()
            assert spec.build(torch.nn.Linear(3, 2), 1e-3, 0.1).param_groups[0]["weight_decay"] == 0.1


def test_it_is_silent_for_one_thread_and_a_while():
    with ThreadPoolExecutor(1) as pool, on_purpose():
        assert stepped() == set()
        assert pool.submit(stepped).result() == {LARGE, BEYOND}
    assert stepped() == {LARGE, BEYOND}
