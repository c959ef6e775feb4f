"""Training in fewer bits ends where float32 ends: AdamW on scikit-learn's digits.

The noise is the standard deviation, over four seeds, of float32's final validation loss. The mean over the seeds may
move by two standard errors of a difference of two such means, a seed's own loss by twice the noise.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

import halflife
from halflife.lab.problems import Problem
from halflife.lab.problems.digits import digits

FORMS: dict[str, dict[str, Any]] = {
    "bfloat16 states": {"state_dtype": torch.bfloat16},
    "8-bit states": {"state_dtype": "8bit"},
    "8-bit states, bfloat16 weights with kahan": {"state_dtype": "8bit", "rounding": "kahan"},
    "bfloat16 states and weights, stochastic": {"state_dtype": torch.bfloat16, "rounding": "stochastic"},
}
SEEDS, STEPS = (1, 2, 3, 4), 200


@pytest.fixture(scope="module")
def problem() -> Problem:
    return digits()


@pytest.fixture(scope="module")
def exact(problem: Problem) -> torch.Tensor:
    return torch.tensor([final_loss(problem, seed, {}, torch.float32) for seed in SEEDS])


def final_loss(problem: Problem, seed: int, form: dict[str, Any], dtype: torch.dtype) -> float:
    """The validation loss after four epochs, the learning rate falling linearly to 0."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)).to(dtype)
    optimizer = halflife.AdamW(model.parameters(), lr=3e-3, weight_decay=1.0, **form)
    generator = torch.Generator().manual_seed(seed)
    for k in range(STEPS):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - k / STEPS)
        batch = torch.randint(len(problem.train), (32,), generator=generator)
        optimizer.zero_grad()
        loss = cross_entropy(model(problem.train.inputs[batch].to(dtype)).float(), problem.train.targets[batch])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return cross_entropy(model(problem.val.inputs.to(dtype)).float(), problem.val.targets).item()


@pytest.mark.parametrize("form", FORMS)
def test_ends_within_the_noise_of_the_seeds(problem: Problem, exact: torch.Tensor, form: str) -> None:
    dtype = torch.bfloat16 if "weights" in form else torch.float32
    found = torch.tensor([final_loss(problem, seed, FORMS[form], dtype) for seed in SEEDS])
    assert exact.mean() < 1.2, "it has learned"
    noise = exact.std()
    assert abs(found.mean() - exact.mean()) < 2 * noise * (2 / len(SEEDS)) ** 0.5
    assert (found - exact).abs().max() < 2 * noise
