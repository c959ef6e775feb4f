"""The known answer: by scikit-learn, by scipy, and by training."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize
import torch
from sklearn.linear_model import Ridge

import halflife
from halflife.lab.problems import BAYES_LAM, best_ridge, ridge, ridge_error, ridge_weights
from halflife.lab.problems.ridge import FEATURES, NOISE, SAMPLES

PROBLEM = ridge()


def test_the_data_is_what_it_says():
    again = ridge()
    assert PROBLEM.fingerprint == again.fingerprint
    assert PROBLEM.train.inputs.shape == (200, 1000)
    assert len(PROBLEM.val) == len(PROBLEM.test) == 1000
    targets = torch.cat([split.targets for split in (PROBLEM.val, PROBLEM.test)])
    assert targets.var().item() == pytest.approx(1.25, rel=0.1)
    assert not set(PROBLEM.val.targets.tolist()) & set(PROBLEM.test.targets.tolist())
    nothing = PROBLEM.error(torch.zeros(1000, 1), PROBLEM.test.targets)
    assert nothing.shape == (1000,)
    assert nothing.mean().item() == pytest.approx(1, rel=0.1)


def test_without_noise_the_targets_are_linear():
    problem = ridge("ridge-noiseless", noise=0.0)
    w = torch.linalg.lstsq(
        torch.cat([s.inputs for s in (problem.train, problem.val)]).double(),
        torch.cat([s.targets for s in (problem.train, problem.val)]).double()[:, None],
    ).solution
    assert w.norm().item() == pytest.approx(1, rel=1e-3)
    assert problem.error(problem.test.inputs.double() @ w, problem.test.targets).max() < 1e-9
    assert torch.equal(problem.train.inputs, PROBLEM.train.inputs)
    flat = ridge_error(problem, problem.val, 1e-3) / best_ridge(problem).val_error
    assert flat == pytest.approx(1, abs=0.01), "hardly any decay is as good as the best"


@pytest.mark.parametrize("lam", [1e-3, BAYES_LAM, 30.0])
def test_the_weights_are_scikit_learns(lam):
    x, y = PROBLEM.train.inputs.double().numpy(), PROBLEM.train.targets.double().numpy()
    theirs = Ridge(alpha=len(y) * lam, fit_intercept=False, solver="svd").fit(x, y).coef_
    np.testing.assert_allclose(ridge_weights(PROBLEM.train, lam).numpy(), theirs, rtol=1e-9, atol=1e-12)
    x, y = PROBLEM.test.inputs.double().numpy(), PROBLEM.test.targets.double().numpy()
    error = np.mean((y - x @ theirs) ** 2) / (1 + NOISE**2)
    assert ridge_error(PROBLEM, PROBLEM.test, lam) == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize("lam", [0.1, BAYES_LAM])
def test_the_weights_are_where_the_loss_with_its_decay_is_flat(lam):
    w = ridge_weights(PROBLEM.train, lam).requires_grad_()
    x, y = PROBLEM.train.inputs.double(), PROBLEM.train.targets.double()
    (PROBLEM.loss((x @ w)[:, None], y) + lam / 2 * w.square().sum()).backward()
    assert w.grad.abs().max() < 1e-12


def test_the_best_lam_is_scipys():
    answer = best_ridge(PROBLEM)
    theirs = scipy.optimize.minimize_scalar(
        lambda log_lam: ridge_error(PROBLEM, PROBLEM.val, 10**log_lam), bracket=(-2, 0, 2), method="brent"
    )
    assert np.log10(answer.lam) == pytest.approx(theirs.x, abs=0.01)
    assert answer.val_error == pytest.approx(theirs.fun, rel=1e-7)
    assert answer.test_error == ridge_error(PROBLEM, PROBLEM.test, answer.lam)
    assert answer.lam == pytest.approx(BAYES_LAM, rel=0.5), "1000 samples tell it to half a digit"


def test_bayes_lam_has_the_least_expected_error():
    """Over the draw of w and of the noise: for a given X the risk is a sum over its singular values."""
    x = PROBLEM.train.inputs.double()
    s = torch.linalg.svdvals(x).square() / SAMPLES

    def risk(lam):
        seen = ((lam / (s + lam)) ** 2 / FEATURES + NOISE**2 / SAMPLES * s / (s + lam) ** 2).sum().item()
        return seen + 1 - SAMPLES / FEATURES

    lams = BAYES_LAM * np.array([0.25, 0.5, 0.9, 1, 1.1, 2, 4])
    risks = [risk(lam) for lam in lams]
    assert int(np.argmin(risks)) == 3
    assert all(a > b for a, b in pairwise(risks[:4]))
    assert all(a < b for a, b in pairwise(risks[3:]))
    assert (risk(BAYES_LAM) + NOISE**2) / (1 + NOISE**2) == pytest.approx(best_ridge(PROBLEM).test_error, rel=0.1)


def test_training_with_coupled_decay_ends_at_the_known_weights():
    lam, data = BAYES_LAM, PROBLEM.train
    torch.manual_seed(0)
    model = PROBLEM.model()
    optimizer = halflife.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=lam)
    for _ in range(300):
        optimizer.zero_grad()
        PROBLEM.loss(model(data.inputs), data.targets).backward()
        optimizer.step()
    torch.testing.assert_close(model.weight.detach()[0].double(), ridge_weights(data, lam), rtol=0, atol=1e-6)
    error = PROBLEM.error(model(PROBLEM.val.inputs), PROBLEM.val.targets).mean().item()
    assert error == pytest.approx(ridge_error(PROBLEM, PROBLEM.val, lam), rel=1e-5)
