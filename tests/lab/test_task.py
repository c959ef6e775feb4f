"""What cannot be trained is said before; a network that fails in training is named, and the others are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from halflife.lab import ExecutionConfig, Problem, Settings, Split, StudyError, run_study

HERE = ExecutionConfig("processes", workers=1)
X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
WHOLE = Split(X, (X.sum(1) > 0).long())
TINY = {"optimizers": ("adamw",), "lrs": (1e-3, 1e-2), "lams": (0.1, 1.0), "seeds": 2, "epochs": 1, "batch_size": 5}


def problem(val: Split = WHOLE, loss=nn.functional.cross_entropy, model=lambda: nn.Linear(3, 2)) -> Problem:
    return Problem("mine", "my own", WHOLE, val, WHOLE, model, loss=loss)


@pytest.mark.parametrize("val", [Split(X[:0], WHOLE.targets[:0]), Split(X, WHOLE.targets[:7])])
def test_a_split_without_samples_or_targets_is_refused(val: Split, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"the val split of mine has \d+ inputs and \d+ targets"):
        run_study(Settings(problem(val), **TINY), tmp_path, how=HERE)


def test_a_model_with_nothing_to_train_is_refused(tmp_path: Path) -> None:
    frozen = problem(model=lambda: nn.Linear(3, 2).requires_grad_(False))
    with pytest.raises(StudyError, match="no parameter that can be trained"):
        run_study(Settings(frozen, **TINY), tmp_path, how=HERE)


def test_a_network_that_fails_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    """A loss that raises once the weights are those of one seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        bad = float(nn.Linear(3, 2).bias.detach()[0])

    class Model(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            if abs(float(self.bias.detach()[0]) - bad) < 1e-6:
                raise OSError("a file that is not there")
            return super().forward(input)

    settings = Settings(problem(model=lambda: Model(3, 2)), **TINY)
    with pytest.warns(RuntimeWarning, match="6 of 12 networks failed.*seed 1: OSError: a file that is not there"):
        result = run_study(settings, tmp_path, how=HERE).results[0]
    assert result.findings[0].complete == (0,)
    assert np.isnan(result.findings[0].val[1]).all()
